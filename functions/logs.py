"""Structured logging in the format of Cloud Logging."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from spark_jobs.contract.file_ids import FileId

_TRACE_FIELD = "logging.googleapis.com/trace"


def log_fields(file: FileId, **fields: object) -> dict[str, object]:
    """Structured fields of a log line about a file. Object names are untrusted input; JSON escapes them."""
    from spark_jobs.contract.feeds import feed_name

    return {"file": str(file), "feed": feed_name(file.name), **fields}


def configure_logging() -> None:
    """Write JSON lines to stdout, as Cloud Logging expects. Called once, at the first request."""
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
    """Add the request's trace id, so that Cloud Logging groups the lines of one event."""
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
