"""What is known of a batch's staged rows: the newest row of each key, ties, and counts per file. Computed by Spark, or for
small batches on the driver.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from spark_jobs.batches import Counts, FileCounts
from spark_jobs.contract.column_types import Column, Enumeration, Integer, Number
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.record_lists import Records
from spark_jobs.contract.rows import precedence
from spark_jobs.reading.staged_rows import WHOLE_FILE_ROW, StagedRow

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
    bad = F.when(~good, F.concat_ws("#", "file_id", "row_number"))
    ranks = [F.expr(sql) for sql in rank_columns(feed)]
    order = [rank.desc_nulls_last() for rank in ranks]
    group = ("staged_key", *feed.key)
    by_age = Window.partitionBy(*group).orderBy(*order, F.desc("file_id"), F.desc("row_number"))
    same_moment = Window.partitionBy(*group, feed.moment)
    # The hash skips nulls. Without the null flags, (x, null) and (null, x) would be the same content.
    content = F.xxhash64(*ranks, *(F.isnull(name) for name in feed.newest_by))
    return (
        rows.withColumn("staged_key", bad)
        .withColumn("newest", (F.row_number().over(by_age) == 1) & good)
        .withColumn("tied", (F.min(content).over(same_moment) != F.max(content).over(same_moment)) & good)
        .drop("staged_key")
    )


def flag_table(rows: pyarrow.Table, feed: Feed) -> pyarrow.Table:
    """The same as ``flag``, for rows in Arrow. Only rows whose key occurs more than once are compared one by one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = _single_keys(rows, feed)
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


def _single_keys(rows: pyarrow.Table, feed: Feed) -> pyarrow.ChunkedArray:
    """Each row's key as one value; null where the row is bad. Keys of several columns as text, each with its length:
    two different keys have different texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(feed.key) == 1:
        return rows.column(feed.key[0])
    parts = []
    for name in feed.key:
        text = rows.column(name).cast(pa.string())
        parts += [pc.utf8_length(text).cast(pa.string()), text]
    return pc.binary_join_element_wise(*parts, ":")


def flags(rows: Sequence[StagedRow], feed: Feed) -> list[tuple[bool, bool]]:
    """(newest, tied) of each row, as ``flag`` gives them."""
    moment = feed.position(feed.moment)
    best: dict[Any, int] = {}
    contents: dict[tuple[Any, Any], Sequence[Any]] = {}
    tied: set[tuple[Any, Any]] = set()

    def key_of(values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(values[position] for position in feed.key_positions)

    def age(at: int) -> tuple[Any, ...]:
        file_id, number, values, *_ = rows[at]
        return precedence(feed, values or ()), file_id, number

    for at, (_, _, values, _, _) in enumerate(rows):
        if values is None:
            continue
        key = key_of(values)
        held = best.setdefault(key, at)
        if held != at and age(at) > age(held):  # compared only for the few keys that occur twice
            best[key] = at
        same = (key, values[moment])
        if contents.setdefault(same, values) != values:
            tied.add(same)
    newest = set(best.values())
    return [
        (at in newest, values is not None and (key_of(values), values[moment]) in tied)
        for at, (_, _, values, _, _) in enumerate(rows)
    ]


def rank_columns(feed: Feed, prefix: str = "") -> list[str]:
    """SQL for the columns that newest-wins compares: the contract's order (`spark_jobs.contract.rows.precedence`)."""
    return [_comparable(feed.column(name), f"{prefix}`{name}`") for name in feed.newest_by]


def _comparable(column: Column, name: str) -> str:
    match column.type:
        case Enumeration(values):
            listed = ", ".join(f"'{value}'" for value in values)
            return f"array_position(array({listed}), {name})"
        case Integer() | Number():
            return f"CAST({name} AS STRING)"
        case Records():
            return f"to_json({name})"  # the contract's canonical text
    return name  # dates and moments compare like their texts


def count_staged(staged: DataFrame, feed: Feed) -> Counts:
    """Count staged rows in Spark."""
    from pyspark.sql import functions as F

    row = F.col("row_number") > WHOLE_FILE_ROW
    bad = F.col("violations").isNotNull()
    found = (
        staged.groupBy("file_id")
        .agg(
            F.count_if(row).alias("rows"),
            F.count_if(row & bad).alias("bad_rows"),
            F.sum("row_number").alias("numbers"),
            F.count_if("tied").alias("ties"),
            F.max(F.when(~row, F.col("violations")[0]["code"])).alias("fault"),
            F.min(F.when(~bad, F.col(feed.key[0]))).alias("lowest"),
            F.max(F.when(~bad, F.col(feed.key[0]))).alias("highest"),
        )
        .collect()
    )
    files = {
        FileId.parse(r["file_id"]): FileCounts(r["rows"], r["bad_rows"], r["numbers"], r["ties"], r["fault"]) for r in found
    }
    return Counts(files, _range(key for r in found for key in (r["lowest"], r["highest"]) if key is not None))


def count_table(rows: pyarrow.Table, feed: Feed) -> Counts:
    """Count the same rows in Arrow, before they are staged."""
    import pyarrow as pa
    import pyarrow.compute as pc

    row = pc.greater(rows.column("row_number"), WHOLE_FILE_ROW)
    whole_files = rows.filter(pc.invert(row)).select(["file_id", "violations"]).to_pylist()
    faults = {staged["file_id"]: staged["violations"][0]["code"] for staged in whole_files}
    bad = pc.and_(row, pc.is_valid(rows.column("violations")))
    numbers = [row.cast(pa.int64()), bad.cast(pa.int64()), rows.column("row_number"), rows.column("tied").cast(pa.int64())]
    names = ["rows", "bad", "numbers", "ties"]
    by_file = pa.table([rows.column("file_id"), *numbers], ["file_id", *names]).group_by("file_id")
    sums = by_file.aggregate([(name, "sum") for name in names]).to_pylist()
    files = {}
    for summed in sums:
        total, broken, row_numbers, ties = (summed[f"{name}_sum"] for name in names)
        files[FileId.parse(summed["file_id"])] = FileCounts(total, broken, row_numbers, ties, faults.get(summed["file_id"]))
    return Counts(files, _range(key for key in pc.min_max(rows.column(feed.key[0])).as_py().values() if key is not None))


def _range(keys: Iterable[Any]) -> tuple[Any, Any] | None:
    listed = list(keys)
    return (min(listed), max(listed)) if listed else None
