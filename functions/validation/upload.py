"""Validates an upload as a stream: the contract's loop with the function's fast path."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import BinaryIO

from functions.validation.clean_rows import CleanRowPattern
from spark_jobs.contract.file_validation import never, validate
from spark_jobs.contract.validation_results import ValidationResult


def validate_upload(
    stream: BinaryIO,
    *,
    name: str,
    arrival: datetime,
    max_bad_row_ratio: float,
    size: int | None = None,
    out_of_time: Callable[[], bool] = never,
) -> ValidationResult:
    """See `spark_jobs.contract.file_validation.validate`."""
    return validate(
        stream,
        name=name,
        arrival=arrival,
        max_bad_row_ratio=max_bad_row_ratio,
        size=size,
        out_of_time=out_of_time,
        fast_path=CleanRowPattern,
    )
