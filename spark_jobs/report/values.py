"""A value of an answer, as JSON and for people. JSON has all digits."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any


def as_json(value: Any) -> str | int | float | bool | None:
    """Times in ISO 8601, UTC; decimals as text with all their digits; what no JSON number can be, as text."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float():
            return value
    return str(value)


def as_moment(time: datetime) -> str:
    """A time for people, in UTC, to the second."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def as_number(value: float | Decimal) -> str:
    """Whole numbers and decimals with all digits; other numbers with two decimals, or with two digits if they are small."""
    if isinstance(value, int | Decimal):
        return f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}"
    if not math.isfinite(value):
        return str(value)
    if value and abs(value) < 1:
        return f"{value:.2g}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def as_text(value: Any) -> str:
    """For people."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return as_moment(value)
        case int() | float() | Decimal():
            return as_number(value)
    return str(as_json(value))
