"""Take: which files wait, which of them are new, and the note that a batch has taken them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from spark_jobs.batches import Attempts, Batch, LookupResult, WaitingFile
from spark_jobs.cloud.ports import FileStore
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.feeds import name_problem
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import AcceptedMark, arrival_of
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import IngestSettings
from spark_jobs.store.commit_retry import commit_with_retry
from spark_jobs.store.tables import ATTEMPTS_COLUMNS, Tables, current_version, frame_of, of_files

if TYPE_CHECKING:
    from pyspark.sql import Row, SparkSession

SUSPECT_ATTEMPTS = 2
"""From so many unlogged attempts on, a file is kept apart from the others."""
FEW_SUSPECTS = 8
"""So many suspects are run one by one; more of them point to an outage rather than to the files."""
_log = logging.getLogger(__name__)


def waiting_files(store: FileStore, settings: IngestSettings) -> list[WaitingFile]:
    """What is in the source folder with a valid mark. Storage calls only: a run with nothing to do starts no Spark."""
    layout = settings.layout
    found = []
    for stored in store.list_files(layout.bucket, layout.source_prefix):
        mark = AcceptedMark.valid_on(stored.file.generation, stored.metageneration, stored.size, stored.metadata)
        if mark is None or mark.contract_version != CONTRACT_VERSION:
            continue
        if problem := name_problem(settings.feed, stored.file.name.removeprefix(layout.source_prefix)):
            _log.warning("left alone: %r has a mark, but %s", stored.file.name, problem)
            continue
        arrival = arrival_of(stored.file.name, layout.source_prefix, stored.created, stored.metadata)
        found.append(WaitingFile(stored, mark, arrival))
    return found


def look_up(spark: SparkSession, tables: Tables, files: Iterable[FileId]) -> LookupResult:
    """Which of these files are in the log, and what earlier batches noted about the others.

    All tables at once: planning a query takes longer than reading what it finds, and leaves a core idle.
    """
    wanted = list(files)

    def rows(table: str, *columns: str) -> list[Row]:
        return of_files(spark.table(table), wanted).select(*columns).collect()

    with ThreadPoolExecutor(3) as pool:
        logged = pool.submit(rows, tables.ingest_log, "file_id")
        attempted = pool.submit(rows, tables.attempts, "file_id", "target_version", "proved")
        now = pool.submit(current_version, spark, tables.target)
    in_log = {FileId.parse(row["file_id"]) for row in logged.result()}
    found: dict[FileId, Attempts] = {}
    for row in attempted.result():
        file, version = FileId.parse(row["file_id"]), row["target_version"]
        if file in in_log:
            continue
        was = found.get(file, Attempts(first_version=version))
        found[file] = Attempts(
            was.count + 1,
            was.proved + row["proved"],
            min(version, version if was.first_version is None else was.first_version),
        )
    return LookupResult(in_log, found, now.result())


def choose(waiting: Sequence[WaitingFile], known: LookupResult, settings: IngestSettings) -> list[WaitingFile]:
    """The next batch: files that were not left unlogged twice; then the suspects, those that failed least first.

    Suspects are run alone, but if they are many: then in groups that shrink with every attempt.
    """

    def count(file: WaitingFile) -> int:
        return known.attempts(file).count

    healthy = [file for file in waiting if count(file) < SUSPECT_ATTEMPTS]
    if healthy:
        return _bounded(healthy, settings)
    suspects = sorted(waiting, key=count)
    if len(suspects) <= FEW_SUSPECTS:
        return suspects[:1]
    group = max(1, min(len(suspects), settings.max_batch_files) >> (2 * count(suspects[0]) - 2))
    return _bounded(suspects[:group], settings)


def _bounded(files: Sequence[WaitingFile], settings: IngestSettings) -> list[WaitingFile]:
    chosen: list[WaitingFile] = []
    size = 0
    for file in files[: settings.max_batch_files]:
        size += file.stored.size
        if chosen and size > settings.max_batch_bytes:
            break
        chosen.append(file)
    return chosen


def take(
    spark: SparkSession,
    tables: Tables,
    chosen: Sequence[WaitingFile],
    known: LookupResult,
    deps: Dependencies,
    *,
    proved: bool = False,
) -> Batch:
    """Note that these files are taken, before anything of them is parsed, with the target's version when it was looked at.

    Counting starts from the version of a file's first attempt, since that one may have merged before it died.
    """
    version = known.target_version
    now = deps.now()
    batch_id = f"{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:12]}"
    rows = [(str(w.file), w.file.generation, batch_id, version, proved, now) for w in chosen]
    noted = frame_of(spark, rows, ATTEMPTS_COLUMNS)
    commit_with_retry("take", deps, lambda: noted.writeTo(tables.attempts).append())
    before = {w.file: known.attempts(w) for w in chosen}
    first = {file: version if was.first_version is None else was.first_version for file, was in before.items()}
    return Batch(
        batch_id,
        tuple(chosen),
        {file: was.count + 1 for file, was in before.items()},
        first,
        version,
    )
