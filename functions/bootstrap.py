"""Chooses the adapters, the only place that does, and turns the result of an event into an HTTP response."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from functions.config import Config, ConfigError
from functions.dependencies import Dependencies
from functions.events import IrrelevantEvent, finalized_file, tick_id
from functions.handler import handle_upload
from functions.logs import configure_logging
from functions.sweep import sweep
from spark_jobs.cloud.ports import TransientError

if TYPE_CHECKING:
    from cloudevents.http import CloudEvent

_log = logging.getLogger(__name__)


def handle_upload_event(event: CloudEvent) -> None:
    """Handle the event of an upload (Eventarc)."""
    _respond(lambda: handle_upload(finalized_file(event), deps()))


def handle_sweep_event(event: CloudEvent) -> None:
    """Handle a tick of the scheduler (Pub/Sub)."""

    def run_sweep() -> None:
        tick = tick_id(event)
        if not deps().config.source_bucket:
            raise ConfigError("The setting SOURCE_BUCKET is missing; set it to the name of the bucket to sweep.")
        sweep(tick, deps())

    _respond(run_sweep)


@cache
def deps() -> Dependencies:
    """Built at the first event and kept for the life of the instance. Raises ConfigError until the settings are fixed."""
    from functions.databricks_login import connect
    from spark_jobs.cloud.databricks_jobs import DatabricksJob
    from spark_jobs.cloud.gcs import GcsFileStore
    from spark_jobs.cloud.pubsub import LogAnnouncer, PubSubAnnouncer

    config, host = Config.read(os.environ), os.environ.get("DATABRICKS_HOST")
    workspace = cache(lambda: connect(host, config.federation_audience or None))
    never, continuous_job_id = config.launch == "never", config.continuous_job_id
    return Dependencies(
        config=config,
        store=GcsFileStore.connect(),
        job=DatabricksJob(workspace, config.job_id),
        continuous_job=DatabricksJob(workspace, continuous_job_id) if never and continuous_job_id else None,
        announcer=PubSubAnnouncer(config.outcome_topic) if config.outcome_topic else LogAnnouncer(),
        now=lambda: datetime.now(UTC),
        elapsed=time.monotonic,
    )


def _respond(work: Callable[[], object]) -> None:
    """Returning acknowledges the event; a 503 makes Eventarc or Pub/Sub retry. An expected error is logged as one line,
    without a traceback.
    """
    from werkzeug.exceptions import ServiceUnavailable

    _prepare_logging()
    try:
        work()
    except IrrelevantEvent as reason:
        _log.warning("acknowledged without action: %s", reason)
    except (ConfigError, TransientError) as error:
        _log.error("%s", error)
        raise ServiceUnavailable(str(error)) from None


@cache
def _prepare_logging() -> None:
    configure_logging()
