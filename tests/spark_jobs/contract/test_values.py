"""How scalar values are written: dates, timestamps, words and numbers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.contract.values import looks_like_number, parse_date, parse_number, parse_timestamp, plain_words


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("2026-01-12 10:00:00", datetime(2026, 1, 12, 10, tzinfo=UTC)),
        ("2026-01-12T10:00:00Z", datetime(2026, 1, 12, 10, tzinfo=UTC)),
        ("2026-01-12 10:00:00.5", datetime(2026, 1, 12, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-01-12 10:00:00.000001", datetime(2026, 1, 12, 10, 0, 0, 1, tzinfo=UTC)),
        ("2026-01-12 00:30:00+05:30", datetime(2026, 1, 11, 19, tzinfo=UTC)),
        ("2026-01-12 10:00:00-18:00", datetime(2026, 1, 13, 4, tzinfo=UTC)),
        ("0001-01-01 00:00:00", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31 23:59:59.999999", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        *((bad, None) for bad in ("", "2026-01-12", "2026-01-12 24:00:00", "2026-01-12 10:00:60", "2026-1-12 10:00:00")),
        *((bad, None) for bad in ("0000-01-01 00:00:00", "0001-01-01 00:00:00+00:01", "9999-12-31 23:59:59-00:01")),
        *((bad, None) for bad in ("2026-01-12 10:00:00.", "2026-01-12 10:00:00.1234567", "2026-01-12 10:00:00+18:01")),
        *(
            (bad, None)
            for bad in ("2026-01-12 10:00:00+05", "2026-01-12 10:00:00+05:60", "2026-01-12 10:00:00z", "٢٠٢٦-01-12")
        ),
        *(
            (bad, None)
            for bad in ("2026-01-12 10:00:00 Z", "2026-01-12  10:00:00", "2026-02-30 10:00:00", "2026-01-12_10:00:00")
        ),
    ],
)
def test_timestamps(text: str, stamp: datetime | None) -> None:
    assert parse_timestamp(text) == stamp


@given(st.datetimes(), st.integers(-18 * 60, 18 * 60))
def test_offsets_are_converted_to_utc(local: datetime, minutes: int) -> None:
    sign = "-" if minutes < 0 else "+"
    text = f"{local:%Y-%m-%d %H:%M:%S}.{local:%f}{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}".rjust(32, "0")
    try:
        expected = local.replace(tzinfo=UTC) - timedelta(minutes=minutes)
    except OverflowError:
        expected = None
    assert parse_timestamp(text) == expected


@pytest.mark.parametrize(
    "text", ["2026-02-29", "1900-02-29", "0000-01-01", "2026-1-2", "20260102", "2026-01-02 ", "２０２６-01-02"]
)
def test_dates_that_do_not_exist(text: str) -> None:
    assert parse_date(text) is None


def test_dates_that_exist() -> None:
    assert parse_date("2000-02-29") == date(2000, 2, 29)
    assert parse_date("0001-01-01") == date(1, 1, 1)
    assert parse_date("9999-12-31") == date(9999, 12, 31)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("In_Transit", "in transit"),
        ("in - transit", "in transit"),
        ("order\tplaced", "order placed"),
        ("ſhipped", "ſhipped"),
        ("İn", "İn"),
        ("_shipped", " shipped"),
        ("in\u00a0transit", "in\u00a0transit"),
    ],
)
def test_words_are_compared_without_ascii_case_and_with_single_blanks(text: str, words: str) -> None:
    assert plain_words(text) == words


@pytest.mark.parametrize(
    ("text", "precision", "scale", "number"),
    [
        ("0", 1, 0, "0"),
        ("-0", 3, 2, "0.00"),
        ("-0.00", 3, 2, "0.00"),
        ("1.1", 3, 2, "1.10"),
        ("1.10", 3, 2, "1.10"),
        ("-9.99", 3, 2, "-9.99"),
        ("0.05", 2, 2, "0.05"),
        ("-0.05", 2, 2, "-0.05"),
        ("9" * 38, 38, 0, "9" * 38),
        ("9" * 32 + "." + "9" * 6, 38, 6, "9" * 32 + "." + "9" * 6),
        ("0.000001", 6, 6, "0.000001"),
        ("10", 3, 2, None),
        ("1", 2, 2, None),
        ("1.100", 3, 2, None),
        ("0.000", 2, 2, None),
        *(
            (bad, 20, 2, None)
            for bad in ("", "-", "+1", "01", "00", "1.", ".5", "1e3", "1,5", "1_0", "٣", "１", " 1", "1\n")
        ),
        *((bad, 20, 2, None) for bad in ("NaN", "Infinity", "--1", "1.2.3", "0x1", "−1", "-00.5", "9" * 100_000)),
    ],
)
def test_numbers(text: str, precision: int, scale: int, number: str | None) -> None:
    found = parse_number(text, precision, scale)
    assert (None if found is None else str(found)) == number


@given(st.integers(1, 38).flatmap(lambda p: st.tuples(st.just(p), st.integers(0, min(p, 6)), st.integers(-(10**p), 10**p))))
def test_every_number_with_enough_digits_is_read_exactly_and_written_without_an_exponent(
    case: tuple[int, int, int],
) -> None:
    precision, scale, unscaled = case
    number = Decimal(f"{unscaled}e-{scale}")
    found = parse_number(f"{number:f}", precision, scale)
    if abs(unscaled) == 10**precision:
        assert found is None
    else:
        assert found is not None
        assert str(found) == f"{number:f}"


@pytest.mark.parametrize(
    ("text", "number"),
    [("9" * 50, True), ("-0.0000000", True), ("1e3", False), ("007", False), ("1,000", False), ("", False)],
)
def test_a_number_of_any_size_looks_like_one(text: str, number: bool) -> None:
    assert looks_like_number(text) is number
