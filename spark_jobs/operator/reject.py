"""Reject a waiting file by hand. The steps and their order are those of a run: report, message, log line, move."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from spark_jobs.batches import Attempts, Batch, WaitingFile
from spark_jobs.cloud.ports import StoredFile
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import AcceptedMark, arrival_of
from spark_jobs.contract.validation_results import ValidationResult
from spark_jobs.contract.violations import Violation
from spark_jobs.dependencies import Dependencies
from spark_jobs.operator.backlog import mark_of
from spark_jobs.operator.waiting_file import Refused, find_waiting
from spark_jobs.settings import IngestSettings, SettingsError
from spark_jobs.steps.archive import destination
from spark_jobs.steps.record import count_changed_rows, record
from spark_jobs.steps.reject import reject
from spark_jobs.steps.run import Run, conclude, publish, publish_owed
from spark_jobs.steps.take import look_up
from spark_jobs.store.ingest_log import LogEntry, logged
from spark_jobs.store.tables import Tables, create_tables, current_version

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CODE = "rejected_by_operator"
MAX_REASON_LENGTH = 300


@dataclass(frozen=True)
class ManualRejection:
    """``place`` is the object's new name; ``report`` the report's."""

    file: FileId
    reason: str
    place: str
    report: str


def check_reason(reason: str) -> str:
    """The reason as the report, the log and the outcome message will show it. Raises SettingsError."""
    reason = reason.strip()
    if not reason or len(reason) > MAX_REASON_LENGTH or not reason.isprintable():
        raise SettingsError(f"--reason must be one line of 1 to {MAX_REASON_LENGTH} printable characters")
    return reason


def reject_file(
    spark: SparkSession, settings: IngestSettings, deps: Dependencies, text: str, reason: str
) -> ManualRejection:
    """Reject the file, or finish an earlier rejection that was interrupted after its log line. Raises Refused."""
    reason = check_reason(reason)
    stored = find_waiting(deps.store, settings.layout, text)
    run = Run(settings, deps, spark, Tables.of(settings))
    create_tables(spark, run.tables, settings.feed)
    known = look_up(spark, run.tables, [stored.file])
    attempts = known.attempts(stored.file)
    if stored.file in known.done:
        entries = logged(spark, run.tables, [stored.file])
        published = publish_owed(run, entries) if attempts.unannounced else {stored.file: entries[0].outcome}
    else:
        note = _check_not_merged(run, stored.file, attempts)
        new = _entry(run, stored, attempts, reason, note)
        published = publish(run, [new])
        entries = record(spark, run.tables, [new], None, deps)
    (entry,) = entries
    if entry.outcome != "rejected":
        raise Refused(f"{stored.file} is already in the log as {entry.outcome}: the next run moves it")
    conclude(run, entries, published)
    if run.problems:
        raise Refused(f"{'; '.join(run.problems)}; the next run retries this")
    return ManualRejection(stored.file, entry.reason or "", destination(entry, settings), entry.report or "")


def _check_not_merged(run: Run, file: FileId, attempts: Attempts) -> str | None:
    """Raises Refused if rows of the file are or were in the target: then it counts as merged, and the next run logs it.

    Returns a note if the change feed is gone, so that only the present target could be searched.
    """
    from pyspark.sql import functions as F

    note = None
    reached = not run.spark.table(run.tables.target).where(F.col("file_id") == str(file)).isEmpty()
    if not reached and attempts.first_version is not None:
        last = current_version(run.spark, run.tables.target)
        changed, note = count_changed_rows(run.spark, run.tables, [file], attempts.first_version, last)
        reached = bool(changed)
    if reached:
        raise Refused(f"{file} can't be rejected: rows of it are already in orders_target; use `order-tracking retry`")
    return note


def _entry(run: Run, stored: StoredFile, attempts: Attempts, reason: str, note: str | None) -> LogEntry:
    """Writes the report; the log line to record."""
    layout = run.settings.layout
    mark = mark_of(stored) or AcceptedMark(stored.file.generation, 0, 0, 0, True, False)
    arrival = arrival_of(stored.file.name, layout.source_prefix, stored.created, stored.metadata)
    result = ValidationResult(
        rows=mark.rows,
        bad_rows=mark.bad_rows,
        counts={CODE: {"": 1}},
        violations=(Violation(CODE, f"an operator rejected the file: {reason}"),),
        # Only this violation is listed, not those of its rows.
        partial=mark.partial or mark.bad_rows > 0,
    )
    batch = Batch(f"reject-{run.deps.now():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}", (), {stored.file: attempts.total}, {}, 0)
    entry = reject(WaitingFile(stored, mark, arrival), result, batch, run.settings, run.deps)
    return replace(entry, note=note)
