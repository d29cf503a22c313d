"""Values as JSON and for people."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from spark_jobs.report.values import as_json, as_text

TIME = datetime(2026, 1, 31, 23, 30, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "json", "text"),
    [
        (Decimal("12345678901234567890.10"), "12345678901234567890.10", "12,345,678,901,234,567,890.10"),
        (Decimal("1E+3"), "1000", "1,000"),
        (1234567, 1234567, "1,234,567"),
        (1234.5678, 1234.5678, "1,234.57"),
        (0.00123, 0.00123, "0.0012"),
        (25.0, 25.0, "25"),
        (float("nan"), "nan", "nan"),
        (TIME, "2026-01-31T23:30:00.123456Z", "2026-01-31 23:30:00"),
        (TIME.astimezone(timezone(timedelta(hours=2))), "2026-01-31T23:30:00.123456Z", "2026-01-31 23:30:00"),
        (date(2026, 1, 31), "2026-01-31", "2026-01-31"),
        (True, True, "yes"),
        (None, None, "–"),
        ("<b>", "<b>", "<b>"),
    ],
)
def test_json_has_all_digits_and_people_see_numbers_that_they_can_read(value: Any, json: Any, text: str) -> None:
    assert (as_json(value), as_text(value)) == (json, text)
