"""Conflicting ties: rows of a file that share key and timestamp with the target's row but differ in content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from itertools import islice
from operator import or_
from typing import TYPE_CHECKING

from spark_jobs.cloud.ports import FileStore
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.file_validation import CheckedRow
from spark_jobs.operator.file_history import Found, good_rows
from spark_jobs.settings import IngestSettings
from spark_jobs.store.tables import Tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_CHUNK_ROWS = 100_000


@dataclass(frozen=True)
class Tie:
    """``row`` of ``file`` shares ``key`` and ``stamp`` (aware) with the target's row, which came from ``kept_row`` of
    ``kept_file`` and differs in another column. Ties that a newer row has resolved since are not listed.
    """

    key: str
    stamp: datetime
    file: str
    row: int
    kept_file: str
    kept_row: int


def find_ties(spark: SparkSession, store: FileStore, settings: IngestSettings, found: Sequence[Found]) -> Iterator[Tie]:
    """The ties of each of these generations, in row order."""
    for one in found:
        rows = good_rows(store, settings.feed, one)
        while chunk := list(islice(rows, _CHUNK_ROWS)):
            yield from sorted(_ties_in(spark, settings, one.file, chunk), key=lambda tie: tie.row)


def _ties_in(spark: SparkSession, settings: IngestSettings, file: FileId, rows: Sequence[CheckedRow]) -> list[Tie]:
    import pyarrow as pa
    from pyspark.sql import functions as F

    from spark_jobs.reading.staged_rows import as_arrow, staged_ddl

    feed = settings.feed
    shared = (feed.key, feed.newest_by[0])
    batch = as_arrow(feed, [(str(file), row.number, row.values, None, None) for row in rows])
    ours = spark.createDataFrame(pa.Table.from_batches([batch]), staged_ddl(feed)).alias("s")
    target = spark.table(Tables.of(settings).target).alias("t")
    same = reduce(lambda one, other: one & other, (F.col(f"t.{name}") == F.col(f"s.{name}") for name in shared))
    differ = (~F.col(f"s.{n}").eqNullSafe(F.col(f"t.{n}")) for n in feed.column_names if n not in shared)
    columns = [*(f"s.{name}" for name in shared), "s.row_number", "t.file_id", "t.row_number"]
    found = target.join(F.broadcast(ours), same & reduce(or_, differ)).select(*columns).collect()
    return [Tie(key, stamp.astimezone(UTC), str(file), row, kept, kept_row) for key, stamp, row, kept, kept_row in found]
