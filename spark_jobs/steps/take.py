"""Take: list the waiting files, look up which are new, choose a batch and note that it has taken them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from spark_jobs.batches import Batch, LookupResult, WaitingFile
from spark_jobs.cloud.ports import FileStore
from spark_jobs.contract.feeds import feed_name, name_problem
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import AcceptedMark, arrival_of
from spark_jobs.settings import IngestSettings
from spark_jobs.steps.parking import AttemptRow, attempts_of, is_parked, next_try
from spark_jobs.steps.run import Run
from spark_jobs.store.commit_retry import commit_with_retry
from spark_jobs.store.tables import ATTEMPTS_COLUMNS, current_version, frame_of, of_files

if TYPE_CHECKING:
    from pyspark.sql import Row

_log = logging.getLogger(__name__)


def waiting_files(store: FileStore, settings: IngestSettings) -> list[WaitingFile]:
    """The objects in the source folder with a valid mark of any contract version. Storage calls only: a run with nothing to
    do starts no Spark."""
    layout = settings.layout
    found = []
    for stored in store.list_files(layout.bucket, layout.source_prefix):
        mark = AcceptedMark.valid_on(stored.file.generation, stored.metageneration, stored.size, stored.metadata)
        if mark is None:
            continue
        problem = name_problem(stored.file.name.removeprefix(layout.source_prefix))
        if problem or feed_name(stored.file.name) != mark.feed:
            _log.warning("left alone: %r has a mark, but %s", stored.file.name, problem or f"of the feed {mark.feed!r}")
            continue
        arrival = arrival_of(stored.file.name, layout.source_prefix, stored.created, stored.metadata)
        found.append(WaitingFile(stored, mark, arrival))
    return found


def look_up(run: Run, files: Sequence[FileId]) -> LookupResult:
    """Which of these files are in the log, and earlier attempts at them.

    The target's version is read first: rows that another run merges after that are counted from the change feed. (So an
    older version is as good: the one after this run's last merge needs no query.) Log and attempts are read at the same
    time, since planning a query takes longer than reading what it finds.
    """

    def rows(table: str, *columns: str) -> list[Row]:
        return of_files(run.spark.table(table), files).select(*columns).collect()

    version = run.target_version
    if version is None:
        version = current_version(run.spark, run.tables.target)
    with ThreadPoolExecutor(2) as pool:
        logged = pool.submit(rows, run.tables.ingest_log, "file_id")
        noted = pool.submit(rows, run.tables.attempts, *AttemptRow._fields)
    done = {FileId.parse(row["file_id"]) for row in logged.result()}
    return LookupResult(done, attempts_of(map(attempt_row, noted.result())), version)


def attempt_row(row: Row) -> AttemptRow:
    """A row of the attempts table as Spark gives it: its times are naive, in the driver's own zone."""
    return AttemptRow(row["file_id"], row["batch_id"], row["target_version"], row["attempted_at"].astimezone(UTC))


def choose(
    waiting: Sequence[WaitingFile], known: LookupResult, settings: IngestSettings, now: datetime
) -> list[WaitingFile]:
    """The next batch: files whose retry an operator wants first; then, if there is no other, one parked file that is due.
    Empty if all waiting files are parked and not due."""
    attempts = {w.file: known.attempts(w.file) for w in waiting}
    ready = [w for w in waiting if not is_parked(attempts[w.file])]
    if ready:
        return bounded(sorted(ready, key=lambda w: not attempts[w.file].retry_requested), settings)
    due = [w for w in waiting if next_try(attempts[w.file]) <= now]
    return sorted(due, key=lambda w: next_try(attempts[w.file]))[:1]


def bounded(files: Sequence[WaitingFile], settings: IngestSettings) -> list[WaitingFile]:
    """As many of them as fit into one batch, at least one."""
    chosen: list[WaitingFile] = []
    size = 0
    for file in files[: settings.max_batch_files]:
        size += file.stored.size
        if chosen and size > settings.max_batch_bytes:
            break
        chosen.append(file)
    return chosen


def take(run: Run, chosen: Sequence[WaitingFile], known: LookupResult) -> Batch:
    """Note that these files are taken, before any of them is parsed, with the target's version at the look-up.

    Counting starts from the version of a file's first attempt, since that one may have merged before it died.
    """
    batch_id, version = run.next_batch_id(), known.target_version
    note(run, [w.file for w in chosen], batch_id, version)
    before = {w.file: known.attempts(w.file) for w in chosen}
    first = {file: version if was.first_version is None else was.first_version for file, was in before.items()}
    return Batch(batch_id, tuple(chosen), {file: was.total + 1 for file, was in before.items()}, first, version)


def note(run: Run, files: Sequence[FileId], batch_id: str, version: int) -> None:
    """Append a row for each file to the attempts table; see `parking` for what ``batch_id`` may be."""
    rows = [(str(file), file.generation, batch_id, version, run.deps.now()) for file in files]
    noted = frame_of(run.spark, rows, ATTEMPTS_COLUMNS)
    commit_with_retry("take", run.deps, lambda: noted.writeTo(run.tables.attempts).append())
