"""Validating one row: the same values or the same rejection as the independent oracle."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.records import BOM, RecordError, split_records
from spark_jobs.contract.rows import (
    Value,
    latest_allowed,
    parse_date,
    parse_status,
    parse_timestamp,
    precedence,
    validate_header,
    validate_row,
)
from tests.oracle import COLUMNS, newest, read_file
from tests.strategies import ARRIVAL, files

LATEST = latest_allowed(ORDER_TRACKING, ARRIVAL)


def validated(content: bytes) -> list[tuple[int, dict[str, Value] | None]] | None:
    rows: list[tuple[int, dict[str, Value] | None]] = []
    positions: list[int] = []
    try:
        for record in split_records([content.removeprefix(BOM)]):
            if not positions:
                positions, faults = validate_header(ORDER_TRACKING, record)
                if faults:
                    return None
                continue
            row = validate_row(ORDER_TRACKING, positions, record, len(rows) + 1, LATEST)
            assert (row.values is None) == bool(row.violations)
            rows.append((row.row, None if row.values is None else dict(zip(COLUMNS, row.values, strict=True))))
    except (RecordError, UnicodeDecodeError):
        return None
    return rows if positions else None


@given(files())
@settings(deadline=None)
def test_values_and_bad_rows_are_those_of_the_oracle(content: bytes) -> None:
    assert validated(content) == read_file(content, ARRIVAL)


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
    ("text", "status"),
    [
        ("In_Transit", "in transit"),
        ("in - transit", "in transit"),
        ("CANCELLED", "canceled"),
        ("order\tplaced", "order placed"),
        ("intransit", None),
        ("ſhipped", None),
        ("_shipped", None),
        ("", None),
    ],
)
def test_statuses(text: str, status: str | None) -> None:
    assert parse_status(ORDER_TRACKING, text) == status


def test_a_row_with_a_structural_fault_is_not_validated_further() -> None:
    """Its fields are unreliable, so other violations would mislead the sender."""
    (record,) = split_records([b"A1,T1,x"])
    row = validate_row(ORDER_TRACKING, range(7), record, 1, LATEST)
    assert [violation.code for violation in row.violations] == ["field_count"]


def test_all_bad_fields_of_a_row_are_reported() -> None:
    (record,) = split_records([b",T1,2026-02-30,,lost,,soon"])
    row = validate_row(ORDER_TRACKING, range(7), record, 1, LATEST)
    assert [(v.code, v.column) for v in row.violations] == [
        ("required", "order_num"),
        ("bad_date", "pck_recieved_date"),
        ("unknown_status", "status"),
        ("bad_timestamp", "last_update_timestamp"),
    ]


def test_a_violation_never_contains_a_control_character() -> None:
    (record,) = split_records([b"A1,T1,,,\x1b[31mlost\n,,2026-01-12 10:00:00".replace(b"\n", b"")])
    (violation,) = validate_row(ORDER_TRACKING, range(7), record, 1, LATEST).violations
    assert violation.value == "\\x1b[31mlost"


rows_of_one_key = st.fixed_dictionaries(
    {
        "order_num": st.sampled_from(["A", "B", "a", "é", "😀", "\uffff"]),
        "tracking_num": st.just("T"),
        "pck_recieved_date": st.none() | st.dates(),
        "package_deliver_date": st.none() | st.sampled_from([date(2026, 1, 1), date(999, 1, 1)]),
        "status": st.sampled_from(ORDER_TRACKING.statuses),
        "address": st.none() | st.sampled_from(["x", "X", ""]).filter(bool),
        "last_update_timestamp": st.sampled_from(
            [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)]
        ),
    }
)


@given(st.lists(rows_of_one_key, min_size=1, max_size=4))
def test_the_winner_depends_only_on_content(rows: list[dict[str, Any]]) -> None:
    def age(row: dict[str, Any]) -> Any:
        return precedence(ORDER_TRACKING, [row[column] for column in COLUMNS])

    winners = [max(order, key=age) for order in permutations(rows)]
    assert all(winner == newest(rows)["T"] for winner in winners)


@given(rows_of_one_key, rows_of_one_key)
def test_precedence_is_a_total_order_on_content(one: dict[str, Any], other: dict[str, Any]) -> None:
    left, right = (precedence(ORDER_TRACKING, [row[column] for column in COLUMNS]) for row in (one, other))
    assert (left == right) is (one == other)
    assert (left < right) + (right < left) + (left == right) == 1
