"""Realistic customer orders in bulk, and the worst files that we can think of. Deterministic."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from spark_jobs.contract.feeds import CUSTOMER_ORDERS
from tests.bench.rows import Row

HEADER = ",".join(CUSTOMER_ORDERS.column_names)
_LAST = datetime(2026, 1, 31, 23, 59, 59)
_NAMES = ("Ada Meyer", "José García", "Lin Chen", "Zoë Müller", "John O'Neil", "Priya Patel")
_STREETS = ("Main St", "Oak Avenue", "Rue de la Paix", "Bahnhofstraße", "Calle Mayor", "2nd Street", "Elm Road")
_CITIES = ("Springfield", "Portland", "Paris", "Zürich", "Madrid", "New York", "Austin")
_PRODUCTS = ("Kettle", "Tea pot, blue", "Mug", "Large cast-iron pan", "Chair", "Desk lamp (LED)")
_PIECES = (1, 1, 1, 2, 2, 3, 4, 6)

# fmt: off
_FAULTS = [
    ("order_id", ""), ("customer_id", "x" * 65), ("customer_email", "ada"), ("ordered_at", "2026-01-31 24:00:00"),
    ("ordered_at", "2026-02-01 11:00:00"), ("expected_delivery_date", "2020-01-01"), ("status", "lost"), ("items", "[]"),
    ("items", '[{"product_id":"P-1","quantity":0,"unit_price":1}]'), ("items", '[{"product_id":"P-1"'),
    ("currency", "eur"), ("order_total", "1,000.00"), ("payment_status", "x"),
    ("last_update_timestamp", "2062-01-01 10:00:00"),
]
# fmt: on


def _price(rng: random.Random, most: int) -> str:
    return f"{rng.randrange(1, most)}.{rng.randrange(100):02}"


def _item(rng: random.Random) -> str:
    product = rng.choice(_PRODUCTS)
    return (
        f'{{"product_id": "P-{rng.randrange(9999)}", "product_name": "{product}", "quantity": {rng.randrange(1, 9)}, '
        f'"unit_price": {_price(rng, 300)}}}'
    )


def _address(rng: random.Random) -> str:
    gap = ", " if rng.random() < 0.3 else " "
    return f"{rng.randrange(1, 999)} {rng.choice(_STREETS)}{gap}{rng.choice(_CITIES)}"


def _realistic(rng: random.Random) -> dict[str, str]:
    ordered = _LAST - timedelta(seconds=rng.randrange(90 * 86400))
    updated = min(ordered + timedelta(seconds=int(rng.random() ** 3 * 14 * 86400)), _LAST)
    name, address = rng.choice(_NAMES), _address(rng)
    texts = {
        "order_id": "ORD-000000000",
        "customer_id": f"C-{rng.randrange(10**6):06}",
        "customer_name": name,
        "customer_email": f"{name.split()[0].encode('ascii', 'ignore').decode().lower()}{rng.randrange(999)}@example.com",
        "customer_address": address,
        "ordered_at": str(ordered),
        "status": rng.choice(("pending", "processing", "shipped", "delivered", "canceled")),
        "items": f"[{', '.join(_item(rng) for _ in range(rng.choice(_PIECES)))}]",
        "currency": rng.choice(("EUR", "USD")),
        "order_total": _price(rng, 2000),
        "shipping_method": rng.choice(("standard", "express", "")),
        "shipping_address": address if rng.random() < 0.8 else "",
        "expected_delivery_date": str((ordered + timedelta(days=5)).date()) if rng.random() < 0.9 else "",
        "payment_method": rng.choice(("card", "paypal", "invoice")),
        "payment_status": rng.choice(("pending", "authorized", "paid", "failed", "refunded")),
        "transaction_id": f"TX-{rng.randrange(10**12):012}" if rng.random() < 0.8 else "",
        "last_update_timestamp": str(updated),
    }
    return {column: texts[column] for column in CUSTOMER_ORDERS.column_names}


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _written(texts: dict[str, str]) -> Row:
    return [_quoted(text) if set(text) & set(',"\n') else text for text in texts.values()]


def _spoilt(rng: random.Random) -> Row:
    """One rule broken, each kind in turn."""
    return _written(_realistic(rng) | dict([rng.choice(_FAULTS)]))


def _with_address(rng: random.Random, raw: str) -> Row:
    """``raw`` is written as it is, with the address in it."""
    texts = _realistic(rng)
    row = _written(texts)
    place = CUSTOMER_ORDERS.position("customer_address")
    return [*row[:place], raw.format(texts["customer_address"].replace(",", "")), *row[place + 1 :]]


KINDS: dict[str, Callable[[random.Random, int], Row]] = {
    "clean": lambda rng, _: _written(_realistic(rng)),
    "0.1 % bad rows": lambda rng, n: _spoilt(rng) if n % 1000 == 500 else _written(_realistic(rng)),
    "every row bad": lambda rng, _: _spoilt(rng),
    "every field quoted": lambda rng, _: [_quoted(text) for text in _realistic(rng).values()],
    "a line break in every address": lambda rng, _: _with_address(rng, '"{}\nFloor 2"'),
    "stray quotes everywhere": lambda rng, _: _with_address(rng, 'The "{}"'),
    "all of that at once": lambda rng, _: [
        *[_quoted(text) for text in _realistic(rng).values()][:-2],
        '"Floor\n2" up',
        '"soon"',
    ],
    "every tenth row with a date out of order": lambda rng, n: _written(
        _realistic(rng) | ({"expected_delivery_date": "2020-01-01"} if n % 11 == 10 else {})
    ),
}
