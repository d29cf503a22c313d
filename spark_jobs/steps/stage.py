"""Stage: parse the batch into ``orders_stage`` in one commit, and count each file's rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from spark_jobs.batches import Batch, Counts, FileCounts, StageResult, WaitingFile
from spark_jobs.cloud.ports import STORAGE_CALLS_AT_ONCE, FileGone
from spark_jobs.contract.content_encoding import content_encoding_violation
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.rows import latest_allowed
from spark_jobs.contract.validation_results import ValidationResult, too_many_bad_rows
from spark_jobs.contract.violation_counter import ViolationCounter
from spark_jobs.contract.violations import RULES, Violation
from spark_jobs.dependencies import Dependencies
from spark_jobs.reading.batch_summary import count_staged
from spark_jobs.reading.staged_rows import NOT_LINES
from spark_jobs.settings import IngestSettings
from spark_jobs.steps.reject import validate_again
from spark_jobs.store.commit_retry import commit_with_retry
from spark_jobs.store.tables import Tables, at_version

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

MISCOUNTS = 3
"""How often the staged rows may differ from the first pass's count before the run gives up."""
_log = logging.getLogger(__name__)


def stage(spark: SparkSession, tables: Tables, batch: Batch, settings: IngestSettings, deps: Dependencies) -> StageResult:
    """Parse and write until every remaining file was read completely, as the generation that was taken, and may load."""
    rejected = encoded_files(batch.files)
    left = {w.file: w for w in batch.files if w.file not in rejected}
    gone: list[WaitingFile] = []
    not_lines: set[FileId] = set()
    miscounts = 0
    for number in count(1):
        if not left:
            break
        write_id = f"{batch.id}/{number}"
        try:
            parsed = _parsed(spark, list(left.values()), not_lines, settings, deps)
            version = _write(spark, tables, batch, write_id, parsed, settings, deps)
        except Exception:
            if not (changed := overwritten(deps, left.values())):
                raise
            # A file that disappears while Spark reads it fails the whole read: retry without it.
            gone += [left.pop(w.file) for w in changed]
            continue
        deps.checkpoint("staged")
        if changed := overwritten(deps, left.values()):
            gone += [left.pop(w.file) for w in changed]
            continue
        if version is None:
            return StageResult(None, tuple(left.values()), dict.fromkeys(left, FileCounts()), None, tuple(gone), rejected)
        staged = at_version(spark, tables.stage, version)
        found = parsed.counts or count_staged(staged, settings.feed)
        counts = found.files
        if wrong := {file for file, counted in counts.items() if counted.fault == NOT_LINES}:
            not_lines |= wrong
            continue
        expected = parsed.counted.items()
        if miscounted := [file for file, rows in expected if not _complete(counts.get(file, FileCounts()), rows)]:
            miscounts += 1
            if miscounts >= MISCOUNTS:
                raise RuntimeError(f"Spark read different rows than it counted, {MISCOUNTS} times, in {miscounted[0]}")
            not_lines |= set(miscounted)
            continue
        try:
            bad = find_rejected(counts, left, settings, deps)
        except FileGone:
            continue
        if bad:
            rejected |= bad
            left = {file: w for file, w in left.items() if file not in bad}
            continue
        all_counts = {file: counts.get(file, FileCounts()) for file in left}
        return StageResult(version, tuple(left.values()), all_counts, found.keys, tuple(gone), rejected)
    return StageResult(gone=tuple(gone), rejected=rejected)


def overwritten(deps: Dependencies, files: Iterable[WaitingFile]) -> list[WaitingFile]:
    """The files whose generation isn't the live one any more."""
    waiting = list(files)
    gone = set(gone_files(deps, [w.file for w in waiting]))
    return [w for w in waiting if w.file in gone]


def gone_files(deps: Dependencies, files: Sequence[FileId]) -> list[FileId]:
    """Of these generations, those that aren't live any more."""
    with ThreadPoolExecutor(STORAGE_CALLS_AT_ONCE) as pool:
        live = pool.map(lambda file: deps.store.stat(file.bucket, file.name), files)
        return [file for file, now in zip(files, live, strict=True) if now is None or now.file != file]


def path_of(settings: IngestSettings, name: str) -> str:
    """Where Spark reads an object."""
    root = settings.files_root.rstrip("/") or f"gs://{settings.layout.bucket}"
    return f"{root}/{name}"


@dataclass(frozen=True)
class _Parsed:
    """Rows with their flags. ``counted``: rows of the files whose lines a first pass counted, to compare. ``counts``:
    set if they are known before anything is written."""

    rows: DataFrame
    counted: Mapping[FileId, int] = field(default_factory=dict)
    counts: Counts | None = None


def _parsed(
    spark: SparkSession,
    files: Sequence[WaitingFile],
    not_lines: set[FileId],
    settings: IngestSettings,
    deps: Dependencies,
) -> _Parsed:
    from spark_jobs.reading.batch_summary import flag
    from spark_jobs.reading.driver_batches import read_on_driver
    from spark_jobs.reading.spark_batches import Source, parse

    feed = settings.feed
    if sum(w.stored.size for w in files) <= settings.small_batch_bytes:
        rows, counts = read_on_driver(spark, feed, files, deps)
        return _Parsed(rows, counts=counts)
    sources = [
        Source(
            w.file,
            path_of(settings, w.file.name),
            latest_allowed(feed, w.arrival),
            w.mark.splittable and w.file not in not_lines,
        )
        for w in files
    ]
    parsed = parse(spark, feed, sources, deps.store)
    return _Parsed(flag(parsed.rows, feed), parsed.counted)


def _write(
    spark: SparkSession,
    tables: Tables,
    batch: Batch,
    write_id: str,
    parsed: _Parsed,
    settings: IngestSettings,
    deps: Dependencies,
) -> int | None:
    """One commit; its version. None if there are no rows to write: Delta then makes no commit to an empty stage."""
    from pyspark.sql import functions as F

    provenance = ("file_id", "row_number", "batch_id")
    columns = [*settings.feed.column_names, *provenance, "raw_line", "violations", "newest", "tied"]
    # A writer option: serverless refuses the session setting that would do the same.
    write = parsed.rows.withColumn("batch_id", F.lit(batch.id)).select(*columns).writeTo(tables.stage)
    # Written once, read three times, then overwritten: the better compression pays.
    marked = write.option("userMetadata", write_id).option("compression", "zstd")
    commit_with_retry("stage", deps, lambda: marked.overwrite(F.lit(True)))
    commit = _last_commit(spark, tables.stage, lambda written_by: written_by == write_id)
    if commit is None:
        if parsed.rows.isEmpty():
            return None
        raise LookupError(f"{tables.stage} has no commit of batch {write_id}")
    written = (commit["operationMetrics"] or {}).get("numOutputRows")
    if parsed.counts is not None and written is not None and int(written) != parsed.counts.staged_rows:
        raise RuntimeError(f"{tables.stage} got {written} rows, not the {parsed.counts.staged_rows} that were read")
    return int(commit["version"])


def last_version_of(spark: SparkSession, stage_table: str, batch_id: str) -> int | None:
    """The version of the stage that a batch wrote last; None if the history has none."""
    commit = _last_commit(spark, stage_table, lambda written_by: written_by.startswith(f"{batch_id}/"))
    return None if commit is None else int(commit["version"])


def _last_commit(spark: SparkSession, stage_table: str, is_ours: Callable[[str], bool]) -> Row | None:
    """Found by the commit's metadata, because another run may have written the stage since."""
    for limit in ("LIMIT 5", ""):
        history = spark.sql(f"DESCRIBE HISTORY {stage_table} {limit}").collect()
        if found := [row for row in history if is_ours(row["userMetadata"] or "")]:
            return max(found, key=lambda row: int(row["version"]))
    return None


def _complete(found: FileCounts, rows: int) -> bool:
    return found.fault is not None or (found.rows == rows and found.numbers == rows * (rows + 1) // 2)


def encoded_files(files: Sequence[WaitingFile]) -> dict[FileId, ValidationResult]:
    """Files whose content encoding was set after the function accepted them: readers would disagree about their bytes."""
    violations = {w.file: content_encoding_violation(w.stored.content_encoding) for w in files}
    return {file: ViolationCounter().result(violation) for file, violation in violations.items() if violation}


def find_rejected(
    counts: Mapping[FileId, FileCounts], left: Mapping[FileId, WaitingFile], settings: IngestSettings, deps: Dependencies
) -> dict[FileId, ValidationResult]:
    """The files that must not load, with their violations. The function rejects most of them, but it may run out of time.

    Raises FileGone where one is overwritten in the meantime.
    """
    rejected = {}
    for file, found in counts.items():
        excess = too_many_bad_rows(found.rows, found.bad_rows, settings.max_bad_row_ratio)
        if file in left and (found.fault or excess):
            violation = Violation(found.fault, RULES[found.fault].title) if found.fault else excess
            rejected[file] = validate_again(left[file], found, violation, settings, deps)
    return rejected
