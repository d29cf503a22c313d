"""A morning's files, small enough to answer every question by hand: what the real function and job make of them."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from functions.handler import handle_upload
from spark_jobs.cloud.ports import StoredFile
from spark_jobs.contract.feeds import CUSTOMER_ORDERS, FEEDS
from spark_jobs.operator.replay import Selection, carry_out, plan
from tests.fakes.dependencies import FakeDependencies
from tests.fakes.file_store import FakeClock
from tests.spark_jobs.harness import Crash, JobHarness, crash_at
from tests.spark_jobs.harness import csv as tracking_csv

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NOW = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
"""When the questions are asked. Commits are as old as the test, so it must be today; the story begins at ten."""
MONDAY = (NOW - timedelta(days=28 + NOW.weekday())).date()
LONG_AGO, LATELY = NOW - timedelta(days=70), NOW - timedelta(days=20)
"""In different months."""


def today(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return NOW.replace(hour=hour, minute=minute, second=second)


def days_ago(days: int) -> date:
    return (NOW - timedelta(days=days)).date()


def parcel(
    key: str, status: str, updated: datetime, received: date | None = None, delivered: date | None = None, address: str = ""
) -> str:
    return f"A1,{key},{received or ''},{delivered or ''},{status},{address},{updated:%Y-%m-%d %H:%M:%S}"


def order(key: str, customer: str, ordered: datetime, status: str, payment: str, total: str, **more: Any) -> dict[str, str]:
    """``more``: currency, items (product, pieces, price), expected (a date), updated."""
    items = [{"product_id": p, "product_name": f"Product {p}", "quantity": n, "unit_price": 0} for p, n, _ in more["items"]]
    text = json.dumps(items)
    for _, _, price in more["items"]:  # as a number with these very digits
        text = text.replace('"unit_price": 0', f'"unit_price": {price}', 1)
    return {
        "order_id": key,
        "customer_id": customer,
        "ordered_at": f"{ordered:%Y-%m-%d %H:%M:%S}",
        "status": status,
        "items": text,
        "currency": more["currency"],
        "order_total": total,
        "expected_delivery_date": str(more.get("expected") or ""),
        "payment_status": payment,
        "last_update_timestamp": f"{more.get('updated', ordered):%Y-%m-%d %H:%M:%S}",
    }


@dataclass(frozen=True)
class Story:
    """``folder`` has the tables; ``files`` the file ids by their names here."""

    folder: Path
    files: dict[str, str]


class Teller:
    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.harness = JobHarness(spark, folder, clock=FakeClock(today(10)))
        self.files: dict[str, str] = {}

    def upload(self, called: str, name: str, content: bytes) -> StoredFile:
        stored = self.harness.store.upload(f"source/{name}", content)
        self.files[called] = str(stored.file)
        return stored

    def validate(self, stored: StoredFile) -> None:
        function = FakeDependencies(clock=self.harness.clock, announcer=self.harness.announcer)
        function.store = self.harness.store
        handle_upload(stored.file, function.deps)

    def dies(self, after: str) -> None:
        with suppress(Crash):
            self.harness.ingest(crash_at(after))


def tell(spark: SparkSession, folder: Path) -> Story:
    teller = Teller(spark, folder)
    harness, clock = teller.harness, teller.harness.clock
    yesterday, night = today(12) - timedelta(days=1), today(0, 10)

    first = tracking_csv(
        parcel("T01", "delivered", yesterday, MONDAY, MONDAY + timedelta(2)),
        parcel("T02", "delivered", yesterday, MONDAY + timedelta(1), MONDAY + timedelta(5)),
        parcel("T03", "delivered", yesterday, MONDAY + timedelta(2), MONDAY + timedelta(8)),
        parcel("T04", "delivered", yesterday, MONDAY),
        parcel("T05", "pending", NOW - timedelta(days=40)),
        parcel("T06", "shipped", NOW - timedelta(days=10), MONDAY, days_ago(2)),
        parcel("T07", "in transit", yesterday),
        parcel("T08", "canceled", yesterday),
        parcel("T09", "order placed", yesterday),
        parcel("T10", "processing", yesterday),
        parcel("T99", "on its way", yesterday),
    )
    teller.validate(teller.upload("first", "order_tracking_2026_01_01.csv", first))
    clock.at = today(10, 0, 30)
    harness.ingest()

    clock.at = today(10, 5)
    teller.validate(teller.upload("orders", "customer_orders_2026_01_01.csv", _orders()))
    harness.ingest()

    clock.at = today(10, 10)
    second = tracking_csv(
        parcel("T07", "shipped", night),  # backwards
        parcel("T09", "pending", night),
        parcel("T10", "processing", night),
        parcel("T05", "pending", NOW - timedelta(days=41)),  # older than what is there
        parcel("T11", "pending", night, address="x"),
        parcel("T11", "pending", night, address="y"),
    )
    teller.validate(teller.upload("second", "order_tracking_2026_01_02.csv", second))
    teller.dies("taken")
    clock.at = today(10, 11, 10)
    harness.ingest()

    clock.at = today(10, 20)
    content = tracking_csv(parcel("T12", "in transit", today(0, 20)))
    harness.accept(teller.upload("miscounted", "order_tracking_2026_01_03.csv", content), content, rows=99)
    clock.at = today(10, 20, 10)
    harness.ingest()

    clock.at = today(10, 30)
    harness.accept(teller.upload("headless", "order_tracking_2026_01_04.csv", b"nonsense\n1\n"), b"", rows=1)
    harness.ingest()

    clock.at = today(10, 40)
    layout = harness.settings.layout
    (moved,) = plan(harness.store, layout, Selection(("order_tracking_2026_01_01.csv",)))
    copy = carry_out(harness.store, moved).file
    assert copy
    stored = harness.store.stat(copy.bucket, copy.name)
    assert stored
    teller.files["replayed"] = str(copy)
    teller.validate(stored)
    harness.ingest()

    clock.at = today(10, 50)
    content = tracking_csv(parcel("T20", "pending", night))
    teller.validate(teller.upload("parked", "order_tracking_2026_01_05.csv", content))
    teller.dies("taken")
    clock.at = today(10, 51)
    teller.dies("taken")
    clock.at = today(10, 55)
    teller.validate(teller.upload("taken", "order_tracking_2026_01_06.csv", content))
    teller.dies("taken")
    assert set(FEEDS) == {"order_tracking", "customer_orders"}, "another feed has questions of its own: add its files"
    return Story(folder / "warehouse", teller.files)


def _orders() -> bytes:
    rows = [
        order("O1", "C1", LONG_AGO, "delivered", "paid", "30.00", currency="EUR", expected=days_ago(60),
              updated=NOW - timedelta(days=58), items=[("P-1", 2, "10.00"), ("P-2", 1, "10.00")]),
        order("O2", "C1", LATELY, "shipped", "paid", "20.00", currency="EUR", expected=days_ago(5),
              items=[("P-1", 2, "10.00")]),
        order("O3", "C2", LATELY, "pending", "pending", "5.50", currency="USD", expected=days_ago(-5),
              items=[("P-3", 1, "5.50")]),
        order("O4", "C3", LATELY, "canceled", "paid", "7.00", currency="USD", items=[("P-1", 1, "7.00")]),
        order("O5", "C2", LONG_AGO, "delivered", "paid", "1.00", currency="EUR", expected=days_ago(60),
              updated=NOW - timedelta(days=61), items=[("P-2", 1, "1.00")]),
        order("O6", "C4", LATELY, "pending", "failed", "2.00", currency="EUR", items=[("P-2", 2, "1.00")]),
    ]  # fmt: skip
    text = io.StringIO()
    writer = csv.DictWriter(text, CUSTOMER_ORDERS.column_names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
