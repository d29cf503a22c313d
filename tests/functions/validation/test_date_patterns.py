"""Dates as regular expressions, compared with the calendar day by day."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import re2  # type: ignore[import-untyped]

from functions.validation.date_patterns import ANY_DAY, SAFE_DAY, days_until, ordered_days


def test_any_day_matches_exactly_the_days_of_the_calendar() -> None:
    pattern, safe = re2.compile(ANY_DAY), re2.compile(SAFE_DAY)
    for year in (0, 1, 4, 100, 400, 999, 1000, 1600, 1900, 1904, 2000, 2023, 2024, 2100, 3200, 8996, 9000, 9999):
        for month in range(14):
            for day in range(33):
                try:
                    real = bool(date(year, month, day))
                except ValueError:
                    real = False
                text = f"{year:04}-{month:02}-{day:02}"
                assert bool(pattern.fullmatch(text)) is real
                assert bool(safe.fullmatch(text)) is (real and 1000 <= year < 9000)


@pytest.mark.parametrize("last", [date(2026, 1, 1), date(2024, 2, 29), date(2023, 12, 31), date(2024, 3, 1)])
def test_days_until_matches_no_later_day(last: date) -> None:
    pattern = re2.compile(days_until(last))
    for offset in range(-1500, 500):
        day = last + timedelta(days=offset)
        assert bool(pattern.fullmatch(str(day))) is (day <= last)
    assert not pattern.fullmatch("2023-02-29")


def test_ordered_days_matches_only_ordered_pairs() -> None:
    pattern = re2.compile(ordered_days(date(2024, 3, 31), 15, ","))
    start = date(2022, 11, 1)
    for first in range(0, 600, 5):
        one = start + timedelta(days=first)
        for step in (-400, -31, -1, 0, 1, 2, 28, 31, 366, 3000):
            other = one + timedelta(days=step)
            expected = date(2023, 1, 1) <= one <= date(2024, 3, 31) and step >= 0
            late_leap_day = other.year > one.year and (other.month, other.day) == (2, 29)
            assert bool(pattern.fullmatch(f"{one},{other}")) is (expected and not late_leap_day)
    assert not pattern.fullmatch("2023-02-28,2023-02-29")
