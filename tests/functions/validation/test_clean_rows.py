"""The scanner may clear only rows that the contract accepts. (That it clears the usual ones is what the bench is for.)"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

import pytest
import re2  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.validation.clean_rows import CleanRowPattern, Stretch
from functions.validation.date_patterns import ANY_DAY, days_until, numbers, ordered_days
from tests.oracle import COLUMNS, read_file
from tests.strategies import ARRIVAL, rows

from spark_jobs.contract.feeds import ORDER_TRACKING  # isort: skip
from spark_jobs.contract.rows import latest_allowed  # isort: skip

ORDERS = {
    "as declared": COLUMNS,
    "dates apart": (*COLUMNS[3:], *COLUMNS[:3]),
    "dates the other way round": (*COLUMNS[:2], COLUMNS[3], COLUMNS[2], *COLUMNS[4:]),
}
GOOD = b"A1,T1,2026-01-10,2026-01-12,delivered,1 Main St,2026-01-12 10:00:00"

USUAL = [
    GOOD,
    b"A1,T1,,,Delivered,,2026-01-12T10:00:00Z",
    b"A1,T1,,2026-01-12,in_transit,,2026-02-01 23:59:59.999999",
    b'"A1","T1","2026-01-10","2026-01-12","shipped","1 Main St, ""B""","2026-01-12 10:00:00"',
    b'"A1","T1","","","shipped","","2026-01-12 10:00:00"',
    b"A1, T1,,, shipped , Z\xc3\xbcrich, 2026-02-01 09:00:00-03:00",
    b"A1,T1,2026-01-31,9999-12-31,cancelled,,2026-02-01 23:00:00+09:00",
    b'A1,T1,,,shipped,"Flat 2\r\n12 Main St",2026-01-12 10:00:00',
    b"A1,T1,2024-02-29,,shipped," + b"x" * 999 + b",2024-02-29 10:00:00\r",
]

EDITS = [
    b"",
    *(bytes([b]) for b in b'0123456789,"\r\n\t -_:.+ZTx\x00\x0b\x1f\x7f\xc3\xff'),
    b'""',
    b'","',
    b"\xc3\xa9",
    b"\xed\xa0\x80",
]


@cache
def scanner(order: str, line_breaks: bool = True) -> CleanRowPattern:
    positions = [ORDERS[order].index(column) for column in COLUMNS]
    plain = CleanRowPattern(ORDER_TRACKING, positions, latest_allowed(ORDER_TRACKING, ARRIVAL), date(2026, 1, 31))
    plain.line_breaks = line_breaks
    return plain


def clears(row: bytes, order: str = "as declared", line_breaks: bool = True) -> bool:
    """Whether ``row`` is cleared as the one row that it is."""
    stretch = scanner(order, line_breaks).clear(row + b"\n", 0)
    return stretch is not None and (stretch.end, stretch.rows) == (len(row) + 1, 1)


@pytest.mark.parametrize("order", ORDERS)
def test_no_row_is_cleared_that_the_oracle_refuses(order: str) -> None:
    values = {
        "order_num": b"A1",
        "tracking_num": b"T1",
        "status": b"shipped",
        "last_update_timestamp": b"2026-01-12 10:00:00",
    }
    for one_date in (values, values | {COLUMNS[2]: b"2026-01-01"}, values | {COLUMNS[3]: b"2026-01-01"}):
        assert clears(b",".join(one_date.get(column, b"") for column in ORDERS[order]), order)

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(rows(ORDERS[order]))
    def check(row: bytes) -> None:
        if clears(row, order):
            ((_, judged),) = read_file(",".join(ORDERS[order]).encode() + b"\n" + row, ARRIVAL) or [(0, None)]
            assert judged is not None

    check()


@st.composite
def nearly_usual(draw: st.DrawFn) -> bytes:
    """A usual row in which up to three bytes were struck out, added or changed."""
    row = draw(st.sampled_from(USUAL[:-1]))
    for _ in range(draw(st.integers(0, 3))):
        at, gone = draw(st.integers(0, len(row))), draw(st.integers(0, 1))
        row = row[:at] + draw(st.sampled_from(EDITS)) + row[at + gone :]
    return row


def test_a_slip_of_the_pen_is_never_cleared() -> None:
    cleared = refused = 0

    @settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
    @given(nearly_usual())
    def check(row: bytes) -> None:
        nonlocal cleared, refused
        text = row + b"\n"
        stretch = scanner("as declared").clear(text, 0) or Stretch(0, 0, 0)
        judged = read_file(",".join(COLUMNS).encode() + b"\n" + text[: stretch.end], ARRIVAL)
        assert judged is not None
        assert len(judged) == stretch.rows
        assert all(values is not None for _, values in judged)
        cleared += stretch.end == len(text)
        refused += stretch.end == 0

    check()
    assert cleared > 200
    assert refused > 200


@given(st.binary(min_size=1, max_size=4))
@settings(max_examples=2000, deadline=None)
def test_only_utf_8_is_cleared(piece: bytes) -> None:
    if clears(b"A1,T1,,,shipped,x" + piece + b",2026-01-12 10:00:00"):
        piece.decode("utf-8")


def test_every_surrogate_overlong_and_out_of_range_sequence_is_left_to_the_judge() -> None:
    leads = [bytes([a, b]) for a in range(0x80, 0x100) for b in range(0x80, 0x100)]
    for lead in leads:
        for tail in (b"", b"\x80", b"\xbf", b"\x80\x80", b"\xbf\xbf"):
            piece = lead + tail
            try:
                valid = bool(piece.decode("utf-8"))
            except UnicodeDecodeError:
                valid = False
            assert clears(b"A1,T1,,,shipped,x" + piece + b",2026-01-12 10:00:00") is valid, piece


@pytest.mark.parametrize("row", USUAL)
def test_usual_spellings_are_cleared(row: bytes) -> None:
    assert clears(row)


def test_line_breaks_are_cleared_only_when_they_are_expected() -> None:
    row = b'A1,T1,,,shipped,"Flat 2\n12 Main St",2026-01-12 10:00:00'
    assert clears(row, line_breaks=True)
    assert not clears(row, line_breaks=False)


def test_the_pattern_of_days_is_the_calendar() -> None:
    pattern = re2.compile(ANY_DAY)
    for year in (0, 1, 4, 100, 400, 999, 1900, 1904, 2000, 2023, 2024, 2100, 9996, 9999):
        for month in range(14):
            for day in range(33):
                try:
                    real = bool(date(year, month, day))
                except ValueError:
                    real = False
                assert bool(pattern.fullmatch(f"{year:04}-{month:02}-{day:02}")) is real


@given(st.integers(0, 9999), st.integers(0, 9999), st.integers(0, 9999))
def test_numbers_match_their_range_and_nothing_else(one: int, other: int, probe: int) -> None:
    low, high = sorted((one, other))
    assert bool(re2.fullmatch(numbers(low, high, 4), f"{probe:04}")) is (low <= probe <= high)


@pytest.mark.parametrize("last", [date(2026, 1, 1), date(2024, 2, 29), date(2023, 12, 31), date(2024, 3, 1)])
def test_days_until_stops_at_its_day(last: date) -> None:
    pattern = re2.compile(days_until(last))
    for offset in range(-1500, 500):
        day = last + timedelta(days=offset)
        assert bool(pattern.fullmatch(str(day))) is (day <= last)
    assert not pattern.fullmatch("2023-02-29")


def test_ordered_days_are_in_order() -> None:
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
