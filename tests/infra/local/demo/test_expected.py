"""The demo's independent reading of its files agrees with the contract."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from infra.local.demo.expected import READINGS, Row
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import FEEDS
from spark_jobs.contract.records import split_records
from spark_jobs.contract.rows import latest_allowed, precedence, validate_header, validate_row
from spark_jobs.contract.values import Value
from tests.infra.local.demo.test_days import uploads

ARRIVAL = datetime(2026, 2, 1, tzinfo=UTC)
each_feed = pytest.mark.parametrize("feed", [FEEDS[name] for name in READINGS], ids=lambda feed: feed.name)


def merged(feed: Feed) -> list[tuple[bytes, datetime]]:
    return [(upload.content, ARRIVAL) for upload in uploads(feed.name, 400) if upload.expected == "merged"]


def contract_target(feed: Feed) -> dict[Value, Row]:
    target: dict[Value, tuple[Value, ...]] = {}
    for content, arrival in merged(feed):
        records = split_records(io.BytesIO(content))
        positions, violations = validate_header(feed, next(records))
        assert not violations
        for number, record in enumerate(records, 1):
            row = validate_row(feed, positions, record, number, latest_allowed(feed, arrival)).values
            if row is None:
                continue
            key = row[feed.key_positions[0]]
            if key not in target or precedence(feed, row) > precedence(feed, target[key]):
                target[key] = row
    return {key: dict(zip(feed.column_names, row, strict=True)) for key, row in target.items()}


@each_feed
def test_two_independent_readings_agree_on_every_row(feed: Feed) -> None:
    ours = READINGS[feed.name].expected_target(merged(feed))

    assert tuple(READINGS[feed.name].columns) == feed.column_names
    assert ours == contract_target(feed)
    new = {"order_tracking": 5 * 400, "customer_orders": 4 * 100}[feed.name]
    assert new * 0.95 < len(ours) < new  # a bad row may be a parcel's only row


@each_feed
def test_the_order_of_arrival_does_not_matter(feed: Feed) -> None:
    expected_target = READINGS[feed.name].expected_target
    files = merged(feed)

    assert expected_target(files) == expected_target(reversed(files))


def test_items_are_records_and_amounts_have_two_decimals() -> None:
    rows = READINGS["customer_orders"].expected_target(merged(FEEDS["customer_orders"])).values()

    amounts = [row["order_total"] for row in rows] + [item["unit_price"] for row in rows for item in row["items"]]
    assert {type(amount) for amount in amounts} == {Decimal}
    assert {str(amount)[-3] for amount in amounts} == {"."}
    assert {type(item["quantity"]) for row in rows for item in row["items"]} == {int}
    assert any(item["product_name"] is None for row in rows for item in row["items"])
