"""Check a table against newest-wins computed the simple way: all rows in one heap, the newest row per key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.order_rows import COLUMNS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_TYPES = (
    "order_num STRING, tracking_num STRING, pck_recieved_date DATE, package_deliver_date DATE, status STRING, "
    "address STRING, last_update_timestamp TIMESTAMP"
)


@dataclass(frozen=True)
class Difference:
    """Rows that should be in a table and aren't (a key with a wrong row counts once)."""

    rows: int

    def __str__(self) -> str:
        return f"{self.rows:,} rows wrong" if self.rows else "right"


def differences(spark: SparkSession, table: Path, before: Path, update: Path) -> Difference:
    """Compare a table with the newest rows of what it held and of a clean file whose stamps are all different from it."""
    from pyspark.sql import functions as F

    rows = spark.read.csv(str(update), schema=_TYPES, header=True)
    held = _delta(spark, before)
    touched = held.join(rows.select("tracking_num"), "tracking_num", "left_semi").select(*COLUMNS)
    newest = F.max_by(F.struct(*COLUMNS), "last_update_timestamp").alias("newest")
    expected = touched.unionByName(rows).groupBy("tracking_num").agg(newest).select("newest.*")
    found = _delta(spark, table)
    there = found.join(rows.select("tracking_num"), "tracking_num", "left_semi").select(*COLUMNS)
    untouched = held.count() - touched.count()
    missing = expected.exceptAll(there).count()
    surplus = max(0, found.count() - untouched - expected.count())
    return Difference(missing + surplus)


def _delta(spark: SparkSession, table: Path) -> DataFrame:
    return spark.read.format("delta").load(str(table))
