"""Settle: files that an earlier run took, that no line of the log mentions and whose object is gone.

That run died, and then the sender overwrote or deleted the object: nothing will bring the file here again. If its rows
reached the target, it was merged, and the log must say so.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from spark_jobs.batches import Attempts, ChangedRows, FileCounts
from spark_jobs.cloud.ports import STORAGE_CALLS_AT_ONCE
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.outcomes import OutcomeKind
from spark_jobs.reading.counts import count_staged
from spark_jobs.steps.parking import AttemptRow, attempts_of
from spark_jobs.steps.record import count_changed_rows, record
from spark_jobs.steps.reject import SUPERSEDED
from spark_jobs.steps.run import Run, conclude, publish_first
from spark_jobs.steps.stage import last_version_of
from spark_jobs.steps.take import attempt_row
from spark_jobs.store.ingest_log import LogEntry
from spark_jobs.store.tables import at_version, current_version

LOOK_BACK = timedelta(days=14)
"""Every run settles, so only what happened since the last one can be new. Longer breaks than this are not expected."""
LONGEST_WAIT = timedelta(days=365)
MAX_MICROSECONDS = 4_000_000_000_000_000
BYTES_GONE = "the object was overwritten or deleted before it could be archived: its bytes are gone"
_log = logging.getLogger(__name__)


def settle(run: Run) -> None:
    """Log these files, the merged ones with their counts. Repeated after a crash, since the log is asked first."""
    attempts = attempts_of(_unlogged(run))
    gone = _gone(run, [file for file, noted in attempts.items() if noted.batches])
    if not gone:
        return
    last = current_version(run.spark, run.tables.target)
    first = min(attempts[file].first_version or 0 for file in gone)
    changed, note = count_changed_rows(run.spark, run.tables, gone, first, last)
    in_target = set(changed) if changed is not None else _in_target(run, gone)
    for file in gone:
        version = None
        if file in in_target:
            version, counts = _staged(run, file, attempts[file])
            mine = changed[file] if changed is not None else None
            entry = _merged_entry(run, file, attempts[file], counts, mine, note)
        else:
            entry = _entry(run, file, attempts[file], "superseded", reason=SUPERSEDED, note=note)
        _log.warning("step=settle %r is gone: logged as %s", str(file), entry.outcome)
        write, published = publish_first(run, [entry])
        entries = record(run.spark, run.tables, write, version, run.deps)
        conclude(run, entries, published)
        run.entries += entries


def _unlogged(run: Run) -> list[AttemptRow]:
    from pyspark.sql import functions as F

    since = run.deps.now() - LOOK_BACK
    noted = run.spark.table(run.tables.attempts).where(F.col("attempted_at") >= F.lit(since))
    # A line is written after its attempt; a day more, since clocks differ.
    lines = run.spark.table(run.tables.ingest_log).where(F.col("logged_at") >= F.lit(since - timedelta(days=1)))
    rows = noted.join(lines.select("file_id"), "file_id", "left_anti").select(*AttemptRow._fields).collect()
    return [attempt_row(row) for row in rows]


def _gone(run: Run, files: Sequence[FileId]) -> list[FileId]:
    """The files whose generation isn't live any more."""
    with ThreadPoolExecutor(STORAGE_CALLS_AT_ONCE) as pool:
        live = pool.map(lambda file: run.deps.store.stat(file.bucket, file.name), files)
        return [file for file, now in zip(files, live, strict=True) if now is None or now.file != file]


def _in_target(run: Run, files: Sequence[FileId]) -> set[FileId]:
    """Where the change feed is gone: the files of which rows are in the target now."""
    from pyspark.sql import functions as F

    target = run.spark.table(run.tables.target).where(F.col("file_id").isin([str(file) for file in files]))
    return {FileId.parse(row["file_id"]) for row in target.select("file_id").distinct().collect()}


def _merged_entry(
    run: Run, file: FileId, attempts: Attempts, counts: FileCounts | None, changed: ChangedRows | None, note: str | None
) -> LogEntry:
    outranked = counts.rows - counts.bad_rows - changed.inserted - changed.updated if counts and changed else None
    return _entry(
        run,
        file,
        attempts,
        "merged",
        rows=counts.rows if counts else None,
        inserted=changed.inserted if changed else None,
        updated=changed.updated if changed else None,
        outranked=outranked,
        rejected_rows=counts.bad_rows if counts else None,
        conflicting_ties=counts.conflicting_ties if counts else None,
        balanced=None if outranked is None else outranked >= 0,
        note="; ".join(filter(None, [BYTES_GONE, note, None if counts else "so are its staged rows"])),
    )


def _staged(run: Run, file: FileId, attempts: Attempts) -> tuple[int | None, FileCounts | None]:
    """The latest version of the stage that holds the file's rows, and its counts."""
    from pyspark.sql import functions as F

    for batch_id in reversed(attempts.batches):
        version = last_version_of(run.spark, run.tables.stage, batch_id)
        if version is None:
            continue
        try:
            rows = at_version(run.spark, run.tables.stage, version).where(F.col("file_id") == str(file))
            counts = count_staged(rows, run.settings.feed).files.get(file)
        except Exception as error:  # noqa: BLE001 - a vacuumed version, however the platform words it
            _log.warning("step=settle version %d of the stage can't be read: %s", version, error)
            continue
        if counts:
            return version, counts
    return None, None


def _entry(run: Run, file: FileId, attempts: Attempts, outcome: OutcomeKind, **fields: Any) -> LogEntry:
    first = attempts.first_at or run.deps.now()
    # A generation is the time of the upload in microseconds, as far as one may rely on it. Nothing else is left.
    uploaded = datetime.fromtimestamp(min(file.generation, MAX_MICROSECONDS) / 1e6, UTC)
    arrived = uploaded if first - LONGEST_WAIT <= uploaded <= first else first
    return LogEntry(file, outcome, attempts.batches[-1], arrived, run.deps.now(), attempts.total, **fields)
