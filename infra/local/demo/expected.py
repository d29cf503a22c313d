"""The expected target, computed from the bytes of the merged files with Python's csv module.

It deliberately shares no code with the contract that function and job use: two independent readings that agree on every
row prove more than one. It need not be fast, and covers only what the demo's files contain.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

Row = tuple[str, str, date | None, date | None, str, str | None, datetime]

COLUMNS = (
    "order_num",
    "tracking_num",
    "pck_recieved_date",
    "package_deliver_date",
    "status",
    "address",
    "last_update_timestamp",
)
RANKS = {
    name: rank
    for rank, name in enumerate(("order placed", "pending", "processing", "shipped", "in transit", "delivered", "canceled"))
}
STAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?")
DAY = re.compile(r"\d{4}-\d\d-\d\d")


def expected_target(files: Iterable[tuple[bytes, datetime]]) -> dict[str, Row]:
    """tracking_num -> row. ``files``: content and arrival (with time zone) of each merged file, in any order."""
    target: dict[str, Row] = {}
    for content, arrival in files:
        for fields in csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")):
            row = read_row(fields, arrival)
            if row and (row[1] not in target or newness(row) > newness(target[row[1]])):
                target[row[1]] = row
    return target


def read_row(fields: dict[str, str], arrival: datetime) -> Row | None:
    """The row's values; None if it violates the contract."""
    text = {name: fields[name].strip() for name in COLUMNS}
    status = re.sub(r"[\s_-]+", " ", text["status"].lower()).replace("cancelled", "canceled")
    try:
        received, delivered = (_day(text[name]) for name in ("pck_recieved_date", "package_deliver_date"))
        at = _stamp(text["last_update_timestamp"])
    except ValueError:
        return None
    order, tracking, address = text["order_num"], text["tracking_num"], text["address"]
    fits = 0 < len(order) <= 64 and 0 < len(tracking) <= 64 and len(address) <= 1024
    in_order = not (received and delivered) or delivered >= received
    if not (fits and in_order and status in RANKS and at <= arrival + timedelta(hours=24)):
        return None
    return order, tracking, received, delivered, status, address or None, at


def newness(row: Row) -> tuple[datetime, int, str, str, str, str]:
    """Sort key: of two rows with the same tracking_num, the larger one wins. A missing value is lowest."""
    order, _, received, delivered, status, address, at = row
    return at, RANKS[status], order, str(received or ""), str(delivered or ""), address or ""


def _day(text: str) -> date | None:
    if text and not DAY.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text) if text else None


def _stamp(text: str) -> datetime:
    if not STAMP.fullmatch(text):
        raise ValueError(text)
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
