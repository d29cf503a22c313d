"""Settle what earlier runs left open about files whose object is gone: nothing else would make a run process them again.

A run died, or its broker was down, and then the sender overwrote or deleted the object. Three things may be missing: the
line of a file that was taken (merged, if its rows reached the target; otherwise superseded); the correct outcome of a file
that one run settled as superseded before another, suspended one merged it; and a message.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from spark_jobs.batches import Attempts, FileCounts
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.outcomes import OutcomeKind
from spark_jobs.reading.batch_summary import count_staged
from spark_jobs.steps.archive import announce_owed, finish
from spark_jobs.steps.parking import ANNOUNCED, UNANNOUNCED, AttemptRow, attempts_of
from spark_jobs.steps.record import SUPERSEDED, count_changed_rows, counted_fields
from spark_jobs.steps.run import Run
from spark_jobs.steps.stage import gone_files, last_version_of
from spark_jobs.steps.take import attempt_row
from spark_jobs.store.ingest_log import LogEntry, logged
from spark_jobs.store.tables import at_version, current_version

LOOK_BACK = timedelta(days=14)
"""Every run settles, so anything older was settled; no two runs are further apart."""
LONGEST_SUSPENSION = timedelta(days=1)
"""How long after a file was settled as superseded a suspended run may still merge it."""
LONGEST_WAIT = timedelta(days=365)
MAX_MICROSECONDS = 4_000_000_000_000_000
BYTES_GONE = "the object was overwritten or deleted before it could be archived: its bytes are gone"
_log = logging.getLogger(__name__)


def settle(run: Run) -> None:
    """Log these files, the merged ones with their counts, and publish what is owed. The next run may repeat it."""
    rows = _open_attempts(run)
    attempts = attempts_of(row for row, _ in rows)
    outcomes = {FileId.parse(row.file_id): outcome for row, outcome in rows}
    gone = gone_files(run, list(attempts))
    if owed := [file for file in gone if outcomes[file] and attempts[file].unannounced]:
        announce_owed(run, logged(run.spark, run.tables, owed))
    if unsure := [file for file in gone if outcomes[file] in {None, "superseded"} and attempts[file].batches]:
        _settle_gone(run, unsure, attempts, {file for file in unsure if outcomes[file]})


def _settle_gone(
    run: Run, files: Sequence[FileId], attempts: Mapping[FileId, Attempts], superseded: Collection[FileId]
) -> None:
    last = current_version(run.spark, run.tables.target)
    first = min(attempts[file].first_version or 0 for file in files)
    changed, note = count_changed_rows(run, files, first, last)
    in_target = set(changed) if changed is not None else _in_target(run, files)
    for file in files:
        version = None
        if file in in_target:
            version, counts = _staged(run, file, attempts[file])
            notes = [BYTES_GONE, note, None if counts else "so are its staged rows"]
            fields = counted_fields(counts, changed[file] if changed is not None else None)
            entry = _entry(run, file, attempts[file], "merged", note="; ".join(filter(None, notes)), **fields)
        elif file in superseded:
            continue
        else:
            entry = _entry(run, file, attempts[file], "superseded", reason=SUPERSEDED, note=note)
        _log.warning("step=settle %r is gone: logged as %s", str(file), entry.outcome)
        finish(run, [entry], version)


def _open_attempts(run: Run) -> list[tuple[AttemptRow, str | None]]:
    """Recent rows of the attempts table, with the outcome in the log, about files that may have something left to settle:
    those without a log line, recently superseded, or not announced."""
    from pyspark.sql import functions as F

    since = run.deps.now() - LOOK_BACK
    rows = run.spark.table(run.tables.attempts).where(F.col("attempted_at") >= F.lit(since))
    # A line is written after its attempt; a day more, since clocks differ.
    lines = run.spark.table(run.tables.ingest_log).where(F.col("logged_at") >= F.lit(since - timedelta(days=1)))
    recently = F.col("logged_at") >= F.lit(run.deps.now() - LONGEST_SUSPENSION)
    noted = F.startswith("batch_id", F.lit(UNANNOUNCED)) | F.startswith("batch_id", F.lit(ANNOUNCED))
    is_open = F.isnull("outcome") | ((F.col("outcome") == "superseded") & recently) | noted
    # Broadcast: a join without a shuffle is planned and compiled in half the time, which a cold run feels.
    logged_as = F.broadcast(lines.select("file_id", "outcome", "logged_at"))
    found = rows.join(logged_as, "file_id", "left").where(is_open)
    return [(attempt_row(row), row["outcome"]) for row in found.select(*AttemptRow._fields, "outcome").collect()]


def _in_target(run: Run, files: Sequence[FileId]) -> set[FileId]:
    """The files that have rows in the target now; used if the change feed is gone."""
    from pyspark.sql import functions as F

    target = run.spark.table(run.tables.target).where(F.col("file_id").isin([str(file) for file in files]))
    return {FileId.parse(row["file_id"]) for row in target.select("file_id").distinct().collect()}


def _staged(run: Run, file: FileId, attempts: Attempts) -> tuple[int | None, FileCounts | None]:
    """The latest version of the stage that holds the file's rows, and its counts."""
    from pyspark.sql import functions as F

    for batch_id in reversed(attempts.batches):
        version = last_version_of(run, batch_id)
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
    # In practice, a generation is the upload time in microseconds, and nothing else about the object is left.
    uploaded = datetime.fromtimestamp(min(file.generation, MAX_MICROSECONDS) / 1e6, UTC)
    arrived = uploaded if first - LONGEST_WAIT <= uploaded <= first else first
    return LogEntry(file, outcome, attempts.batches[-1], arrived, run.deps.now(), attempts.total, **fields)
