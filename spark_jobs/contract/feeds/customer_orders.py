"""Customer orders: what was ordered, by whom, and what has been paid. One row per order."""

from __future__ import annotations

from decimal import Decimal

from spark_jobs.contract.column_types import CURRENCY, EMAIL, Column, Date, Enumeration, Integer, Number, Text, Timestamp
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.record_lists import Records

_ITEM = (
    Column("product_id", Text(64), required=True, about="number of the product", example="P-17"),
    Column("product_name", Text(256), about="name of the product", example="Kettle"),
    Column("quantity", Integer(1, 1_000_000), required=True, about="pieces", example="2"),
    Column("unit_price", Number(12, 2, low=Decimal(0)), required=True, about="price of one piece", example="24.90"),
)

CUSTOMER_ORDERS = Feed(
    name="customer_orders",
    title="customer orders",
    about="One row per order, with its customer, items, payment and current status.",
    file_prefix="customer_orders",
    table_prefix="customer_orders",
    columns=(
        Column("order_id", Text(64), required=True, about="number of the order", example="ORD-1001"),
        Column("customer_id", Text(64), required=True, about="number of the customer", example="C-17"),
        Column("customer_name", Text(256), about="name of the customer", example="Ada Meyer"),
        Column("customer_email", Text(320, EMAIL), about="e-mail address of the customer", example="ada@example.com"),
        Column("customer_address", Text(1024), about="address of the customer", example="12 Oak Ave, Springfield"),
        Column(
            "ordered_at",
            Timestamp(future=True),
            required=True,
            about="when the order was placed",
            example="2026-01-30 09:12:00",
        ),
        Column(
            "status",
            Enumeration(
                ("pending", "processing", "shipped", "delivered", "canceled"),
                {"cancelled": "canceled"},
                code="unknown_status",
            ),
            required=True,
            about="status of the order",
            example="shipped",
        ),
        Column(
            "items",
            Records(_ITEM, 1000),
            required=True,
            about="what was ordered",
            example='[{"product_id":"P-17","product_name":"Kettle","quantity":2,"unit_price":24.90}]',
        ),
        Column("currency", Text(3, CURRENCY), required=True, about="currency of all amounts (ISO 4217)", example="EUR"),
        Column(
            "order_total", Number(14, 2, low=Decimal(0)), required=True, about="what the customer pays", example="49.80"
        ),
        Column("shipping_method", Text(64), about="how the order is shipped", example="standard"),
        Column(
            "shipping_address", Text(1024), about="address that the order is shipped to", example="12 Oak Ave, Springfield"
        ),
        Column("expected_delivery_date", Date(), about="day on which delivery is expected", example="2026-02-03"),
        Column("payment_method", Text(64), about="how the customer pays", example="card"),
        Column(
            "payment_status",
            Enumeration(("pending", "authorized", "paid", "failed", "refunded"), code="unknown_status"),
            required=True,
            about="status of the payment",
            example="paid",
        ),
        Column("transaction_id", Text(128), about="the payment provider's number of the payment", example="TX-9001"),
        Column(
            "last_update_timestamp",
            Timestamp(),
            required=True,
            about="when the order last changed",
            example="2026-01-31 10:00:00",
        ),
    ),
    key=("order_id",),
    newest_by=(
        "last_update_timestamp",
        "status",
        "payment_status",
        "customer_id",
        "customer_name",
        "customer_email",
        "customer_address",
        "ordered_at",
        "items",
        "currency",
        "order_total",
        "shipping_method",
        "shipping_address",
        "expected_delivery_date",
        "payment_method",
        "transaction_id",
    ),
    not_before=(("last_update_timestamp", "ordered_at"), ("expected_delivery_date", "ordered_at")),
)
