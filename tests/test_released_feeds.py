"""The declared feeds against the last released ones: what senders and tables rely on may grow, but not change or shrink."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from spark_jobs.contract.column_types import CURRENCY, Column, Date, Enumeration, Integer, Number, Text, Timestamp
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import CUSTOMER_ORDERS, FEEDS
from spark_jobs.contract.record_lists import Records
from tests.feed_strategies import feeds
from tests.released_feeds import PATH, described, refusals, released, shown

Change = Callable[[Feed], Feed]


def test_nothing_that_was_released_is_broken() -> None:
    """If this fails, each sentence says what to do."""
    assert refusals(released(), {name: described(feed) for name, feed in FEEDS.items()}) == []


def with_type(name: str, kind: Any, **more: Any) -> Change:
    def change(feed: Feed) -> Feed:
        columns = (replace(column, type=kind, **more) if column.name == name else column for column in feed.columns)
        return replace(feed, columns=tuple(columns))

    return change


def with_column(column: Column, **more: Any) -> Change:
    def change(feed: Feed) -> Feed:
        return replace(feed, columns=(*feed.columns, column), newest_by=(*feed.newest_by, column.name), **more)

    return change


def without(name: str) -> Change:
    def change(feed: Feed) -> Feed:
        columns = tuple(column for column in feed.columns if column.name != name)
        return replace(feed, columns=columns, newest_by=tuple(column for column in feed.newest_by if column != name))

    return change


def with_(**more: Any) -> Change:
    return lambda feed: replace(feed, **more)


def with_items(change: Callable[[Records], Records]) -> Change:
    kind = CUSTOMER_ORDERS.column("items").type
    assert isinstance(kind, Records)
    return with_type("items", change(kind))


def with_quantity(kind: Integer | Text, **more: Any) -> Change:
    def change(items: Records) -> Records:
        fields = (replace(field, type=kind, **more) if field.name == "quantity" else field for field in items.fields)
        return replace(items, fields=tuple(fields))

    return with_items(change)


STATUS = CUSTOMER_ORDERS.column("status").type
assert isinstance(STATUS, Enumeration)
NOTE = Column("note", Text(8))
ORDER = CUSTOMER_ORDERS.newest_by
REFUSED = {
    "file prefix was customer_orders": with_(file_prefix="sales"),
    "table prefix was customer_orders": with_(table_prefix="sales"),
    "its key was order_id; rows in the tables are identified by it": with_(
        key=("order_id", "customer_id"), newest_by=tuple(name for name in ORDER if name != "customer_id")
    ),
    "newest_by was last_update_timestamp, status,": with_(newest_by=(ORDER[0], ORDER[2], ORDER[1], *ORDER[3:])),
    "the column shipping_method was removed": without("shipping_method"),
    "the new column note is in no file of today; declare since=2 and the feed version=2": with_column(NOTE),
    "timestamps could be 24 hours in the future": with_(future_allowance=timedelta(hours=12)),
    "ordered_at must now not be before expected_delivery_date": with_(
        not_before=(*CUSTOMER_ORDERS.not_before, ("ordered_at", "expected_delivery_date"))
    ),
    "column customer_name was optional and is required": with_type("customer_name", Text(256), required=True),
    "column customer_name had since=None and has since=2": lambda feed: with_type("customer_name", Text(256), since=2)(
        replace(feed, version=2)
    ),
    "column customer_name had the type text and has integer": with_type("customer_name", Integer()),
    "column expected_delivery_date had the type date and has timestamp": with_type("expected_delivery_date", Timestamp()),
    "column customer_name could have 256 characters and may have 255": with_type("customer_name", Text(255)),
    "column shipping_method must now be three capital letters": with_type("shipping_method", Text(64, CURRENCY)),
    "column ordered_at could be in the future": with_type("ordered_at", Timestamp()),
    "column status has no value 'canceled' any more": with_type(
        "status", replace(STATUS, values=STATUS.values[:-1], synonyms={})
    ),
    "column status had the values in the order pending, processing": with_type(
        "status", replace(STATUS, values=STATUS.values[::-1])
    ),
    "column status was read as 'canceled' where a file says 'cancelled'": with_type("status", replace(STATUS, synonyms={})),
    "column status had the code unknown_status": with_type("status", replace(STATUS, code="unknown_value")),
    "column order_total was DECIMAL(14, 2) and is DECIMAL(15, 2)": with_type("order_total", Number(15, 2, low=Decimal(0))),
    "column order_total had the bound low=0 and has low=1": with_type("order_total", Number(14, 2, low=Decimal(1))),
    "column order_total had the bound high=None and has high=9": with_type(
        "order_total", Number(14, 2, Decimal(0), Decimal(9))
    ),
    "column items could have 1,000 records and may have 999": with_items(lambda items: replace(items, max_records=999)),
    "column items the field product_name was removed": with_items(
        lambda items: replace(items, fields=(items.fields[0], *items.fields[2:]))
    ),
    "column items has the new field note": with_items(lambda items: replace(items, fields=(*items.fields, NOTE))),
    "column items had the fields in the order product_id,": with_items(
        lambda items: replace(items, fields=items.fields[::-1])
    ),
    "column items field quantity could be 1 to 1,000,000 and may be 2 to 1,000,000": with_quantity(Integer(2, 1_000_000)),
    "field quantity could be 1 to 1,000,000 and may be 1 to 999,999": with_quantity(Integer(1, 999_999)),
    "field quantity had the type integer and has text": with_quantity(Text(8)),
}

WIDENED = {
    "a column with since": with_column(replace(NOTE, since=2), version=2),
    "a later column with since that comes early in the order": lambda feed: replace(
        with_column(replace(NOTE, since=3), version=3)(feed), newest_by=(ORDER[0], "note", *ORDER[1:])
    ),
    "columns in another place": with_(columns=CUSTOMER_ORDERS.columns[::-1]),
    "a pair less": with_(not_before=()),
    "a pair with a new column": lambda feed: replace(
        with_column(Column("shipped_on", Date(), since=2), version=2)(feed),
        not_before=(*feed.not_before, ("shipped_on", "ordered_at")),
    ),
    "more allowance": with_(future_allowance=timedelta(hours=48)),
    "a longer text": with_type("customer_name", Text(300)),
    "a text without its form": with_type("currency", Text(3)),
    "an optional column": with_type(
        "payment_status", FEEDS["customer_orders"].column("payment_status").type, required=False
    ),
    "another value": with_type("status", replace(STATUS, values=("new", *STATUS.values[:2], "packed", *STATUS.values[2:]))),
    "another synonym": with_type("status", replace(STATUS, synonyms={**STATUS.synonyms, "sent": "shipped"})),
    "a bound less": with_type("order_total", Number(14, 2)),
    "a lower bound": with_type("order_total", Number(14, 2, low=Decimal(-1))),
    "more records": with_items(lambda items: replace(items, max_records=2000)),
    "more of a field": with_quantity(Integer(0, 2_000_000), required=False),
    "other words": with_(title="orders of customers", about="One row per order."),
}


def test_the_file_is_what_its_command_would_write() -> None:
    """Readable, and never edited by hand."""
    assert PATH.read_text() == shown(released()) + "\n"


def refused(change: Change) -> list[str]:
    new = described(change(CUSTOMER_ORDERS))
    return refusals({"customer_orders": described(CUSTOMER_ORDERS)}, {"customer_orders": new})


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_would_break_senders_tables_or_waiting_files_is_refused_with_one_sentence(sentence: str) -> None:
    (found,) = refused(REFUSED[sentence])
    assert found.startswith("feed customer_orders: ")
    assert sentence in found
    assert "\n" not in found


@pytest.mark.parametrize("what", WIDENED)
def test_what_only_adds_is_allowed(what: str) -> None:
    assert refused(WIDENED[what]) == []


def test_a_removed_feed_is_refused_and_a_new_one_is_not() -> None:
    both = {name: described(FEEDS[name]) for name in ("order_tracking", "customer_orders")}
    one = {"order_tracking": both["order_tracking"]}
    assert refusals(one, both) == []
    assert refusals(both, one) == ["feed customer_orders was removed; its files would be rejected: put it back"]


@given(feeds())
def test_every_declaration_can_be_described_and_is_no_change_of_itself(feed: Feed) -> None:
    description = json.loads(json.dumps(described(feed)))
    assert refusals({"generated": description}, {"generated": described(feed)}) == []
