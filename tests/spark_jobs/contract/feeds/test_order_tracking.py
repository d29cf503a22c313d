"""What the order-tracking feed declares."""

from __future__ import annotations

from spark_jobs.contract.column_types import Enumeration
from spark_jobs.contract.feeds import ORDER_TRACKING


def test_order_tracking_is_what_the_design_says() -> None:
    """The oracle reads the declaration, so nothing else would notice a wrong one."""
    names = "order_num tracking_num pck_recieved_date package_deliver_date status address last_update_timestamp"
    assert ORDER_TRACKING.column_names == tuple(names.split())
    assert ORDER_TRACKING.key == ("tracking_num",)
    newest_by = "last_update_timestamp status order_num pck_recieved_date package_deliver_date address"
    assert ORDER_TRACKING.newest_by == tuple(newest_by.split())
    statuses = ("order placed", "pending", "processing", "shipped", "in transit", "delivered", "canceled")
    assert ORDER_TRACKING.column("status").type == Enumeration(statuses, {"cancelled": "canceled"}, "unknown_status")
    required = [column.name for column in ORDER_TRACKING.columns if column.required]
    assert required == ["order_num", "tracking_num", "status", "last_update_timestamp"]
    assert ORDER_TRACKING.not_before == (("package_deliver_date", "pck_recieved_date"),)
