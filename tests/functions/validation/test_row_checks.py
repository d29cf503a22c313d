"""Dates are compared as the contract compares them, in any form and at any place; texts that are too long are doubtful."""

from __future__ import annotations

from itertools import product

import pytest

from functions.validation.row_checks import RowChecks
from spark_jobs.contract.column_types import Column, Date, Integer, Text, Timestamp
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.record_lists import Records
from spark_jobs.contract.rows import before
from spark_jobs.contract.values import parse_date, parse_timestamp

COLUMNS = (
    Column("name", Text(8), required=True),
    Column("first", Timestamp()),
    Column("items", Records((Column("n", Integer()),), 100)),
    Column("day", Date()),
    Column("last", Timestamp(), required=True),
)
FEED = Feed("f", "f", "f", "f", COLUMNS, ("name",), ("last", "first", "items", "day"))
STAMPS = [
    "",
    "2026-01-02 10:00:00",
    "2026-01-02T10:00:00",
    "2026-01-02 10:00:00Z",
    "2026-01-02 10:00:00.5",
    "2026-01-02 10:00:00.50Z",
    "2026-01-02 10:00:00-05:00",
    "2026-01-02 23:30:00-05:00",
    "2026-01-02T00:30:00+01:00",
    "2026-01-01 23:59:59",
]


def doubtful(pair: tuple[str, str], *rows: str, positions: tuple[int | None, ...] = (0, 1, 2, 3, 4)) -> list[int]:
    """The numbers of the doubtful rows."""
    data = b"".join(row.encode() for row in rows)
    checked = RowChecks(FEED, positions, [pair]).check(data, 0, len(data))
    assert checked.rows == len(rows)
    begins = [sum(len(row.encode()) for row in rows[:number]) for number in range(len(rows))]
    return [begins.index(begin) for begin in checked.doubtful]


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("written", ["{}", '"{}"', " {}", "{}\t"])
def test_every_pair_of_timestamps_is_compared_like_the_contract_does(alone: bool, written: str) -> None:
    pairs = [(first, last) for first, last in product(STAMPS, STAMPS) if last]
    rows = [f'a,{written.format(first)},"[{{""n"":1}}]",,{written.format(last)}\r\n' for first, last in pairs]
    expected = []
    for number, (first, last) in enumerate(pairs):
        earlier, later = parse_timestamp(first), parse_timestamp(last)
        if earlier and later and before(later, earlier):
            expected.append(number)
    found = doubtful(("last", "first"), *rows)
    if alone:
        found = [number for number, row in enumerate(rows) if doubtful(("last", "first"), row)]
    assert found == expected


@pytest.mark.parametrize("pair", [("day", "last"), ("last", "day")])
def test_a_date_and_a_timestamp_are_compared_by_days_in_utc(pair: tuple[str, str]) -> None:
    pairs = [(day, last) for day in ("", "2026-01-01", "2026-01-02", "2026-01-03") for last in STAMPS if last]
    rows = [f"a,,,{day},{last}\n" for day, last in pairs]
    expected = []
    for number, (day, last) in enumerate(pairs):
        values = {"day": parse_date(day), "last": parse_timestamp(last)}
        later, earlier = values[pair[0]], values[pair[1]]
        if later and earlier and before(later, earlier):
            expected.append(number)
    assert doubtful(pair, *rows) == expected
    assert [number for number, row in enumerate(rows) if doubtful(pair, row)] == expected


@pytest.mark.parametrize("name", ["A", '"a, b"', '"a""b"', '""""', '"x,\ny"', '"]"","'])
@pytest.mark.parametrize(
    "items", ['"[{""n"":1}, {""n"":2}]"', '"[{""s"":""]""}]"', '"[{""s"":""a]""},{""s"":""],[""}]"', ""]
)
def test_the_dates_are_found_behind_any_field(name: str, items: str) -> None:
    good = f"{name},2026-01-02 10:00:00,{items},,2026-01-02 10:00:00\n"
    bad = f"{name},2026-01-02 10:00:01,{items},,2026-01-02 10:00:00\n"
    assert doubtful(("last", "first"), good, bad, good, bad) == [1, 3]


def test_a_text_that_is_too_long_is_doubtful() -> None:
    rest = ",,,,2026-01-02 10:00:00\n"
    names = ["x" * 8, '"xxxxxx,x"', '"x""x"', "x" * 9, '"xxxxxx,xx"', "é" * 5, '"x""x""x""x""x"', '"xxxxxxxx"""']
    assert doubtful(("last", "first"), *(name + rest for name in names)) == [3, 4, 5, 6, 7]
    last = (4, 1, 2, 3, 0)
    rows = [f"2026-01-02 10:00:00,,,,{name}\r\n" for name in names]
    assert doubtful(("last", "first"), *rows, positions=last) == [3, 4, 5, 6, 7]


def test_columns_that_the_file_lacks_are_no_fields() -> None:
    rows = ("a,2026-01-02 10:00:00,2026-01-03 10:00:00\n", "a,2026-01-04 10:00:00,2026-01-03 10:00:00\n")
    assert doubtful(("last", "first"), *rows, positions=(0, 1, None, None, 2)) == [1]
