"""Stage: parse the batch into ``orders_stage`` in one commit, and count each file's rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING

from spark_jobs.batches import Batch, Counts, FileCounts, StageResult, WaitingFile
from spark_jobs.cloud.ports import STORAGE_CALLS_AT_ONCE, FileGone
from spark_jobs.contract.content_encoding import content_encoding_violation
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.file_validation import validate
from spark_jobs.contract.rows import latest_allowed
from spark_jobs.contract.validation_results import MAX_VIOLATIONS, ValidationResult, too_many_bad_rows
from spark_jobs.contract.violations import RULES, Violation
from spark_jobs.reading.batch_summary import count_staged
from spark_jobs.reading.staged_rows import NOT_LINES
from spark_jobs.steps.run import Run
from spark_jobs.store.commit_retry import commit_with_retry
from spark_jobs.store.tables import at_version

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row

MISCOUNTS = 3
"""How often the staged rows may differ from the first pass's count before the run gives up."""
REPORT_SECONDS = 60.0
"""Time limit for validating a file again to write the sender's report."""


def stage(run: Run, batch: Batch) -> StageResult:
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
            parsed = _parsed(run, list(left.values()), not_lines)
            version = _write(run, batch, write_id, parsed)
        except Exception:
            if not (changed := gone_files(run, list(left))):
                raise
            # A file that disappears while Spark reads it fails the whole read: retry without it.
            gone += [left.pop(file) for file in changed]
            continue
        run.deps.checkpoint("staged")
        if changed := gone_files(run, list(left)):
            gone += [left.pop(file) for file in changed]
            continue
        if version is None:
            return StageResult(None, tuple(left.values()), dict.fromkeys(left, FileCounts()), None, tuple(gone), rejected)
        staged = at_version(run.spark, run.tables.stage, version)
        found = parsed.counts or count_staged(staged, run.settings.feed)
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
            bad = find_rejected(run, counts, left)
        except FileGone:
            continue
        if bad:
            rejected |= bad
            left = {file: w for file, w in left.items() if file not in bad}
            continue
        all_counts = {file: counts.get(file, FileCounts()) for file in left}
        return StageResult(version, tuple(left.values()), all_counts, found.keys, tuple(gone), rejected)
    return StageResult(gone=tuple(gone), rejected=rejected)


def gone_files(run: Run, files: Sequence[FileId]) -> list[FileId]:
    """Of these generations, those that aren't live any more."""
    with ThreadPoolExecutor(STORAGE_CALLS_AT_ONCE) as pool:
        live = pool.map(lambda file: run.deps.store.stat(file.bucket, file.name), files)
        return [file for file, now in zip(files, live, strict=True) if now is None or now.file != file]


@dataclass(frozen=True)
class _Parsed:
    """Rows with their flags. ``counted``: rows of the files whose lines a first pass counted, to compare. ``counts``:
    set if they are known before anything is written."""

    rows: DataFrame
    counted: Mapping[FileId, int] = field(default_factory=dict)
    counts: Counts | None = None


def _parsed(run: Run, files: Sequence[WaitingFile], not_lines: set[FileId]) -> _Parsed:
    from spark_jobs.reading.batch_summary import flag
    from spark_jobs.reading.driver_batches import read_on_driver
    from spark_jobs.reading.spark_batches import Source, parse

    feed = run.settings.feed
    if sum(w.stored.size for w in files) <= run.settings.small_batch_bytes:
        rows, counts = read_on_driver(run.spark, feed, files, run.deps)
        return _Parsed(rows, counts=counts)
    root = run.settings.files_root.rstrip("/") or f"gs://{run.settings.layout.bucket}"
    sources = []
    for w in files:
        lines = w.mark.splittable and w.file not in not_lines
        sources.append(Source(w.file, f"{root}/{w.file.name}", latest_allowed(feed, w.arrival), lines))
    parsed = parse(run.spark, feed, sources, run.deps.store)
    return _Parsed(flag(parsed.rows, feed), parsed.counted)


def _write(run: Run, batch: Batch, write_id: str, parsed: _Parsed) -> int | None:
    """One commit; its version. None if there are no rows to write: Delta then makes no commit to an empty stage."""
    from pyspark.sql import functions as F

    stage_table = run.tables.stage
    provenance = ("file_id", "row_number", "batch_id")
    columns = [*run.settings.feed.column_names, *provenance, "raw_line", "violations", "newest", "tied"]
    # A writer option: serverless refuses the session setting that would do the same.
    write = parsed.rows.withColumn("batch_id", F.lit(batch.id)).select(*columns).writeTo(stage_table)
    # Written once, read three times, then overwritten: the better compression pays.
    marked = write.option("userMetadata", write_id).option("compression", "zstd")
    commit_with_retry("stage", run.deps, lambda: marked.overwrite(F.lit(True)))
    commit = _last_commit(run, lambda written_by: written_by == write_id)
    if commit is None:
        if parsed.rows.isEmpty():
            return None
        raise LookupError(f"{stage_table} has no commit of batch {write_id}")
    written = (commit["operationMetrics"] or {}).get("numOutputRows")
    if parsed.counts is not None and written is not None and int(written) != parsed.counts.staged_rows:
        raise RuntimeError(f"{stage_table} got {written} rows, not the {parsed.counts.staged_rows} that were read")
    return int(commit["version"])


def last_version_of(run: Run, batch_id: str) -> int | None:
    """The version of the stage that a batch wrote last; None if the history has none."""
    commit = _last_commit(run, lambda written_by: written_by.startswith(f"{batch_id}/"))
    return None if commit is None else int(commit["version"])


def _last_commit(run: Run, is_ours: Callable[[str], bool]) -> Row | None:
    """Found by the commit's metadata, because another run may have written the stage since."""
    for limit in ("LIMIT 5", ""):
        history = run.spark.sql(f"DESCRIBE HISTORY {run.tables.stage} {limit}").collect()
        if found := [row for row in history if is_ours(row["userMetadata"] or "")]:
            return max(found, key=lambda row: int(row["version"]))
    return None


def _complete(found: FileCounts, rows: int) -> bool:
    return found.fault is not None or (found.rows == rows and found.numbers == rows * (rows + 1) // 2)


def encoded_files(files: Sequence[WaitingFile]) -> dict[FileId, ValidationResult]:
    """Files whose content encoding was set after the function accepted them: readers would disagree about their bytes."""
    return {
        w.file: ValidationResult(w.mark.feed).rejected_by(violation)
        for w in files
        if (violation := content_encoding_violation(w.stored.content_encoding))
    }


def find_rejected(
    run: Run, counts: Mapping[FileId, FileCounts], left: Mapping[FileId, WaitingFile]
) -> dict[FileId, ValidationResult]:
    """The files that must not load, with their violations. The function rejects most of them, but it may run out of time.

    Raises FileGone where one is overwritten in the meantime.
    """
    rejected = {}
    for file, found in counts.items():
        violation = too_many_bad_rows(found.rows, found.bad_rows, run.settings.max_bad_row_ratio)
        if found.fault:
            violation = Violation(found.fault, RULES[found.fault].title)
        if violation and file in left:
            rejected[file] = _validate_again(run, left[file], found, violation)
    return rejected


def _validate_again(run: Run, waiting: WaitingFile, found: FileCounts, violation: Violation) -> ValidationResult:
    """The result that the function would have reached: a report reads the same, whether function or job rejects the file.
    ``violation`` is what staging found: it rejects the file if time runs out before validation finds it.
    """
    settings, deps = run.settings, run.deps
    deadline = deps.elapsed() + REPORT_SECONDS
    with deps.store.open_file(waiting.file) as stream:
        if stream is None:
            raise FileGone(str(waiting.file))
        result = validate(
            stream,
            name=waiting.file.name.removeprefix(settings.layout.source_prefix),
            arrival=waiting.arrival,
            max_bad_row_ratio=settings.max_bad_row_ratio,
            size=waiting.stored.size,
            out_of_time=lambda: deps.elapsed() > deadline,
        )
    if result.rejecting:
        return result
    counts = {**result.counts, violation.code: {"": 1}}
    violations = (violation, *result.violations)[:MAX_VIOLATIONS]
    return replace(result, rows=found.rows, bad_rows=found.bad_rows, counts=counts, violations=violations)
