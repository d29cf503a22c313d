"""Ask for a retry: the next run takes the file first, and its earlier attempts no longer count."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from spark_jobs.dependencies import Dependencies
from spark_jobs.operator.backlog import state_of
from spark_jobs.operator.waiting_file import Refused, find_waiting
from spark_jobs.settings import IngestSettings
from spark_jobs.steps.parking import RETRY
from spark_jobs.steps.take import look_up, note
from spark_jobs.store.ingest_log import logged
from spark_jobs.store.tables import Tables, create_tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from spark_jobs.contract.file_ids import FileId


def request_retry(spark: SparkSession, settings: IngestSettings, deps: Dependencies, text: str) -> FileId:
    """Append the request to the attempts table; repeating it changes nothing. Raises Refused."""
    stored = find_waiting(deps.store, settings.layout, text)
    if (state := state_of(stored)) != "accepted":
        raise Refused(f"{stored.file} can't be retried: it is {state}")
    tables = Tables.of(settings)
    create_tables(spark, tables, settings.feed)
    known = look_up(spark, tables, [stored.file])
    if stored.file in known.done:
        (entry,) = logged(spark, tables, [stored.file])
        raise Refused(f"{stored.file} is already in the log as {entry.outcome}: the next run moves it")
    if not known.attempts(stored.file).retry_requested:
        note(spark, tables, [stored.file], f"{RETRY}{uuid.uuid4().hex}", known.target_version, deps)
    return stored.file
