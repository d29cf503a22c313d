# ruff: noqa: S608 - identifiers are quoted by `quoted`; nothing else comes from outside
"""Publishes one batch of the stream. It may run again, with the same or with other boundaries, in any process."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from time import monotonic
from typing import TYPE_CHECKING

from spark_jobs.changes.images import Image, in_order, with_images
from spark_jobs.changes.pairing import changes
from spark_jobs.changes.settings import ChangesSettings
from spark_jobs.cloud.ports import ChangePublisher
from spark_jobs.contract.changes import Message, Snapshot
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.values import EPOCH, from_micros
from spark_jobs.store.tables import Tables, at_version, quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_log = logging.getLogger(__name__)


def publish_batch(
    frame: DataFrame, batch_id: int, *, settings: ChangesSettings, feed: Feed, publisher: ChangePublisher, started_at: int
) -> None:
    """Returns when the broker has confirmed every message; raises otherwise, and the batch comes again.

    The first batch begins with the commit ``started_at`` itself, so that there always is a first batch. Its changes are
    not published: they are before the start, or part of the table as of that version.
    """
    began = monotonic()
    spark = frame.sparkSession  # under Connect, this runs in another process than the one that started the stream
    published = 0
    if batch_id == 0:
        frame = frame.where(f"_commit_version > {started_at:d}")
        if settings.start == "beginning":
            published += publisher.publish(_snapshot(spark, settings.tables_of(feed), feed, started_at))
    published += publisher.publish(_messages(spark, settings.tables_of(feed), feed, frame))
    _log.info("step=changes feed=%s batch=%d messages=%d seconds=%.3f", feed.name, batch_id, published, monotonic() - began)


def _messages(spark: SparkSession, tables: Tables, feed: Feed, frame: DataFrame) -> Iterator[Message]:
    images = with_images(frame, feed)

    @cache
    def remaining(version: int) -> Mapping[str, Image]:
        return _remaining(spark, tables, feed, images, version)

    for change in changes(feed, in_order(images), remaining):
        yield change.as_message()


def _remaining(spark: SparkSession, tables: Tables, feed: Feed, images: DataFrame, version: int) -> dict[str, Image]:
    """The rows that are still there of keys that a commit only removed rows of: few, since keys are unique."""
    from pyspark.sql import functions as F

    commit = images.where(F.col("_image.version") == version)
    only_removed = commit.groupBy(*map(quoted, feed.key)).agg(F.min("_image.removed").alias("only")).where("only")
    found = _rows(spark, tables, feed, version).join(only_removed, list(feed.key), "left_semi").select("_image.*")
    left: dict[str, Image] = {}
    for row in found.toLocalIterator():
        image = Image(*row)
        if image.key not in left or image.content > left[image.key].content:
            left[image.key] = image
    return left


def _snapshot(spark: SparkSession, tables: Tables, feed: Feed, version: int) -> Iterator[Message]:
    """The table as of a version: first that it follows, then its rows."""
    at = _committed_at(spark, tables.target, version)
    key = ", ".join(map(quoted, feed.key))
    counted = spark.sql(f"SELECT count(DISTINCT {key}) AS rows FROM {tables.target} VERSION AS OF {version}").collect()
    yield Snapshot(feed, counted[0]["rows"], version, at).as_message()
    rows = _rows(spark, tables, feed, version, at)
    for change in changes(feed, in_order(rows), lambda _: {}):
        yield change.as_message()


def _rows(spark: SparkSession, tables: Tables, feed: Feed, version: int, at: datetime = EPOCH) -> DataFrame:
    """The rows of the table as of a version, as images that its commit added."""
    from pyspark.sql import functions as F

    rows = at_version(spark, tables.target, version)
    made = {"_commit_version": F.lit(version).cast("long"), "_commit_timestamp": F.lit(at), "_change_type": F.lit("insert")}
    return with_images(rows.withColumns(made), feed)


def _committed_at(spark: SparkSession, table: str, version: int) -> datetime:
    """Commit time (aware), as the change feed gives it."""
    from pyspark.sql import functions as F

    history = spark.sql(f"DESCRIBE HISTORY {table}").where(F.col("version") == version)
    micros = history.select(F.unix_micros("timestamp")).collect()[0][0]
    return from_micros(micros)
