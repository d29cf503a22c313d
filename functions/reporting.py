"""What the function tells people: log lines in Cloud Logging's fields, and what goes beside a rejected file."""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from functions.config import Config
from spark_jobs.cloud.ports import StoredFile
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.object_names import rejected_name, report_name
from spark_jobs.contract.outcomes import Outcome
from spark_jobs.contract.reports import build_report
from spark_jobs.contract.validation_results import ValidationResult

_TRACE_FIELD = "logging.googleapis.com/trace"


@dataclass(frozen=True)
class Rejection:
    """All that leaves the function for one rejected file. ``report`` is UTF-8 JSON."""

    name: str
    report_name: str
    report: bytes
    outcome: Outcome
    code: str


def rejection(
    stored: StoredFile, arrival: datetime, result: ValidationResult, seconds: float, config: Config, now: datetime
) -> Rejection:
    """Names and texts for a file whose judgement rejects it."""
    violation = result.rejecting
    if violation is None:
        raise ValueError(f"{stored.file} has no violation of the whole file")
    name = rejected_name(stored.file, config.source_prefix, config.rejected_prefix)
    # A replay takes the arrival from here.
    report = build_report(str(stored.file), result, seconds=seconds, arrival=arrival)
    outcome = Outcome(
        stored.file,
        "rejected",
        ORDER_TRACKING.name,
        now,
        rows=result.rows,
        rejected_rows=result.bad_rows,
        reason=f"{violation.code}: {violation.message}",
        report=report_name(name),
    )
    return Rejection(
        name, report_name(name), json.dumps(report, ensure_ascii=False, indent=2).encode(), outcome, violation.code
    )


def log_fields(file: FileId, **fields: object) -> dict[str, object]:
    """Structured fields of a log line about a file. The name is hostile; JSON keeps it inside its quotes."""
    return {"file": str(file), **fields}


def configure_logging() -> None:
    """JSON lines on stdout, as Cloud Logging reads them. Called once, at the first request."""
    from pythonjsonlogger.json import JsonFormatter

    handler = logging.StreamHandler(sys.stdout)
    formatter = JsonFormatter("%(levelname)s %(message)s %(name)s", rename_fields={"levelname": "severity"})
    handler.setFormatter(formatter)
    handler.addFilter(_add_trace)
    for package in ("functions", "spark_jobs"):
        logger = logging.getLogger(package)
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False


def _add_trace(record: logging.LogRecord) -> bool:
    """The request's trace, so that Cloud Logging shows the lines of one event together."""
    if trace := _trace():
        setattr(record, _TRACE_FIELD, trace)
    return True


def _trace() -> str | None:
    from flask import has_request_context, request

    if not has_request_context():
        return None
    header: Any = request.headers.get("traceparent", "")
    parts = header.split("-")
    trace = parts[1] if len(parts) == 4 else request.headers.get("X-Cloud-Trace-Context", "").partition("/")[0]
    project = os.environ.get("GOOGLE_CLOUD_PROJECT", "")
    if not trace or not trace.isalnum():
        return None
    return f"projects/{project}/traces/{trace}" if project else trace
