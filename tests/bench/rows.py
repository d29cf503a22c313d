"""Realistic order-tracking rows in bulk, and the worst files that we can think of. Deterministic."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

HEADER = "order_num,tracking_num,pck_recieved_date,package_deliver_date,status,address,last_update_timestamp"
POOL = 20_000
_STREETS = (
    "Main St",
    "Oak Avenue",
    "Rue de la Paix",
    "Bahnhofstraße",
    "Calle Mayor",
    "2nd Street",
    "Elm Road",
    "Kungsgatan",
)
_CITIES = ("Springfield", "Portland", "Paris", "Zürich", "Madrid", "New York", "Austin", "Malmö")
_STATUSES = {
    "order placed": 5,
    "pending": 5,
    "processing": 10,
    "shipped": 20,
    "in transit": 25,
    "delivered": 30,
    "canceled": 5,
}
_LAST_DAY = date(2026, 1, 31)

Row = list[str]

# fmt: off
_FAULTS = [
    (0, ""), (1, "x" * 65), (2, "31/01/2026"), (3, "2026-02-30"), (3, "1999-01-01"), (4, "lost"), (5, "a\x00b"),
    (5, '12 "Main" St'), (5, "too,many,fields"), (6, "2026-01-31"), (6, "2062-01-01 10:00:00"), (6, "2026-01-31 24:00:00"),
]
# fmt: on


def realistic(rng: random.Random) -> Row:
    received = _LAST_DAY - timedelta(days=rng.randrange(90))
    (status,) = rng.choices(list(_STATUSES), list(_STATUSES.values()))
    delivered = min(received + timedelta(days=rng.randrange(14)), _LAST_DAY)
    place = rng.randrange(len(_STREETS))
    address = f"{rng.randrange(1, 999)} {_STREETS[place]}"
    address = f'"{address}, {_CITIES[place]}"' if rng.random() < 0.3 else f"{address} {_CITIES[place]}"
    clock = f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}"
    return [
        "ORD-000000000",
        f"1Z{rng.randrange(10**12):014}US",
        "" if rng.random() < 0.1 else str(received),
        str(delivered) if status == "delivered" else "",
        status,
        address,
        f"{delivered if status == 'delivered' else received} {clock}",
    ]


def _spoilt(rng: random.Random, row: Row) -> Row:
    """One rule broken, each kind in turn."""
    place, value = rng.choice(_FAULTS)
    return [*row[:place], value, *row[place + 1 :]]


def _bare(row: Row) -> Row:
    return [field.strip('"') for field in row]


KINDS: dict[str, Callable[[random.Random, int], Row]] = {
    "clean": lambda rng, _: realistic(rng),
    "0.1 % bad rows": lambda rng, n: _spoilt(rng, realistic(rng)) if n % 1000 == 500 else realistic(rng),
    "5 % bad rows": lambda rng, n: _spoilt(rng, realistic(rng)) if n % 20 == 10 else realistic(rng),
    "every row bad": lambda rng, _: _spoilt(rng, realistic(rng)),
    "every field quoted": lambda rng, _: [f'"{field}"' for field in _bare(realistic(rng))],
    "a line break in every address": lambda rng, _: [*(row := _bare(realistic(rng)))[:5], f'"{row[5]}\nFloor 2"', row[6]],
    "stray quotes everywhere": lambda rng, _: [*(row := _bare(realistic(rng)))[:5], f'The "{row[5]}"', row[6]],
    "all of that at once": lambda rng, _: (
        [f'"{field}"' for field in _bare(realistic(rng))[:5]] + ['"Floor\n2" up', '"soon"']
    ),
    "an offset in every timestamp": lambda rng, _: [*(row := realistic(rng))[:6], f"{row[6]}-05:00"],
}


def write(path: Path, megabytes: int, row: Callable[[random.Random, int], Row], header: str) -> None:
    """At least so many MB (10^6 bytes). Order numbers keep counting when the pool of rows repeats."""
    rng = random.Random(7)
    pool = [",".join(row(rng, n)) for n in range(POOL)]
    begun = path.with_suffix(".begun")
    with begun.open("w", encoding="utf-8", newline="") as file:
        file.write(header + "\n")
        first = 0
        while file.tell() < megabytes * 1_000_000:
            numbered = (row.replace("ORD-000000000", f"ORD-{first + n:09}", 1) for n, row in enumerate(pool))
            file.write("\n".join(numbered) + "\n")
            first += POOL
    begun.rename(path)
