"""Which staged row is the newest of its key, and which rows tie with a different one; in Spark, or in Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spark_jobs.contract.feeds import Feed
from spark_jobs.contract.rows import precedence
from spark_jobs.reading.staged_rows import StagedRow

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql import DataFrame


def flag(rows: DataFrame, feed: Feed) -> DataFrame:
    """Add ``newest`` (of several rows with equal content: one) and ``tied`` (shares key and timestamp with a row of
    other content). Neither is null; bad rows are neither.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    good = F.col("violations").isNull()
    # Bad rows have no key. Each is a group of its own; otherwise one task would get all of them.
    group = F.coalesce(feed.key, F.concat_ws("#", "file_id", "row_number"))
    order = [F.expr(sql).desc_nulls_last() for sql in rank_columns(feed)]
    by_age = Window.partitionBy("staged_key").orderBy(*order, F.desc("file_id"), F.desc("row_number"))
    same_moment = Window.partitionBy("staged_key", feed.newest_by[0])
    # The hash skips nulls. Without the null flags, (x, null) and (null, x) would be the same content.
    content = F.xxhash64(*feed.newest_by, *(F.isnull(name) for name in feed.newest_by))
    return (
        rows.withColumn("staged_key", group)
        .withColumn("newest", (F.row_number().over(by_age) == 1) & good)
        .withColumn("tied", (F.min(content).over(same_moment) != F.max(content).over(same_moment)) & good)
        .drop("staged_key")
    )


def flag_table(rows: pyarrow.Table, feed: Feed) -> pyarrow.Table:
    """The same as ``flag``, for rows in Arrow. Only rows whose key occurs more than once are compared one by one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = rows.column(feed.key)  # null where a row is bad
    newest, tied = pc.is_valid(keys).to_pylist(), [False] * len(rows)
    found = pc.value_counts(keys.drop_null())
    repeated = found.field("values").filter(pc.greater(found.field("counts"), 1))
    if len(repeated):
        at = pc.indices_nonzero(pc.is_in(keys, repeated))
        columns = (rows.column(name).take(at).to_pylist() for name in ("file_id", "row_number", *feed.column_names))
        among = [(file_id, number, values, None, None) for file_id, number, *values in zip(*columns, strict=True)]
        for place, (new, tie) in zip(at.to_pylist(), flags(among, feed), strict=True):
            newest[place], tied[place] = new, tie
    for name, flagged in (("newest", newest), ("tied", tied)):
        rows = rows.append_column(name, pa.array(flagged, pa.bool_()))
    return rows


def flags(rows: Sequence[StagedRow], feed: Feed) -> list[tuple[bool, bool]]:
    """(newest, tied) of each row, as ``flag`` gives them."""
    key, moment = feed.position(feed.key), feed.position(feed.newest_by[0])
    best: dict[Any, int] = {}
    contents: dict[tuple[Any, Any], Sequence[Any]] = {}
    tied: set[tuple[Any, Any]] = set()

    def age(at: int) -> tuple[Any, ...]:
        file_id, number, values, *_ = rows[at]
        return precedence(feed, values or ()), file_id, number

    for at, (_, _, values, _, _) in enumerate(rows):
        if values is None:
            continue
        held = best.setdefault(values[key], at)
        if held != at and age(at) > age(held):  # compared only for the few keys that occur twice
            best[values[key]] = at
        same = (values[key], values[moment])
        if contents.setdefault(same, values) != values:
            tied.add(same)
    newest = set(best.values())
    return [
        (at in newest, values is not None and (values[key], values[moment]) in tied)
        for at, (_, _, values, _, _) in enumerate(rows)
    ]


def rank_columns(feed: Feed, prefix: str = "") -> list[str]:
    """SQL for the columns that newest-wins compares; a status is compared by its rank."""
    statuses = ", ".join(f"'{status}'" for status in feed.statuses)
    columns = []
    for name in feed.newest_by:
        column = f"{prefix}`{name}`"
        if feed.columns[feed.position(name)].kind == "status":
            column = f"array_position(array({statuses}), {column})"
        columns.append(column)
    return columns
