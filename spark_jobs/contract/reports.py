"""The validation report of a file: JSON, with a summary for the sender. Its schema: docs/report.schema.json.

It is stored next to a rejected file, and ``python -m functions.check --json`` prints it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from spark_jobs.contract.validation_results import ValidationResult
from spark_jobs.contract.violations import RULES, Violation

REPORT_VERSION = 1
MAX_SUMMARY_RULES = 5


def build_report(file: str, result: ValidationResult, *, seconds: float, arrival: datetime | None = None) -> dict[str, Any]:
    """``file`` is a file id or a local path; ``seconds`` is how long validation took. ``arrival`` (aware) is when the file
    arrived: a replay of a rejected file reads it from here.
    """
    return {
        "schema_version": REPORT_VERSION,
        "verdict": "rejected" if result.rejecting else "accepted",
        "file": file,
        "feed": result.feed or None,
        "arrival": arrival.astimezone(UTC).isoformat() if arrival else None,
        "rows": result.rows,
        "bad_rows": result.bad_rows,
        "counts": {code: dict(columns) for code, columns in result.counts.items()},
        "violations": [violation.as_dict() for violation in result.violations],
        "truncated": result.truncated,
        "partial": result.partial,
        "seconds": round(seconds, 3),
        "summary": " ".join(_sentences(result)),
    }


def _sentences(result: ValidationResult) -> Iterator[str]:
    fault = result.rejecting
    if fault:
        yield f"The whole file is rejected: {fault.message}."
        yield RULES[fault.code].remedy
    elif not result.bad_rows:
        yield f"No violations in {_rows(result.rows)}."
    else:
        yield f"{_rows(result.bad_rows)} of {result.rows:,} would be quarantined; the others are good."
    codes = [code for code in result.counts if not RULES[code].whole_file]
    codes.sort(key=lambda code: -sum(result.counts[code].values()))
    for code in codes[:MAX_SUMMARY_RULES]:
        yield _about(code, result)
    if len(codes) > MAX_SUMMARY_RULES:
        yield f"{len(codes) - MAX_SUMMARY_RULES} more rules are violated; see counts."
    if result.partial:
        yield "Validation stopped early, so the counts cover only the first part of the file."


def _about(code: str, result: ValidationResult) -> str:
    rule, columns = RULES[code], result.counts[code]
    times = sum(columns.values())
    often = f"{times:,} time" if times == 1 else f"{times:,} times"
    named = [f"{column} ({count:,})" if len(columns) > 1 else column for column, count in columns.items() if column]
    where = f" in {', '.join(named)}" if named else ""
    first = next((v for v in result.violations if v.code == code), None)
    return f"{rule.title}: {often}{where}{_first(first)}. {rule.remedy}"


def _first(violation: Violation | None) -> str:
    if violation is None:  # the list of violations was full before it occurred
        return ""
    where = f"row {violation.row or 0:,}" + (f" on line {violation.line:,}" if violation.line else "")
    return f", first in {where}" + (f": {violation.value!r}" if violation.value is not None else "")


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"
