"""The rejection of a file by the function or the job: its new name, its report and the reason."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.object_names import rejected_name, report_name
from spark_jobs.contract.reports import build_report
from spark_jobs.contract.validation_results import ValidationResult


@dataclass(frozen=True)
class Rejection:
    """``name`` and ``report_name`` are object names. ``report`` is UTF-8 JSON. ``code``: of the rejecting violation."""

    name: str
    report_name: str
    report: bytes
    reason: str
    code: str


def rejection(
    file: FileId,
    arrival: datetime,
    result: ValidationResult,
    *,
    seconds: float,
    source_prefix: str,
    rejected_prefix: str,
) -> Rejection:
    """Build the rejection of a file whose result rejects it. A replay reads the ``arrival`` (aware) from the report."""
    violation = result.rejecting
    if violation is None:
        raise ValueError(f"{file} has no whole-file violation")
    name = rejected_name(file, source_prefix, rejected_prefix)
    report = build_report(str(file), result, seconds=seconds, arrival=arrival)
    body = json.dumps(report, ensure_ascii=False, indent=2).encode()
    return Rejection(name, report_name(name), body, f"{violation.code}: {violation.message}", violation.code)
