"""The expected target of each feed, computed from the bytes of the merged files with Python's csv and json modules.

It deliberately shares no code with the contract that function and job use: two independent readings that agree on every
row prove more than one. It need not be fast, and covers only what the demo's files contain.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

Row = dict[str, Any]
Read = Callable[[Any], Any]
"""Makes a value of a text, or of a value in JSON; raises ValueError if it is bad."""


@dataclass(frozen=True)
class Reading:
    """How the rows of a feed are read. ``in_order``: pairs of columns; the first must not be after the second. ``ranks``:
    columns whose values compare by their position."""

    key: str
    columns: Mapping[str, Read]
    in_order: Sequence[tuple[str, str]]
    ranks: Mapping[str, Sequence[str]]

    def expected_target(self, files: Iterable[tuple[bytes, datetime]]) -> dict[str, Row]:
        """Key -> row. ``files``: content and arrival (with time zone) of each merged file, in any order."""
        target: dict[str, Row] = {}
        for content, arrival in files:
            for fields in csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")):
                row = self._row(fields, arrival)
                if row and (row[self.key] not in target or self._newness(row) > self._newness(target[row[self.key]])):
                    target[row[self.key]] = row
        return target

    def _row(self, fields: Mapping[str, str], arrival: datetime) -> Row | None:
        """The row's values; None if it violates the contract."""
        try:
            row = {name: read(fields[name].strip()) for name, read in self.columns.items()}
        except ValueError:
            return None
        for first, last in ((row[first], row[last]) for first, last in self.in_order):
            if first and last and last < (first if type(first) is type(last) else first.date()):
                return None
        return row if row["last_update_timestamp"] <= arrival + timedelta(hours=24) else None

    def _newness(self, row: Row) -> tuple[Any, ...]:
        """Sort key: of two rows with the same key, the larger one wins. A missing value is lowest."""
        return tuple(self._comparable(name, row[name]) for name in ("last_update_timestamp", *self.ranks, *self.columns))

    def _comparable(self, name: str, value: Any) -> Any:
        if name in self.ranks:
            return self.ranks[name].index(value)
        if isinstance(value, list):
            given = [{field: part for field, part in item.items() if part is not None} for item in value]
            return json.dumps(given, ensure_ascii=False, default=str)
        return value if isinstance(value, datetime) else str(value or "")


def _optional(read: Read) -> Read:
    return lambda text: read(text) if text else None


def _text(longest: int, pattern: str = ".+") -> Read:
    def read(text: object) -> str:
        if not (isinstance(text, str) and len(text) <= longest and re.fullmatch(pattern, text, re.DOTALL)):
            raise ValueError(text)
        return text

    return read


def _one_of(values: Sequence[str]) -> Read:
    def read(text: str) -> str:
        words = re.sub(r"[\s_-]+", " ", text.lower()).replace("cancelled", "canceled")
        return values[values.index(words)]

    return read


def _day(text: str) -> date:
    return date.fromisoformat(_text(10, r"\d{4}-\d\d-\d\d")(text))


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(_text(32, r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?")(text))
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def _amount(text: str) -> Decimal:
    return Decimal(_text(13, r"(0|[1-9]\d*)(\.\d\d?)?")(text)).quantize(Decimal("0.01"))


def _number(read: Read) -> Read:
    """For a number in JSON, as opposed to a text with digits."""
    return lambda number: read(str(number) if isinstance(number, Decimal) else "")


def _quantity(text: str) -> int:
    return int(_text(6, r"[1-9]\d*")(text))


ITEM: dict[str, Read] = {
    "product_id": _text(64),
    "product_name": _optional(_text(256)),
    "quantity": _number(_quantity),
    "unit_price": _number(_amount),
}


def _items(text: str) -> list[Row]:
    items = json.loads(text, parse_int=Decimal, parse_float=Decimal)
    if not items or any(not item.keys() <= ITEM.keys() for item in items):
        raise ValueError(text)
    return [{name: read(item.get(name)) for name, read in ITEM.items()} for item in items]


_PARCEL = ("order placed", "pending", "processing", "shipped", "in transit", "delivered", "canceled")
_ORDER = ("pending", "processing", "shipped", "delivered", "canceled")
_PAYMENT = ("pending", "authorized", "paid", "failed", "refunded")

READINGS = {
    "order_tracking": Reading(
        key="tracking_num",
        columns={
            "order_num": _text(64),
            "tracking_num": _text(64),
            "pck_recieved_date": _optional(_day),
            "package_deliver_date": _optional(_day),
            "status": _one_of(_PARCEL),
            "address": _optional(_text(1024)),
            "last_update_timestamp": _moment,
        },
        in_order=(("pck_recieved_date", "package_deliver_date"),),
        ranks={"status": _PARCEL},
    ),
    "customer_orders": Reading(
        key="order_id",
        columns={
            "order_id": _text(64),
            "customer_id": _text(64),
            "customer_name": _optional(_text(256)),
            "customer_email": _optional(_text(320, r"[^@\s]+@[^@\s]+")),
            "customer_address": _optional(_text(1024)),
            "ordered_at": _moment,
            "status": _one_of(_ORDER),
            "items": _items,
            "currency": _text(3, "[A-Z]{3}"),
            "order_total": _amount,
            "shipping_method": _optional(_text(64)),
            "shipping_address": _optional(_text(1024)),
            "expected_delivery_date": _optional(_day),
            "payment_method": _optional(_text(64)),
            "payment_status": _one_of(_PAYMENT),
            "transaction_id": _optional(_text(128)),
            "last_update_timestamp": _moment,
        },
        in_order=(("ordered_at", "last_update_timestamp"), ("ordered_at", "expected_delivery_date")),
        ranks={"status": _ORDER, "payment_status": _PAYMENT},
    ),
}
