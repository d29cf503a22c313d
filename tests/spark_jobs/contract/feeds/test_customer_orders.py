"""What the customer-orders feed declares, column by column."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from spark_jobs.contract.column_types import Enumeration
from spark_jobs.contract.feeds import CUSTOMER_ORDERS
from spark_jobs.contract.records import Record
from spark_jobs.contract.rows import latest_allowed, validate_row
from tests.strategies import ARRIVAL

EXAMPLE = {column.name: column.example for column in CUSTOMER_ORDERS.columns}
ITEM = '{"product_id":"P","quantity":1,"unit_price":1}'


def faults(**changed: str) -> list[tuple[str, str | None]]:
    """Code and place of each fault of the example row with other values."""
    texts = [(EXAMPLE | changed)[name].encode() for name in CUSTOMER_ORDERS.column_names]
    record = Record(b",".join(b'"' + text.replace(b'"', b'""') + b'"' for text in texts), 2, tuple(texts))
    row = validate_row(CUSTOMER_ORDERS, range(len(texts)), record, 1, latest_allowed(CUSTOMER_ORDERS, ARRIVAL))
    return [(violation.code, violation.column) for violation in row.violations]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {name: "" for name in EXAMPLE if not CUSTOMER_ORDERS.column(name).required},
        {"status": "CANCELLED"},
        {"order_total": "0"},
        {"order_total": "999999999999.99"},
        {"items": f"[{','.join([ITEM] * 1000)}]"},
        {"ordered_at": "2026-01-31 10:00:00"},
        {"expected_delivery_date": "2026-01-30"},
        {"customer_email": "x@y"},
    ],
)
def test_valid_rows(changed: dict[str, str]) -> None:
    assert faults(**changed) == []


@pytest.mark.parametrize(
    ("column", "text", "code", "place"),
    [
        ("order_id", "", "required", ""),
        ("order_id", "x" * 65, "too_long", ""),
        ("customer_id", "x" * 65, "too_long", ""),
        ("customer_name", "x" * 257, "too_long", ""),
        ("customer_email", "x" * 319 + "@y", "too_long", ""),
        ("customer_email", "ada", "bad_form", ""),
        ("customer_email", "a@b@c", "bad_form", ""),
        ("customer_email", "a b@c", "bad_form", ""),
        ("customer_address", "x" * 1025, "too_long", ""),
        ("ordered_at", "", "required", ""),
        ("status", "lost", "unknown_status", ""),
        ("items", "", "required", ""),
        ("items", "[]", "record_count", ""),
        ("items", f"[{','.join([ITEM] * 1001)}]", "record_count", ""),
        ("items", '[{"quantity":1,"unit_price":1}]', "required", "[0].product_id"),
        ("items", f"[{ITEM},{ITEM.replace('1}', '1.005}')}]", "out_of_range", "[1].unit_price"),
        ("items", f"[{ITEM},{ITEM.replace('1}', '-1}')}]", "out_of_range", "[1].unit_price"),
        ("items", f"[{ITEM},{ITEM},{ITEM.replace(':1,', ':1000001,')}]", "out_of_range", "[2].quantity"),
        ("currency", "eur", "bad_form", ""),
        ("currency", "EURO", "too_long", ""),
        ("order_total", "-0.01", "out_of_range", ""),
        ("order_total", "1000000000000", "out_of_range", ""),
        ("order_total", "1,000.00", "bad_number", ""),
        ("shipping_method", "x" * 65, "too_long", ""),
        ("expected_delivery_date", "2026-01-29", "date_order", ""),
        ("payment_status", "cancelled", "unknown_status", ""),
        ("transaction_id", "x" * 129, "too_long", ""),
        ("last_update_timestamp", "2026-01-30 09:11:59", "date_order", ""),
        ("last_update_timestamp", "2026-02-02 12:00:01", "timestamp_in_future", ""),
    ],
)
def test_invalid_values(column: str, text: str, code: str, place: str) -> None:
    assert faults(**{column: text}) == [(code, column + place)]


def test_items_are_records_and_money_is_decimal() -> None:
    latest = latest_allowed(CUSTOMER_ORDERS, ARRIVAL)
    items = CUSTOMER_ORDERS.column("items").type.parse("items", EXAMPLE["items"], latest)
    assert items == [{"product_id": "P-17", "product_name": "Kettle", "quantity": 2, "unit_price": Decimal("24.90")}]
    assert CUSTOMER_ORDERS.column("order_total").type.parse("order_total", "49.8", latest) == Decimal("49.80")
    assert CUSTOMER_ORDERS.file_date("customer_orders_2026_01_31.csv") == date(2026, 1, 31)


def test_customer_orders_is_what_its_specification_says() -> None:
    names = """order_id customer_id customer_name customer_email customer_address ordered_at status items currency
        order_total shipping_method shipping_address expected_delivery_date payment_method payment_status transaction_id
        last_update_timestamp"""
    assert CUSTOMER_ORDERS.column_names == tuple(names.split())
    assert CUSTOMER_ORDERS.key == ("order_id",)
    first = ("last_update_timestamp", "status", "payment_status")
    rest = [name for name in CUSTOMER_ORDERS.column_names if name not in (*first, "order_id")]
    assert CUSTOMER_ORDERS.newest_by == (*first, *rest)
    statuses = ("pending", "processing", "shipped", "delivered", "canceled")
    assert CUSTOMER_ORDERS.column("status").type == Enumeration(statuses, {"cancelled": "canceled"}, "unknown_status")
    payments = ("pending", "authorized", "paid", "failed", "refunded")
    assert CUSTOMER_ORDERS.column("payment_status").type == Enumeration(payments, code="unknown_status")
    required = "order_id customer_id ordered_at status items currency order_total payment_status last_update_timestamp"
    assert [column.name for column in CUSTOMER_ORDERS.columns if column.required] == required.split()
    assert set(CUSTOMER_ORDERS.not_before) == {
        ("last_update_timestamp", "ordered_at"),
        ("expected_delivery_date", "ordered_at"),
    }
