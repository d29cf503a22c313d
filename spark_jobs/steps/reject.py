"""Files that only the job found unfit: their report, and their line in the log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC

from spark_jobs.batches import Batch, WaitingFile
from spark_jobs.contract.object_names import rejected_name, report_name
from spark_jobs.contract.reports import build_report
from spark_jobs.contract.validation_results import ValidationResult
from spark_jobs.contract.violations import Violation, shorten
from spark_jobs.dependencies import Dependencies
from spark_jobs.settings import IngestSettings
from spark_jobs.store.ingest_log import LogEntry


def reject(
    waiting: WaitingFile, result: ValidationResult, batch: Batch, settings: IngestSettings, deps: Dependencies
) -> LogEntry:
    """Write the report; the file moves aside with the others, once its line is in the log."""
    violation = result.rejecting
    if violation is None:
        raise ValueError(f"{waiting.file} has no violation of the whole file")
    layout = settings.layout
    report = report_name(rejected_name(waiting.file, layout.source_prefix, layout.rejected_prefix))
    content = build_report(str(waiting.file), result, seconds=0.0)
    body = json.dumps(content, ensure_ascii=False, indent=2).encode()
    deps.store.write(waiting.file.bucket, report, body, "application/json")
    return LogEntry(
        waiting.file,
        "rejected",
        batch.id,
        waiting.arrival.astimezone(UTC),
        deps.now(),
        batch.attempts[waiting.file],
        reason=f"{violation.code}: {violation.message}",
        report=report,
        rows=result.rows,
        rejected_rows=result.bad_rows,
    )


def run_failure(what: str, attempts: int) -> ValidationResult:
    """The verdict on a file that fails every run in which it is alone, while others succeed."""
    message = f"the job failed on this file alone, in attempt {attempts}: {shorten(what)}"
    return ValidationResult(counts={"run_failure": {"": 1}}, violations=(Violation("run_failure", message),), partial=True)


def superseded(files: Sequence[WaitingFile], batch: Batch, deps: Dependencies) -> list[LogEntry]:
    """Lines of files that were replaced between being taken and being merged."""
    return [
        LogEntry(
            waiting.file,
            "superseded",
            batch.id,
            waiting.arrival.astimezone(UTC),
            deps.now(),
            batch.attempts[waiting.file],
            reason="a newer generation replaced it, or it was deleted, before it was merged",
        )
        for waiting in files
    ]
