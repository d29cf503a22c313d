"""The messages of the stream of changes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from spark_jobs.contract.changes import MAX_KEY_BYTES, Change, Snapshot, ordering_key
from spark_jobs.contract.feeds import CUSTOMER_ORDERS, ORDER_TRACKING

AT = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)


def content(**values: Any) -> dict[str, Any]:
    return {**dict.fromkeys(ORDER_TRACKING.column_names), "tracking_num": "T-1", "status": "shipped", **values}


def change(before: dict[str, Any] | None, after: dict[str, Any] | None, **more: Any) -> Change:
    return Change(ORDER_TRACKING, before, after, 12, AT, **more)


def test_the_whole_message() -> None:
    before, after = content(), content(status="in transit", address='Zürich "x"')
    message = change(before, after, file_id="b/n#1", row_number=4).as_message()
    assert json.loads(message.data) == {
        "schema_version": 1,
        "kind": "change",
        "feed": "order_tracking",
        "key": {"tracking_num": "T-1"},
        "before": before,
        "after": after,
        "changed": ["status", "address"],
        "backwards": False,
        "file_id": "b/n#1",
        "row_number": 4,
        "commit_version": 12,
        "committed_at": "2026-01-31T10:00:00.000000Z",
        "event_id": "orders/12/T-1",
    }
    assert message.ordering_key == "T-1"
    assert message.attributes == {
        "kind": "change", "feed": "order_tracking", "event_id": "orders/12/T-1", "status": "in transit",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "backwards"),
    [("delivered", "shipped", True), ("canceled", "delivered", True), ("shipped", "delivered", False),
     ("shipped", "shipped", False), ("written by hand", "pending", False), (None, "pending", False)],
)  # fmt: skip
def test_a_status_moves_backwards_by_its_place_in_the_lifecycle(before: str | None, after: str, backwards: bool) -> None:
    assert change(content(status=before), content(status=after)).backwards is backwards


def test_a_deletion_keeps_its_key_and_last_status_and_its_values_are_what_changed() -> None:
    deleted = change(content(), None)
    assert (deleted.key, deleted.status, deleted.changed) == (
        {"tracking_num": "T-1"},
        "shipped",
        ["tracking_num", "status"],
    )
    assert not deleted.backwards


def test_the_ordering_key_fits_pubsub_and_differs_where_keys_differ() -> None:
    long = [ordering_key({"k": "é" * length}) for length in (450, 451, 1000, 1001)]
    assert len(set(long)) == 4
    assert all(len(text.encode()) <= MAX_KEY_BYTES for text in long)
    keys = [{"a": "x", "b": "y"}, {"a": "x,y", "b": ""}, {"a": 1}, {"a": 2, "b": None}]
    assert len({ordering_key(key) for key in keys}) == 4


def test_the_attributes_fit_pubsub() -> None:
    message = change(content(tracking_num="é" * 2000), None).as_message()
    assert all(len(value.encode()) <= 1024 for value in message.attributes.values())
    assert len(message.ordering_key.encode()) <= 1024


def test_a_snapshot_says_how_many_rows_follow() -> None:
    message = Snapshot(CUSTOMER_ORDERS, 5, 12, AT).as_message()
    assert json.loads(message.data) == {
        "schema_version": 1, "kind": "snapshot", "feed": "customer_orders", "rows": 5, "commit_version": 12,
        "committed_at": "2026-01-31T10:00:00.000000Z", "event_id": "customer_orders/12",
    }  # fmt: skip


def test_the_status_is_the_first_enumeration_that_newest_wins_compares() -> None:
    assert ORDER_TRACKING.status_column == CUSTOMER_ORDERS.status_column == "status"
