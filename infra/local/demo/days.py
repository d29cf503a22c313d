"""The demo's files: several days of a parcel service and a shop, with the problems of real life."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal, TypeVar

from infra.local.demo.expected import READINGS
from infra.local.demo.senders import Order, Parcel

PARCEL_COLUMNS = tuple(READINGS["order_tracking"].columns)
ORDER_COLUMNS = tuple(READINGS["customer_orders"].columns)
ORDERS_A_DAY = 100
FIRST_DAY = date(2026, 1, 5)
SPREADSHEET = b"PK\x03\x04\x14\x00\x06\x00[Content_Types].xml"
SEED = 20260105
BAD_PARCELS: list[dict[str, str]] = [
    {"status": "on its way"},
    {"tracking_num": ""},
    {"pck_recieved_date": "2026-02-30"},
    {"pck_recieved_date": "2026-01-09", "package_deliver_date": "2026-01-02"},
    {"last_update_timestamp": "2062-01-09 10:00:00"},
    {"last_update_timestamp": "09.01.2026 10:00"},
    {"order_num": "x" * 65},
]
BAD_ORDERS: list[dict[str, str]] = [
    {"items": "[{'product_id': 'P-1', 'quantity': 1, 'unit_price': 24.90}]"},
    {"items": '[{"product_id":"P-1","quantity":"1","unit_price":24.90}]'},
    {"items": '[{"product_id":"P-1","quantity":1,"unit_price":24.90,"colour":"red"}]'},
    {"items": "[]"},
    {"order_total": "1,249.00"},
    {"customer_email": "ada.example.com"},
    {"expected_delivery_date": "2026-01-01"},
]


@dataclass(frozen=True)
class Upload:
    """One upload. ``expected``: its outcome, None if that depends on timing. ``events``: how often its event is sent."""

    name: str
    content: bytes
    about: str
    expected: Literal["merged", "rejected"] | None = "merged"
    events: int = 1


def waves(parcels_a_day: int = 2500) -> list[list[Upload]]:
    """Two waves of uploads; the second starts when the first is merged. About 6 * ``parcels_a_day`` rows of parcels and 6 *
    ORDERS_A_DAY of orders."""
    rng = random.Random(SEED)  # noqa: S311 - made up, the same every time
    parcels = _days(rng, Parcel.new, parcels_a_day, 5)
    orders = _days(rng, Order.new, ORDERS_A_DAY, 4)
    parcel_names, order_names = _names("order_tracking"), _names("customer_orders")
    monday, wednesday, thursday = (_csv(parcels[day], PARCEL_COLUMNS) for day in (0, 2, 3))
    half_of_monday = _csv(parcels[0][: len(parcels[0]) // 2], PARCEL_COLUMNS)
    header = b"order_num,tracking_no,pck_recieved_date,package_deliver_date,state,address,last_update_timestamp\n"
    reordered = (*reversed(PARCEL_COLUMNS[1:]), PARCEL_COLUMNS[0])
    unpaid = [replace(order, payment_status="pending") for order in orders[2][::10]]  # with the timestamps of the others
    thursday_orders = _csv(orders[3], ORDER_COLUMNS)
    first = [
        Upload(parcel_names[0], half_of_monday, "half of Monday, overwritten", None),
        Upload(order_names[0], _csv(orders[0], ORDER_COLUMNS), "Monday"),
        Upload(parcel_names[0], monday, "Monday, complete"),
        Upload(order_names[2], _csv(orders[2] + unpaid, ORDER_COLUMNS), "Wednesday, event sent 3 times", events=3),
        Upload(parcel_names[2], wednesday, "Wednesday, event sent 3 times", events=3),
        Upload(order_names[3], thursday_orders.replace(b'""', b"'"), "Thursday, items are not JSON", "rejected"),
        Upload(parcel_names[3], header + thursday.partition(b"\n")[2], "Thursday, broken header", "rejected"),
        Upload(parcel_names[4], SPREADSHEET + rng.randbytes(40_000), "a renamed spreadsheet", "rejected"),
    ]
    second = [
        Upload(parcel_names[1], _csv(parcels[1], reordered, "\r\n"), "Tuesday, a day late; CRLF"),
        Upload(order_names[1], _csv(orders[1], ORDER_COLUMNS), "Tuesday, a day late"),
        Upload(parcel_names[2], _csv(_corrected(rng, parcels[2]), PARCEL_COLUMNS), "Wednesday again, corrected"),
        Upload(order_names[3], _csv(orders[3], ORDER_COLUMNS, bad=BAD_ORDERS), "Thursday, one row in twenty bad"),
        Upload(parcel_names[3], thursday, "Thursday, fixed"),
        Upload(parcel_names[4], _csv(parcels[4], PARCEL_COLUMNS, bad=BAD_PARCELS), "Friday, one row in twenty bad"),
    ]
    return [first, second]


def _names(prefix: str) -> list[str]:
    return [f"{prefix}_{FIRST_DAY + timedelta(days=number):%Y_%m_%d}.csv" for number in range(5)]


Sent = TypeVar("Sent", Parcel, Order)


def _days(
    rng: random.Random, new: Callable[[random.Random, date, int], Sent], new_a_day: int, count: int
) -> list[list[Sent]]:
    """The rows of each day: some known parcels or orders advance in their lifecycle, and new ones arrive."""
    under_way: list[Sent] = []
    days = []
    for number in range(count):
        day = FIRST_DAY + timedelta(days=number)
        moving = rng.sample(under_way, min(len(under_way), new_a_day // 2))
        updates = [one.advanced(rng, day) for one in moving]
        arrivals = [new(rng, day, number * new_a_day + i) for i in range(new_a_day)]
        latest = {one.key: one for one in under_way + updates + arrivals}
        under_way = [one for one in latest.values() if one.status not in ("delivered", "canceled")]
        rows = updates + arrivals
        rng.shuffle(rows)
        days.append(rows)
    return days


def _corrected(rng: random.Random, rows: Sequence[Parcel]) -> list[Parcel]:
    """The second edition of a day: some rows are corrected in the evening, some are missing, some are unchanged."""
    edition = []
    for parcel in rows:
        if rng.random() < 0.1:
            continue  # missing: the row of the first edition stays
        amended = rng.random() < 0.2
        evening = parcel.at.replace(hour=23)
        edition.append(replace(parcel, address="corrected, " + parcel.address, at=evening) if amended else parcel)
    return edition


def _csv(
    rows: Iterable[Parcel | Order], columns: Sequence[str], end: str = "\n", bad: Sequence[dict[str, str]] = ()
) -> bytes:
    """``bad``: what makes every twentieth row invalid, in turn."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator=end)
    writer.writeheader()
    for number, row in enumerate(rows):
        turn, rest = divmod(number, 20)
        writer.writerow(row.fields(number) | (bad[turn % len(bad)] if bad and rest == 0 else {}))
    return text.getvalue().encode()
