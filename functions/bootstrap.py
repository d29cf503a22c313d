"""The one place where adapters are chosen; and how an entry point answers its caller."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

from functions.config import Config, ConfigError
from functions.dependencies import Dependencies
from functions.events import CloudEvent, IrrelevantEvent, finalized_file, tick_id
from functions.handler import handle_upload
from functions.logs import configure_logging
from functions.sweep import sweep
from spark_jobs.cloud.ports import Announcer, Job, TransientError

_log = logging.getLogger(__name__)


def answer_upload(event: CloudEvent) -> None:
    """Entry point of the upload's function."""
    _answer(lambda: handle_upload(finalized_file(event), deps()))


def answer_tick(event: CloudEvent) -> None:
    """Entry point of the scheduler's function."""

    def tick() -> None:
        identity = tick_id(event)
        if not deps().config.source_bucket:
            raise ConfigError("The setting SOURCE_BUCKET is missing; the sweep needs the name of the bucket to go through.")
        sweep(identity, deps())

    _answer(tick)


@cache
def deps() -> Dependencies:
    """Built at the first event and kept while the instance lives. Raises ConfigError, each time until it is mended."""
    from spark_jobs.cloud.gcs import GcsFileStore

    config = Config.read(os.environ)
    return Dependencies(
        config=config,
        store=GcsFileStore.connect(),
        job=_job(config),
        announcer=_announcer(config),
        now=lambda: datetime.now(UTC),
        elapsed=time.monotonic,
    )


def _job(config: Config) -> Job:
    from functions.databricks_login import connect
    from spark_jobs.cloud.databricks_jobs import DatabricksJob

    host = os.environ.get("DATABRICKS_HOST")
    return DatabricksJob(lambda: connect(host, config.federation_audience or None), config.job_id)


def _announcer(config: Config) -> Announcer:
    from spark_jobs.cloud.pubsub import LogAnnouncer, PubSubAnnouncer

    return PubSubAnnouncer(config.outcome_topic) if config.outcome_topic else LogAnnouncer()


def _answer(work: Callable[[], object]) -> None:
    """Returning acknowledges the event; a 503 has it delivered again. Known trouble is one line, not a traceback."""
    from werkzeug.exceptions import ServiceUnavailable

    _prepare_logging()
    try:
        work()
    except IrrelevantEvent as reason:
        _log.warning("acknowledged, not ours: %s", reason)
    except (ConfigError, TransientError) as trouble:
        _log.error("%s", trouble)
        raise ServiceUnavailable(str(trouble)) from None


@cache
def _prepare_logging() -> None:
    configure_logging()
