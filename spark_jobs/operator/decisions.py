"""`order-tracking reject` and `order-tracking retry`: what an operator decides about a waiting file."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

import click

from spark_jobs import bootstrap
from spark_jobs.batches import Attempts, Batch, WaitingFile
from spark_jobs.cloud.ports import FileStore, StoredFile
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import AcceptedMark, arrival_of
from spark_jobs.contract.validation_results import ValidationResult
from spark_jobs.contract.violations import Violation
from spark_jobs.operator.backlog import mark_of, state_of
from spark_jobs.operator.console import print_json, printable, spark_session, stdout
from spark_jobs.operator.moved_files import relative_name, settings_for, split_id
from spark_jobs.operator.options import SettingsOf, json_option, location_options, outcome_topic_option
from spark_jobs.operator.tables import Details
from spark_jobs.settings import BucketLayout, Explained, SettingsError
from spark_jobs.steps.archive import destination, finish, finish_logged
from spark_jobs.steps.parking import RETRY
from spark_jobs.steps.record import count_changed_rows, rejected_entry
from spark_jobs.steps.run import Run
from spark_jobs.steps.take import look_up, note
from spark_jobs.store.ingest_log import LogEntry, logged
from spark_jobs.store.tables import create_tables, current_version

CODE = "rejected_by_operator"
MAX_REASON_LENGTH = 300


class Refused(Explained):
    """The command can't be applied to this file. The message says why."""


@click.command()
@location_options
@outcome_topic_option
@click.argument("file")
@click.option("--reason", required=True, help="Why; shown to the sender in the report and to consumers in the outcome.")
@click.option("--job-id", type=int, help="Refuse while this Databricks job has an active run, which could merge the file.")
@json_option
def reject(
    layout: BucketLayout,
    settings_of: SettingsOf,
    outcome_topic: str,
    file: str,
    reason: str,
    job_id: int | None,
    as_json: bool,
) -> None:
    """Reject a waiting file: write a report, log and publish the outcome, and move the file to rejected/.

    FILE is a name, an object name in source/, or a file id. A file with rows in the target can't be rejected.
    """
    settings = settings_for(settings_of(outcome_topic=outcome_topic), file)
    deps = bootstrap.build_dependencies(settings)
    # Before Spark starts, since these checks are quick.
    check_reason(reason)
    find_waiting(deps.store, layout, file)
    if job_id and bootstrap.build_job(job_id).has_active_run():
        raise Refused(f"job {job_id} has an active run, which could merge the file: wait until it ends, or cancel it")
    if not outcome_topic:
        click.echo("no --outcome-topic: the outcome is only logged, not published", err=True)
    with spark_session("Rejecting the file") as spark:
        rejected = reject_file(Run(settings, deps, spark), file, reason)
    if as_json:
        print_json(rejected)
        return
    rows = [("reason", rejected.reason), ("moved to", rejected.place), ("report", rejected.report)]
    stdout().print(Details(f"rejected {rejected.file}", rows))


@click.command()
@location_options
@click.argument("file")
@json_option
def retry(layout: BucketLayout, settings_of: SettingsOf, file: str, as_json: bool) -> None:
    """Retry a parked file: the next run takes it first, and its earlier attempts no longer count.

    FILE is a name, an object name in source/, or a file id.
    """
    settings = settings_for(settings_of(), file)
    deps = bootstrap.build_dependencies(settings)
    # Before Spark starts, since this check is quick.
    find_waiting(deps.store, layout, file)
    with spark_session("Requesting the retry") as spark:
        requested = request_retry(Run(settings, deps, spark), file)
    if as_json:
        print_json({"file": requested, "retry_requested": True})
        return
    click.echo(printable(f"the next run takes {requested} first"))


def find_waiting(store: FileStore, layout: BucketLayout, text: str) -> StoredFile:
    """The live object of a file in the source folder, given its name, object name or file id. Raises Refused."""
    _, generation = split_id(layout, text)
    relative = relative_name(layout, text)
    stored = store.stat(layout.bucket, layout.source_prefix + relative) if relative else None
    if stored is None:
        raise Refused(f"{text!r} is not in {layout.source_prefix} of bucket {layout.bucket}")
    if generation not in (None, stored.file.generation):
        raise Refused(f"{text!r} is no longer in {layout.source_prefix}: generation {stored.file.generation} replaced it")
    return stored


def request_retry(run: Run, text: str) -> FileId:
    """Append the request to the attempts table; repeating it changes nothing. Raises Refused."""
    stored = find_waiting(run.deps.store, run.settings.layout, text)
    if (state := state_of(stored)) != "accepted":
        raise Refused(f"{stored.file} can't be retried: it is {state}")
    create_tables(run.spark, run.tables, run.settings.feed)
    known = look_up(run, [stored.file])
    if stored.file in known.done:
        (entry,) = logged(run.spark, run.tables, [stored.file])
        raise _already_logged(entry)
    if not known.attempts(stored.file).retry_requested:
        note(run, [stored.file], f"{RETRY}{uuid.uuid4().hex}", known.target_version)
    return stored.file


def _already_logged(entry: LogEntry) -> Refused:
    return Refused(f"{entry.file} is already in the log as {entry.outcome}: the next run moves it")


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


def reject_file(run: Run, text: str, reason: str) -> ManualRejection:
    """Reject the file, or finish an earlier rejection that was interrupted after its log line. Raises Refused.

    The steps and their order are those of a run: report, message, log line, move.
    """
    reason = check_reason(reason)
    stored = find_waiting(run.deps.store, run.settings.layout, text)
    create_tables(run.spark, run.tables, run.settings.feed)
    known = look_up(run, [stored.file])
    if stored.file in known.done:
        (entry,) = logged(run.spark, run.tables, [stored.file])
        if entry.outcome == "rejected":
            finish_logged(run, known)
    else:
        attempts = known.attempts(stored.file)
        note = _check_not_merged(run, stored.file, attempts)
        (entry,) = finish(run, [_entry(run, stored, attempts, reason, note)], None)
    if entry.outcome != "rejected":
        raise _already_logged(entry)
    if run.problems:
        raise Refused(f"{'; '.join(run.problems)}; the next run retries this")
    place = destination(entry, run.settings)
    return ManualRejection(stored.file, entry.reason or "", place, entry.report or "")


def _check_not_merged(run: Run, file: FileId, attempts: Attempts) -> str | None:
    """Raises Refused if rows of the file are or were in the target: then it counts as merged, and the next run logs it.

    Returns a note if the change feed is gone, so that only the present target could be searched.
    """
    from pyspark.sql import functions as F

    note = None
    reached = not run.spark.table(run.tables.target).where(F.col("file_id") == str(file)).isEmpty()
    if not reached and attempts.first_version is not None:
        last = current_version(run.spark, run.tables.target)
        changed, note = count_changed_rows(run, [file], attempts.first_version, last)
        reached = bool(changed)
    if reached:
        raise Refused(f"{file} can't be rejected: rows of it are already in the target; use `order-tracking retry`")
    return note


def _entry(run: Run, stored: StoredFile, attempts: Attempts, reason: str, note: str | None) -> LogEntry:
    """Writes the report; the log line to record."""
    mark = mark_of(stored) or AcceptedMark(stored.file.generation, 0, 0, 0, True, False)
    arrival = arrival_of(stored.file.name, run.settings.layout.source_prefix, stored.created, stored.metadata)
    result = ValidationResult(
        run.settings.feed.name,
        rows=mark.rows,
        bad_rows=mark.bad_rows,
        counts={CODE: {"": 1}},
        violations=(Violation(CODE, f"an operator rejected the file: {reason}"),),
        # Only this violation is listed, not those of its rows.
        partial=mark.partial or mark.bad_rows > 0,
    )
    batch = Batch(f"reject-{run.id}", (), {stored.file: attempts.total}, {}, 0)
    return replace(rejected_entry(run, WaitingFile(stored, mark, arrival), result, batch), note=note)
