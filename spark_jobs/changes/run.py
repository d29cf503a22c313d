"""A run of the command `changes`: one query for each feed, at the same time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from spark_jobs.changes.reasons import reason
from spark_jobs.changes.settings import ChangesSettings
from spark_jobs.changes.stream import start_changes
from spark_jobs.cloud.ports import ChangePublisher
from spark_jobs.contract.feed import Feed
from spark_jobs.settings import Explained

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.streaming import StreamingQuery

LOOK_SECONDS = 1
_log = logging.getLogger(__name__)


class ChangesFailed(Explained):
    """Some changes could not be published; the next run publishes them. The message names the feeds."""


def publish_changes(
    spark: SparkSession,
    settings: ChangesSettings,
    feeds: Iterable[Feed],
    connect: Callable[[], ChangePublisher],
    *,
    continuous: bool = False,
) -> None:
    """Returns when all that was there is published. With ``continuous`` only an error ends it.

    ``connect`` makes a publisher for each feed, since their queries run at the same time. A feed that fails does not stop
    the others, unless they would go on for ever. Raises ChangesFailed.
    """
    running: list[tuple[Feed, StreamingQuery]] = []
    failed: dict[str, str] = {}
    for feed in feeds:
        try:
            running.append((feed, start_changes(spark, settings, feed, connect(), continuous=continuous)))
        except Exception as error:  # noqa: BLE001 - reported at the end
            failed[feed.name] = reason(error, spark, settings, feed)
    try:
        while running and not (failed and continuous):
            for feed, query in list(running):
                try:
                    ended = query.awaitTermination(LOOK_SECONDS)
                except Exception as error:  # noqa: BLE001 - reported at the end
                    ended, failed[feed.name] = True, reason(error, spark, settings, feed)
                if ended:
                    running = [one for one in running if one[1] is not query]
    finally:
        for _, query in running:
            query.stop()
    if failed:
        raise ChangesFailed("; ".join(f"changes of {name}: {why}" for name, why in failed.items()))
    _log.info("step=changes everything is published")
