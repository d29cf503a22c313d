"""The fast path may match only rows that the contract accepts. (The benchmark shows that it matches the usual ones.)"""

from __future__ import annotations

from datetime import date
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.validation.clean_rows import CleanRowPattern, Stretch
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
def pattern(order: str, line_breaks: bool = True) -> CleanRowPattern:
    positions = [ORDERS[order].index(column) for column in COLUMNS]
    made = CleanRowPattern(ORDER_TRACKING, positions, latest_allowed(ORDER_TRACKING, ARRIVAL), date(2026, 1, 31))
    made.line_breaks = line_breaks
    return made


def matches(row: bytes, order: str = "as declared", line_breaks: bool = True) -> bool:
    """Whether the pattern matches ``row`` as exactly one row."""
    stretch = pattern(order, line_breaks).clear(row + b"\n", 0)
    return stretch is not None and (stretch.end, stretch.rows) == (len(row) + 1, 1)


@pytest.mark.parametrize("order", ORDERS)
def test_no_row_matches_that_the_oracle_rejects(order: str) -> None:
    values = {
        "order_num": b"A1",
        "tracking_num": b"T1",
        "status": b"shipped",
        "last_update_timestamp": b"2026-01-12 10:00:00",
    }
    for one_date in (values, values | {COLUMNS[2]: b"2026-01-01"}, values | {COLUMNS[3]: b"2026-01-01"}):
        assert matches(b",".join(one_date.get(column, b"") for column in ORDERS[order]), order)

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(rows(ORDERS[order]))
    def check(row: bytes) -> None:
        if matches(row, order):
            ((_, read),) = read_file(",".join(ORDERS[order]).encode() + b"\n" + row, ARRIVAL) or [(0, None)]
            assert read is not None

    check()


@st.composite
def damaged_row(draw: st.DrawFn) -> bytes:
    """A usual row in which up to three bytes were removed, added or changed."""
    row = draw(st.sampled_from(USUAL[:-1]))
    for _ in range(draw(st.integers(0, 3))):
        at, gone = draw(st.integers(0, len(row))), draw(st.integers(0, 1))
        row = row[:at] + draw(st.sampled_from(EDITS)) + row[at + gone :]
    return row


def test_a_damaged_row_never_matches() -> None:
    cleared = refused = 0

    @settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
    @given(damaged_row())
    def check(row: bytes) -> None:
        nonlocal cleared, refused
        text = row + b"\n"
        stretch = pattern("as declared").clear(text, 0) or Stretch(0, 0, 0)
        read = read_file(",".join(COLUMNS).encode() + b"\n" + text[: stretch.end], ARRIVAL)
        assert read is not None
        assert len(read) == stretch.rows
        assert all(values is not None for _, values in read)
        cleared += stretch.end == len(text)
        refused += stretch.end == 0

    check()
    assert cleared > 200
    assert refused > 200


@given(st.binary(min_size=1, max_size=4))
@settings(max_examples=1000, deadline=None)
def test_only_utf_8_matches(piece: bytes) -> None:
    if matches(b"A1,T1,,,shipped,x" + piece + b",2026-01-12 10:00:00"):
        piece.decode("utf-8")


def test_no_surrogate_overlong_or_out_of_range_sequence_matches() -> None:
    leads = [bytes([a, b]) for a in range(0x80, 0x100) for b in range(0x80, 0x100)]
    for lead in leads:
        for tail in (b"", b"\x80", b"\xbf", b"\x80\x80", b"\xbf\xbf"):
            piece = lead + tail
            try:
                valid = bool(piece.decode("utf-8"))
            except UnicodeDecodeError:
                valid = False
            assert matches(b"A1,T1,,,shipped,x" + piece + b",2026-01-12 10:00:00") is valid, piece


@pytest.mark.parametrize("row", USUAL)
def test_usual_spellings_match(row: bytes) -> None:
    assert matches(row)


def test_line_breaks_match_only_if_they_are_enabled() -> None:
    row = b'A1,T1,,,shipped,"Flat 2\n12 Main St",2026-01-12 10:00:00'
    assert matches(row, line_breaks=True)
    assert not matches(row, line_breaks=False)
