"""Files that the job rejects although the function accepted them: their report and their log line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC

from spark_jobs.batches import Batch, FileCounts, WaitingFile
from spark_jobs.cloud.ports import FileGone
from spark_jobs.contract.file_validation import validate
from spark_jobs.contract.rejections import rejection
from spark_jobs.contract.validation_results import MAX_VIOLATIONS, ValidationResult
from spark_jobs.contract.violations import Violation
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import IngestSettings
from spark_jobs.store.ingest_log import LogEntry

SUPERSEDED = "a newer generation replaced it, or it was deleted, before it was merged"
REPORT_SECONDS = 60.0
"""Time limit for validating a file again to write the sender's report."""


def validate_again(
    waiting: WaitingFile, found: FileCounts, violation: Violation | None, settings: IngestSettings, deps: Dependencies
) -> ValidationResult:
    """The result that the function would have reached: a report reads the same, whether function or job rejects the file.
    ``violation`` is what staging found: it rejects the file if time runs out before validation finds it.
    """
    deadline = deps.elapsed() + REPORT_SECONDS
    with deps.store.open_file(waiting.file) as stream:
        if stream is None:
            raise FileGone(str(waiting.file))
        result = validate(
            stream,
            feed=settings.feed,
            name=waiting.file.name.removeprefix(settings.layout.source_prefix),
            arrival=waiting.arrival,
            max_bad_row_ratio=settings.max_bad_row_ratio,
            size=waiting.stored.size,
            out_of_time=lambda: deps.elapsed() > deadline,
        )
    if result.rejecting or violation is None:
        return result
    counts = {**result.counts, violation.code: {"": 1}}
    violations = (violation, *result.violations)[:MAX_VIOLATIONS]
    return replace(result, rows=found.rows, bad_rows=found.bad_rows, counts=counts, violations=violations)


def reject(
    waiting: WaitingFile, result: ValidationResult, batch: Batch, settings: IngestSettings, deps: Dependencies
) -> LogEntry:
    """Write the report; the file itself moves to the rejected folder once its line is in the log."""
    layout = settings.layout
    prefixes = {"source_prefix": layout.source_prefix, "rejected_prefix": layout.rejected_prefix}
    rejected = rejection(waiting.file, waiting.arrival, result, seconds=0.0, **prefixes)
    deps.store.write(waiting.file.bucket, rejected.report_name, rejected.report, "application/json")
    return LogEntry(
        waiting.file,
        "rejected",
        batch.id,
        waiting.arrival.astimezone(UTC),
        deps.now(),
        batch.attempts[waiting.file],
        reason=rejected.reason,
        report=rejected.report_name,
        rows=result.rows,
        rejected_rows=result.bad_rows,
    )


def superseded(files: Sequence[WaitingFile], batch: Batch, deps: Dependencies) -> list[LogEntry]:
    """Log lines of files that were replaced or deleted between being taken and being merged."""
    return [
        LogEntry(
            waiting.file,
            "superseded",
            batch.id,
            waiting.arrival.astimezone(UTC),
            deps.now(),
            batch.attempts[waiting.file],
            reason=SUPERSEDED,
        )
        for waiting in files
    ]
