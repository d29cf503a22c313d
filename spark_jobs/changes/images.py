"""The change feed as images of rows, in an order in which the driver can pair them with bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from spark_jobs.contract.column_types import Column, Number
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.record_lists import Records
from spark_jobs.store.tables import quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

IMAGES_AT_ONCE = 100_000
"""So many images make one partition, and the driver holds one partition at a time."""
REMOVED = ("update_preimage", "delete")


class Image(NamedTuple):
    """A row as one commit removed or added it. ``at``: the commit's time in microseconds since 1970. ``key`` and
    ``content`` (all of the feed's columns) are JSON; equal values have equal texts."""

    version: int
    at: int
    key: str
    removed: bool
    content: str
    file_id: str | None
    row_number: int | None


def with_images(rows: DataFrame, feed: Feed) -> DataFrame:
    """Rows of the change feed (or of the table, with its three columns added), with the columns of `Image` as ``_image``.
    The key's own columns stay, for joins."""
    from pyspark.sql import functions as F

    known = set(rows.columns)
    content = ", ".join(_value(column, column.name in known) for column in feed.columns)
    key = ", ".join(_value(feed.column(name), True) for name in feed.key)
    written = "map('ignoreNullFields', 'false', 'timeZone', 'UTC', 'timestampFormat', \"yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'\")"
    image = (
        F.col("_commit_version").alias("version"),
        F.unix_micros("_commit_timestamp").alias("at"),
        F.expr(f"to_json(struct({key}), {written})").alias("key"),
        F.col("_change_type").isin(*REMOVED).alias("removed"),
        F.expr(f"to_json(struct({content}), {written})").alias("content"),
        F.col("file_id"),
        F.col("row_number"),
    )
    return rows.select(*map(quoted, feed.key), F.struct(*image).alias("_image"))


def _value(column: Column, known: bool) -> str:
    """A column as the messages have it: decimals as texts, because most readers of JSON make floats of numbers."""
    name = quoted(column.name)
    if not known:
        return f"CAST(NULL AS {column.type.sql}) AS {name}"  # a table that an earlier version created
    match column.type:
        case Number():
            return f"CAST({name} AS STRING) AS {name}"
        case Records(fields):
            types = (f"{quoted(f.name)}: {'STRING' if isinstance(f.type, Number) else f.type.sql}" for f in fields)
            return f"CAST({name} AS ARRAY<STRUCT<{', '.join(types)}>>) AS {name}"
    return name


def in_order(images: DataFrame) -> Iterator[Image]:
    """The images of one row one after the other, by version. Rows of many partitions come partition by partition."""
    from pyspark.sql import functions as F

    partitions = -(-images.count() // IMAGES_AT_ONCE)
    if not partitions:
        return
    key = F.col("_image.key")
    # Without a shuffle where there is little: planning and starting its tasks would take longer than reading the rows.
    spread = images.coalesce(1) if partitions == 1 else images.repartition(partitions, key)
    ordered = spread.select("_image.*").sortWithinPartitions("version", "key")
    for row in ordered.toLocalIterator():
        yield Image(*row)
