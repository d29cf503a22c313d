"""Order tracking rows for benchmarks: a target of any size, and update files for it; the same every time."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from spark_jobs.contract.feeds import ORDER_TRACKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

COLUMNS = ORDER_TRACKING.column_names
STATUSES = ("order placed", "pending", "processing", "shipped", "in transit", "delivered", "canceled")
STREETS = ("Oak", "Maple", "Cedar", "Elm", "Pine", "Lake", "Hill", "Main", "Church", "Station", "Park", "Mill")
TOWNS = ("Springfield", "Riverside", "Fairview", "Georgetown", "Salem", "Clinton", "Madison", "Arlington")
ARRIVAL = datetime(2026, 2, 1, 12, tzinfo=UTC)
_YEAR = 365 * 24 * 3600
_TABLE_BEGINS = datetime(2025, 1, 1, tzinfo=UTC)
_UPDATES_BEGIN = datetime(2026, 1, 31, tzinfo=UTC)


@dataclass(frozen=True)
class Pattern:
    """An update file: ``rows`` in all, a share of them ``updates`` of keys from the newest ``reach`` of the table."""

    name: str
    rows: int
    reach: float
    updates: float = 0.7


RECENT = Pattern("recent", 20_000, 0.2)
ANYWHERE = Pattern("anywhere", 200_000, 1.0)


def table_rows(spark: SparkSession, rows: int, files: int) -> DataFrame:
    """The target's seven columns; keys grow with time, and so do the files' ranges of keys."""
    streets = ", ".join(f"'{street}'" for street in STREETS)
    towns = ", ".join(f"'{town}'" for town in TOWNS)
    statuses = ", ".join(f"'{status}'" for status in STATUSES)
    return spark.range(0, rows, 1, files).selectExpr(
        "concat('ORD-', upper(lpad(conv(abs(xxhash64(id, 1)) % 1000000000000, 10, 36), 8, '0'))) AS order_num",
        "concat('TRK', lpad(id, 12, '0')) AS tracking_num",
        f"date_add(DATE'2025-01-01', CAST(id * 365 DIV {rows} AS INT)) AS pck_recieved_date",
        f"date_add(DATE'2025-01-03', CAST(id * 365 DIV {rows} + abs(hash(id, 2)) % 5 AS INT)) AS package_deliver_date",
        f"element_at(array({statuses}), CAST(abs(hash(id, 3)) % 7 AS INT) + 1) AS status",
        f"concat(abs(hash(id, 4)) % 9000, ' ', element_at(array({streets}), CAST(abs(hash(id, 5)) % 12 AS INT) + 1), "
        f"' Street ', abs(hash(id, 6)) % 90000 + 10000, ' ', "
        f"element_at(array({towns}), CAST(abs(hash(id, 7)) % 8 AS INT) + 1)) AS address",
        f"timestamp_seconds({int(_TABLE_BEGINS.timestamp())} + id * {_YEAR} DIV {rows}) AS last_update_timestamp",
    )


def write_updates(path: Path, pattern: Pattern, table: int, seed: int = 1, day: int = 0) -> None:
    """A file in which every row is newer than what the table holds, each key once, in no order; ``day`` of a series."""
    dice = random.Random(seed)
    old = int(pattern.rows * pattern.updates)
    keys = dice.sample(range(table - int(table * pattern.reach), table), old)
    keys += range(table, table + pattern.rows - old)
    dice.shuffle(keys)
    _write(path, keys, dice, lambda: _UPDATES_BEGIN + timedelta(days=day, seconds=dice.randrange(24 * 3600)))


def write_late(path: Path, rows: int, table: int, seed: int = 2) -> None:
    """A file that comes late: every row is older than what the table holds."""
    dice = random.Random(seed)
    keys = dice.sample(range(table), rows)
    _write(path, keys, dice, lambda: _TABLE_BEGINS - timedelta(seconds=1 + dice.randrange(24 * 3600)))


def _write(path: Path, keys: Sequence[int], dice: random.Random, moment: Callable[[], datetime]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(COLUMNS) + "\n")
        file.writelines(_line(key, dice, moment()) for key in keys)


def _line(key: int, dice: random.Random, moment: datetime) -> str:
    day = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=dice.randrange(20))
    fields = (
        f"ORD-{dice.randrange(16**8):08X}",
        f"TRK{key:012d}",
        f"{day:%Y-%m-%d}",
        f"{day + timedelta(days=dice.randrange(1, 9)):%Y-%m-%d}",
        dice.choice(STATUSES),
        f"{dice.randrange(9000)} {dice.choice(STREETS)} Street {dice.randrange(10000, 99999)} {dice.choice(TOWNS)}",
        f"{moment:%Y-%m-%d %H:%M:%S}",
    )
    return ",".join(fields) + "\n"
