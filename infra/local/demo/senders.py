"""The rows of the two sending systems, a parcel service and a shop: made up, and identical on every machine."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Self

STREETS = ("Main St", "Zimmerstraße", "Rue de l'Église", "Østergade", "Calle Mayor", "桜通り", "Elm Ave", "ul. Długa")
TOWNS = ("Springfield", "Köln", "Besançon", "Århus", "Logroño", "名古屋", "Łódź")
PRODUCTS = (("Kettle", 2490), ("Théière en fonte", 7000), ('Screen, 24"', 18999), ("急須", 3405), ("Mug", 850))
"""Names and prices in cents."""


@dataclass(frozen=True)
class Parcel:
    """One row of the parcel service, last updated at ``at`` (UTC)."""

    key: str
    order: str
    received: date | None
    delivered: date | None
    status: str
    address: str
    at: datetime

    LIFECYCLE = ("order placed", "pending", "processing", "shipped", "in transit", "delivered")

    @classmethod
    def new(cls, rng: random.Random, day: date, number: int) -> Self:
        address = _address(rng)
        if number % 97 == 0:
            address = address.replace(", ", '\nc/o "Smith & Sons"\n')  # a quoted field with line breaks
        return cls(
            key=f"TRK{number:09d}",
            order=f"ORD-{number // 2:07d}",
            received=day if rng.random() < 0.8 else None,
            delivered=None,
            status=rng.choice(cls.LIFECYCLE[:3]),
            address=address if number % 50 else "",
            at=_moment(rng, day),
        )

    def advanced(self, rng: random.Random, day: date) -> Self:
        status, at = _next(rng, self.status, self.LIFECYCLE), _moment(rng, day)
        if status == "canceled":
            return replace(self, status=status, at=at)
        delivered = day if status == "delivered" else None
        return replace(self, received=self.received or day, delivered=delivered, status=status, at=at)

    def fields(self, number: int) -> dict[str, str]:
        return {
            "order_num": self.order,
            "tracking_num": self.key,
            "pck_recieved_date": str(self.received or ""),
            "package_deliver_date": str(self.delivered or ""),
            "status": _spelled(self.status, number),
            "address": self.address,
            "last_update_timestamp": _stamp(self.at, number),
        }


@dataclass(frozen=True)
class Order:
    """One row of the shop, last updated at ``at`` (UTC). ``items``: pairs of a product's number and a quantity."""

    key: str
    customer: int
    ordered_at: datetime
    status: str
    items: tuple[tuple[int, int], ...]
    address: str
    expected: date | None
    payment_status: str
    at: datetime

    LIFECYCLE = ("pending", "processing", "shipped", "delivered")

    @classmethod
    def new(cls, rng: random.Random, day: date, number: int) -> Self:
        at = _moment(rng, day)
        return cls(
            key=f"ORD-{number:07d}",
            customer=rng.randrange(500),
            ordered_at=at - timedelta(minutes=rng.randint(1, 300)),
            status=rng.choice(cls.LIFECYCLE[:2]),
            items=tuple((rng.randrange(len(PRODUCTS)), rng.randint(1, 12)) for _ in range(rng.randint(1, 4))),
            address=_address(rng) if number % 25 else "",
            expected=day + timedelta(days=rng.randrange(5)) if rng.random() < 0.8 else None,
            payment_status=rng.choice(("pending", "authorized", "paid")),
            at=at,
        )

    def advanced(self, rng: random.Random, day: date) -> Self:
        status = _next(rng, self.status, self.LIFECYCLE)
        payment = "refunded" if status == "canceled" else "paid"
        items = self.items[1:] if len(self.items) > 1 and rng.random() < 0.2 else self.items  # one is out of stock
        return replace(self, status=status, payment_status=payment, items=items, at=_moment(rng, day))

    def fields(self, number: int) -> dict[str, str]:
        total = sum(quantity * PRODUCTS[product][1] for product, quantity in self.items)
        paid = self.payment_status in ("paid", "refunded")
        return {
            "order_id": self.key,
            "customer_id": f"C-{self.customer}",
            "customer_name": f"Łucja Nº {self.customer}" if self.customer % 10 else "",
            "customer_email": f"c{self.customer}@example.com" if self.customer % 7 else "",
            "customer_address": self.address,
            "ordered_at": _stamp(self.ordered_at, number + 1),
            "status": _spelled(self.status, number),
            "items": self._json(number),
            "currency": "EUR",
            "order_total": f"{total // 100}.{total % 100:02}",
            "shipping_method": "standard" if self.customer % 3 else "",
            "shipping_address": self.address,
            "expected_delivery_date": str(self.expected or ""),
            "payment_method": "card",
            "payment_status": _spelled(self.payment_status, number),
            "transaction_id": f"TX-{self.key}" if paid else "",
            "last_update_timestamp": _stamp(self.at, number),
        }

    def _json(self, number: int) -> str:
        """With and without blanks, escapes and names of products; 70.00 is written as 70.0 or 70."""
        records = []
        for product, quantity in self.items:
            name, cents = PRODUCTS[product]
            price = cents // 100 if number % 2 and cents % 100 == 0 else cents / 100
            named = {"product_name": name if number % 4 else None} if number % 5 else {}
            records.append({"quantity": quantity, "product_id": f"P-{product}", **named, "unit_price": price})
        plain = number % 3 == 0
        return json.dumps(records, ensure_ascii=not plain, separators=(",", ":") if plain else None)


def _address(rng: random.Random) -> str:
    return f"{rng.randint(1, 400)} {rng.choice(STREETS)}, {rng.choice(TOWNS)}"


def _next(rng: random.Random, status: str, lifecycle: tuple[str, ...]) -> str:
    if rng.random() < 0.03:
        return "canceled"
    return lifecycle[min(lifecycle.index(status) + rng.choice((1, 1, 2)), len(lifecycle) - 1)]


def _moment(rng: random.Random, day: date) -> datetime:
    return datetime(day.year, day.month, day.day) + timedelta(seconds=rng.randrange(6 * 3600, 22 * 3600))  # noqa: DTZ001


def _spelled(word: str, number: int) -> str:
    """In the different spellings that senders use."""
    return (word.upper(), word, word, word.title(), word.replace(" ", "_"))[number % 5]


def _stamp(at: datetime, number: int) -> str:
    """In the different forms that senders use."""
    return (f"{at}", f"{at:%Y-%m-%dT%H:%M:%S}Z", f"{at + timedelta(hours=1)}+01:00", f"{at}.25")[number % 4]
