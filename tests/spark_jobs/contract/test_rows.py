"""Validating one row: the same values or the same rejection as the independent oracle."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_jobs.contract.column_types import Column, Date, Text, Timestamp
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import CUSTOMER_ORDERS, FEEDS, ORDER_TRACKING
from spark_jobs.contract.records import BOM, RecordError, split_records
from spark_jobs.contract.rows import Positions, latest_allowed, precedence, validate_header, validate_row
from spark_jobs.contract.values import Value
from spark_jobs.contract.violations import RULES
from tests.feed_strategies import feeds_with_files
from tests.oracle import COLUMNS, LIFECYCLE, age, newest, read_file
from tests.strategies import ARRIVAL, files

LATEST = latest_allowed(ORDER_TRACKING, ARRIVAL)
Rows = list[tuple[int, dict[str, Value] | None]]
fuzzing = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def validated(feed: Feed, content: bytes) -> Rows | None:
    rows: Rows = []
    positions: Positions = []
    latest = latest_allowed(feed, ARRIVAL)
    try:
        for record in split_records([content.removeprefix(BOM)]):
            if not positions:
                positions, faults = validate_header(feed, record)
                if faults:
                    return None
                continue
            row = validate_row(feed, positions, record, len(rows) + 1, latest)
            assert (row.values is None) == bool(row.violations)
            for violation in row.violations:
                assert not RULES[violation.code].whole_file
                assert violation.message.isprintable(), violation
                assert (violation.value or "").isprintable(), violation
            rows.append((row.row, None if row.values is None else dict(zip(feed.column_names, row.values, strict=True))))
    except (RecordError, UnicodeDecodeError):
        return None
    return rows if positions else None


def assert_like_oracle(feed: Feed, content: bytes) -> None:
    found, expected = validated(feed, content), read_file(content, ARRIVAL, feed)
    assert found == expected
    assert repr(found) == repr(expected)  # types and scales, too: 1 == Decimal("1.00")
    good = [row for _, row in expected or [] if row is not None]
    ages = [(precedence(feed, list(row.values())), age(row, feed)) for row in good]
    for one, other in product(ages, ages):
        for start in range(len(feed.newest_by)):  # each column: the timestamps alone nearly always decide
            assert (one[0][start:] < other[0][start:]) is (one[1][start:] < other[1][start:])


@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS)
def test_values_and_bad_rows_are_those_of_the_oracle(feed: Feed) -> None:
    @given(files(feed))
    @fuzzing
    def every_file(content: bytes) -> None:
        assert_like_oracle(feed, content)

    every_file()


@given(feeds_with_files())
@fuzzing
def test_rows_of_generated_feeds_are_those_of_the_oracle(generated: tuple[Feed, bytes]) -> None:
    assert_like_oracle(*generated)


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


def feed_with(*columns: Column, **more: Any) -> Feed:
    """A feed with a text key ``id``, a timestamp ``at`` and these columns."""
    own = (Column("id", Text(8), required=True), Column("at", Timestamp(), required=True))
    newest_by = ("at", *(column.name for column in columns))
    return Feed("f", "f", "f", "f", (*own, *columns), ("id",), newest_by, version=3, **more)


def faults_of(feed: Feed, content: bytes) -> list[tuple[str, str | None]]:
    """Code and column of each fault of a file with one row."""
    header, line = split_records([content])
    positions, violations = validate_header(feed, header)
    row = violations or validate_row(feed, positions, line, 1, latest_allowed(feed, ARRIVAL)).violations
    return [(violation.code, violation.column) for violation in row]


def test_a_column_that_was_added_later_may_be_missing_from_the_header_and_its_value_is_then_missing() -> None:
    feed = feed_with(Column("old", Text(8)), Column("new", Text(8), since=2), Column("newer", Date(), since=3))
    assert validated(feed, b"new,at,id,old\nn,2026-01-01 10:00:00,1,o\n") == [
        (1, {"id": "1", "at": datetime(2026, 1, 1, 10, tzinfo=UTC), "old": "o", "new": "n", "newer": None})
    ]
    assert faults_of(feed, b"id,at,new,newer\n1,2026-01-01 10:00:00,,\n") == [("missing_column", "old")]
    assert faults_of(feed, b"id,at,old\n1,2026-01-01 10:00:00,o,n\n") == [("field_count", None)]
    header, line = split_records([b"id,at,old\n1,2026-01-01 10:00:00\n"])
    (violation,) = validate_row(feed, validate_header(feed, header)[0], line, 1, LATEST).violations
    assert violation.message == "the row has 2 fields, expected 3"


@pytest.mark.parametrize(
    ("day", "moment", "in_order"),
    [
        ("2026-01-01", "2026-01-01 23:59:59", True),
        ("2025-12-31", "2026-01-01 00:00:00", False),
        ("2026-01-01", "2026-01-01 23:00:00-02:00", False),
        ("2025-12-31", "2026-01-01 00:00:00+00:01", True),
        ("", "2026-01-01 00:00:00", True),
    ],
)
def test_a_date_and_a_timestamp_are_compared_by_their_days_in_utc(day: str, moment: str, in_order: bool) -> None:
    feed = feed_with(Column("day", Date()), not_before=(("day", "at"),))
    expected = [] if in_order else [("date_order", "day")]
    assert faults_of(feed, f"id,at,day\n1,{moment},{day}\n".encode()) == expected


@pytest.mark.parametrize(
    ("second", "in_order"), [("10:00:00.000001", True), ("10:00:00", True), ("09:59:59.999999", False)]
)
def test_two_timestamps_are_compared_to_the_microsecond(second: str, in_order: bool) -> None:
    feed = feed_with(Column("first", Timestamp()), not_before=(("at", "first"),))
    expected = [] if in_order else [("date_order", "at")]
    assert faults_of(feed, f"id,first,at\n1,2026-01-01 10:00:00,2026-01-01 {second}\n".encode()) == expected


def test_the_message_about_a_late_timestamp_names_the_feeds_allowance() -> None:
    feed = feed_with(future_allowance=timedelta(minutes=90))
    (record,) = split_records([b"1,2026-02-01 13:30:01"])
    (violation,) = validate_row(feed, (0, 1), record, 1, latest_allowed(feed, ARRIVAL)).violations
    assert violation.message == "at is after 2026-02-01 13:30:00 UTC, 1.5 h after the file's arrival"


def test_a_fault_in_a_list_of_records_names_its_place_and_the_line_of_the_field() -> None:
    good = dict.fromkeys(CUSTOMER_ORDERS.column_names, "") | {
        column.name: column.example for column in CUSTOMER_ORDERS.columns
    }
    good["items"] = '[{"product_id":"P","quantity":0,"unit_price":1}]'
    text = ",".join('"' + value.replace('"', '""') + '"' for value in good.values())
    (record,) = split_records([text.encode()])
    (violation,) = validate_row(CUSTOMER_ORDERS, range(len(good)), record, 7, LATEST).violations
    assert (violation.code, violation.column, violation.row) == ("out_of_range", "items[0].quantity", 7)
    assert violation.message == "items[0].quantity must be a whole number from 1 to 1,000,000"
    assert text[violation.character - 1 :].startswith('"[{""product_id""')


rows_of_one_key = st.fixed_dictionaries(
    {
        "order_num": st.sampled_from(["A", "B", "a", "é", "😀", "\uffff"]),
        "tracking_num": st.just("T"),
        "pck_recieved_date": st.none() | st.dates(),
        "package_deliver_date": st.none() | st.sampled_from([date(2026, 1, 1), date(999, 1, 1)]),
        "status": st.sampled_from(LIFECYCLE),
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
