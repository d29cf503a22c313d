"""The last steps of every outcome: announce, record, archive. If one fails, the next run completes it from the log.

Announcing and archiving work file by file: one that can't be moved (a hold, a missing permission) does not stop the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from spark_jobs.batches import LookupResult
from spark_jobs.cloud.ports import STORAGE_CALLS_AT_ONCE, FileRefused, TransientError
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.object_names import archive_name, rejected_name
from spark_jobs.contract.outcomes import OutcomeKind
from spark_jobs.settings import IngestSettings
from spark_jobs.steps.parking import ANNOUNCED, UNANNOUNCED
from spark_jobs.steps.record import record
from spark_jobs.steps.run import Run, timed
from spark_jobs.steps.take import note
from spark_jobs.store.ingest_log import LogEntry, logged

GIVE_UP_AFTER = 2 * STORAGE_CALLS_AT_ONCE
"""After this many failures without a success, assume an outage: every further call would wait for its timeout."""
_log = logging.getLogger(__name__)


def finish(run: Run, entries: Sequence[LogEntry], stage_version: int | None) -> list[LogEntry]:
    """Announce, record and archive files with new log lines. Returns the lines as the log has them: another run may have
    written one first."""
    published = announce(run, entries)
    with timed("record", run.deps):
        recorded = record(run, entries, stage_version)
    archive(run, recorded, published)
    run.entries += recorded
    return recorded


def finish_logged(run: Run, known: LookupResult) -> None:
    """Archive files whose line is in the log; first announce those whose outcome could not be published."""
    entries = logged(run.spark, run.tables, known.done)
    owed = [entry for entry in entries if known.attempts(entry.file).unannounced]
    published: dict[FileId, OutcomeKind] = {entry.file: entry.outcome for entry in entries if entry not in owed}
    archive(run, entries, published | announce_owed(run, owed))


def announce(run: Run, entries: Sequence[LogEntry]) -> dict[FileId, OutcomeKind]:
    """Publish outcomes before their log lines are written. Returns those that were published.

    If a run dies between the two, the next run publishes the same outcome again. In the other order, if the sender removed
    the object at that moment, the outcome would never be published. What can't be published is noted for later runs.
    """
    announcer = run.deps.announcer
    with timed("announce", run.deps):
        failed = _for_each(run, entries, "can't be announced", lambda entry: announcer.announce([entry.as_outcome()]))
    if failed:
        note(run, failed, f"{UNANNOUNCED}{run.id}", 0)
    run.deps.checkpoint("announced")
    return {entry.file: entry.outcome for entry in entries if entry.file not in failed}


def announce_owed(run: Run, entries: Sequence[LogEntry]) -> dict[FileId, OutcomeKind]:
    """Publish outcomes that an earlier run wrote into the log but could not publish. Returns those that were published."""
    published = announce(run, entries) if entries else {}
    if published:
        note(run, list(published), f"{ANNOUNCED}{run.id}", 0)
    return published


def archive(run: Run, entries: Sequence[LogEntry], published: Mapping[FileId, OutcomeKind]) -> None:
    """Move each file, this generation only. ``entries``: as the log has them; its outcome is announced where another one
    was published. A file whose outcome is not published stays where it is, and a superseded one no longer exists."""
    run.deps.checkpoint("recorded")
    if others := [e for e in entries if published.get(e.file, e.outcome) != e.outcome]:
        published = {**published, **announce(run, others)}
    present = [e for e in entries if e.file in published and e.outcome != "superseded"]
    with timed("archive", run.deps):
        _for_each(run, present, "can't be moved", lambda entry: _move(run, entry))
    run.deps.checkpoint("archived")


def _for_each(run: Run, entries: Sequence[LogEntry], what: str, call: Callable[[LogEntry], None]) -> list[FileId]:
    """The files for which the call failed; the run reports them at its end."""
    problems: dict[FileId, str] = {}
    succeeded: list[FileId] = []

    def work(entry: LogEntry) -> None:
        if len(problems) >= GIVE_UP_AFTER and not succeeded:
            problems[entry.file] = "skipped, because all others failed"
            return
        try:
            call(entry)
            succeeded.append(entry.file)
        except (FileRefused, TransientError) as error:
            problems[entry.file] = f"{entry.outcome}, but {what}: {error}"
            _log.error("%r: %s", str(entry.file), problems[entry.file])

    with ThreadPoolExecutor(STORAGE_CALLS_AT_ONCE) as pool:
        list(pool.map(work, entries))
    for file, problem in problems.items():
        run.problem(file, problem)
    return list(problems)


def _move(run: Run, entry: LogEntry) -> None:
    if not run.deps.store.move(entry.file, destination(entry, run.settings)):
        _log.warning("%r was overwritten or deleted after it was %s: nothing to archive", str(entry.file), entry.outcome)


def destination(entry: LogEntry, settings: IngestSettings) -> str:
    """The object name that a file with this outcome moves to."""
    layout = settings.layout
    if entry.outcome == "rejected":
        return rejected_name(entry.file, layout.source_prefix, layout.rejected_prefix)
    return archive_name(entry.file, layout.source_prefix, layout.archive_prefix)
