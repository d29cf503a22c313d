"""The demo's files: several days of a parcel service, identical on every machine, with the problems of real life."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

from infra.local.demo.expected import COLUMNS

LIFECYCLE = ("order placed", "pending", "processing", "shipped", "in transit", "delivered")
STREETS = ("Main St", "Zimmerstraße", "Rue de l'Église", "Østergade", "Calle Mayor", "桜通り", "Elm Ave", "ul. Długa")
TOWNS = ("Springfield", "Köln", "Besançon", "Århus", "Logroño", "名古屋", "Łódź")
FIRST_DAY = date(2026, 1, 5)
SPREADSHEET = b"PK\x03\x04\x14\x00\x06\x00[Content_Types].xml"
SEED = 20260105


@dataclass(frozen=True)
class Upload:
    """One upload. ``expected``: its outcome, None if that depends on timing. ``events``: how often its event is sent."""

    name: str
    content: bytes
    about: str
    expected: Literal["merged", "rejected"] | None = "merged"
    events: int = 1


@dataclass(frozen=True)
class Parcel:
    """One row in the sending system, last updated at ``at`` (UTC)."""

    order: str
    tracking: str
    received: date | None
    delivered: date | None
    status: str
    address: str
    at: datetime


def waves(new_a_day: int = 2500) -> list[list[Upload]]:
    """Two waves of uploads; the second starts when the first is merged. About 6 * ``new_a_day`` rows in total."""
    rng = random.Random(SEED)  # noqa: S311 - made-up parcels, the same every time
    days = _days(rng, new_a_day, 5)
    monday, tuesday, wednesday, thursday, friday = (rows for _, rows in days)
    names = [f"order_tracking_{day:%Y_%m_%d}.csv" for day, _ in days]
    header = b"order_num,tracking_no,pck_recieved_date,package_deliver_date,state,address,last_update_timestamp\n"
    thursday_bytes = _csv(thursday, COLUMNS)
    first = [
        Upload(names[0], _csv(monday[: len(monday) // 2], COLUMNS), "half of Monday, overwritten", None),
        Upload(names[0], _csv(monday, COLUMNS), "Monday, complete"),
        Upload(names[2], _csv(wednesday, COLUMNS), "Wednesday, with its event sent three times", events=3),
        Upload(names[3], header + thursday_bytes.partition(b"\n")[2], "Thursday with a broken header", "rejected"),
        Upload(names[4], SPREADSHEET + rng.randbytes(40_000), "a renamed spreadsheet", "rejected"),
    ]
    reordered = (*reversed(COLUMNS[1:]), COLUMNS[0])
    second = [
        Upload(names[1], _csv(tuesday, reordered, "\r\n"), "Tuesday, a day late; CRLF"),
        Upload(names[2], _csv(_corrected(rng, wednesday), COLUMNS), "Wednesday again, corrected"),
        Upload(names[3], thursday_bytes, "Thursday, fixed"),
        Upload(names[4], _csv(friday, COLUMNS, spoil=_spoiler(rng)), "Friday, one row in twenty bad"),
    ]
    return [first, second]


def _days(rng: random.Random, new_a_day: int, count: int) -> list[tuple[date, list[Parcel]]]:
    """On each day, some parcels advance in their lifecycle and new ones arrive."""
    under_way: list[Parcel] = []
    days = []
    for number in range(count):
        day = FIRST_DAY + timedelta(days=number)
        moving = rng.sample(under_way, min(len(under_way), new_a_day // 2))
        updates = [_advanced(rng, parcel, day) for parcel in moving]
        arrivals = [_new(rng, day, number * new_a_day + i) for i in range(new_a_day)]
        latest = {parcel.tracking: parcel for parcel in under_way + updates + arrivals}
        under_way = [parcel for parcel in latest.values() if parcel.status not in ("delivered", "canceled")]
        rows = updates + arrivals
        rng.shuffle(rows)
        days.append((day, rows))
    return days


def _new(rng: random.Random, day: date, number: int) -> Parcel:
    address = f"{rng.randint(1, 400)} {rng.choice(STREETS)}, {rng.choice(TOWNS)}"
    if number % 97 == 0:
        address = address.replace(", ", '\nc/o "Smith & Sons"\n')  # a quoted field with line breaks
    return Parcel(
        order=f"ORD-{number // 2:07d}",
        tracking=f"TRK{number:09d}",
        received=day if rng.random() < 0.8 else None,
        delivered=None,
        status=rng.choice(LIFECYCLE[:3]),
        address=address if number % 50 else "",
        at=_moment(rng, day),
    )


def _advanced(rng: random.Random, parcel: Parcel, day: date) -> Parcel:
    if rng.random() < 0.03:
        return replace(parcel, status="canceled", at=_moment(rng, day))
    steps = rng.choice((1, 1, 2))
    status = LIFECYCLE[min(LIFECYCLE.index(parcel.status) + steps, len(LIFECYCLE) - 1)]
    return replace(
        parcel,
        received=parcel.received or day,
        delivered=day if status == "delivered" else None,
        status=status,
        at=_moment(rng, day),
    )


def _moment(rng: random.Random, day: date) -> datetime:
    return datetime(day.year, day.month, day.day) + timedelta(seconds=rng.randrange(6 * 3600, 22 * 3600))  # noqa: DTZ001


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


Spoil = Callable[[int, dict[str, str]], dict[str, str]]


def _spoiler(rng: random.Random) -> Spoil:
    """Make about every twentieth row invalid, in alternating ways."""
    ways: list[dict[str, str]] = [
        {"status": "on its way"},
        {"tracking_num": ""},
        {"pck_recieved_date": "2026-02-30"},
        {"pck_recieved_date": "2026-01-09", "package_deliver_date": "2026-01-02"},
        {"last_update_timestamp": "2062-01-09 10:00:00"},
        {"last_update_timestamp": "09.01.2026 10:00"},
        {"order_num": "x" * 65},
    ]

    def spoil(number: int, row: dict[str, str]) -> dict[str, str]:
        return row | ways[number % len(ways)] if rng.random() < 0.05 else row

    return spoil


def _csv(rows: Sequence[Parcel], columns: Sequence[str], end: str = "\n", spoil: Spoil = lambda _, row: row) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator=end)
    writer.writeheader()
    writer.writerows(spoil(number, _fields(number, parcel)) for number, parcel in enumerate(rows))
    return text.getvalue().encode()


def _fields(number: int, parcel: Parcel) -> dict[str, str]:
    """The fields in the different spellings that senders use."""
    spellings = (str.upper, str, str, str.title, lambda status: status.replace(" ", "_"))
    stamps = (
        f"{parcel.at}",
        f"{parcel.at:%Y-%m-%dT%H:%M:%S}Z",
        f"{parcel.at + timedelta(hours=1)}+01:00",
        f"{parcel.at}.25",
    )
    return {
        "order_num": parcel.order,
        "tracking_num": parcel.tracking,
        "pck_recieved_date": str(parcel.received or ""),
        "package_deliver_date": str(parcel.delivered or ""),
        "status": spellings[number % len(spellings)](parcel.status),
        "address": parcel.address,
        "last_update_timestamp": stamps[number % len(stamps)],
    }
