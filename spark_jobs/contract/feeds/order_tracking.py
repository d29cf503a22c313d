"""Order tracking: where each shipment is. One row per shipment and update."""

from __future__ import annotations

from spark_jobs.contract.column_types import Column, Date, Enumeration, Text, Timestamp
from spark_jobs.contract.feed import Feed

ORDER_TRACKING = Feed(
    name="order_tracking",
    title="order tracking",
    about="One row per shipment, with its current status.",
    file_prefix="order_tracking",
    table_prefix="orders",
    columns=(
        Column("order_num", Text(64), required=True, about="number of the order", example="ORD-1001"),
        Column("tracking_num", Text(64), required=True, about="number of the shipment", example="TRK-5001"),
        Column(
            "pck_recieved_date",
            Date(),
            about="day on which the carrier received the parcel (the source system spells the name this way)",
            example="2026-01-29",
        ),
        Column("package_deliver_date", Date(), about="day of delivery", example="2026-01-31"),
        Column(
            "status",
            Enumeration(
                ("order placed", "pending", "processing", "shipped", "in transit", "delivered", "canceled"),
                {"cancelled": "canceled"},
                code="unknown_status",
            ),
            required=True,
            about="status of the shipment",
            example="delivered",
        ),
        Column("address", Text(1024), about="delivery address", example="12 Oak Ave, Springfield"),
        Column(
            "last_update_timestamp",
            Timestamp(),
            required=True,
            about="when the status last changed",
            example="2026-01-31 10:00:00",
        ),
    ),
    key=("tracking_num",),
    newest_by=(
        "last_update_timestamp",
        "status",  # by its rank in the lifecycle
        "order_num",
        "pck_recieved_date",
        "package_deliver_date",
        "address",
    ),
    not_before=(("package_deliver_date", "pck_recieved_date"),),
)
