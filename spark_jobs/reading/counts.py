"""Counts of each file's rows in a batch: by Spark over the stage, or in Arrow (small batches)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from spark_jobs.batches import Counts, FileCounts
from spark_jobs.contract.feeds import Feed
from spark_jobs.contract.file_ids import FileId
from spark_jobs.reading.staged_rows import WHOLE_FILE_ROW

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql import DataFrame


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
            F.min(F.when(~bad, F.col(feed.key))).alias("lowest"),
            F.max(F.when(~bad, F.col(feed.key))).alias("highest"),
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
    return Counts(files, _range(key for key in pc.min_max(rows.column(feed.key)).as_py().values() if key is not None))


def _range(keys: Iterable[str]) -> tuple[str, str] | None:
    listed = list(keys)
    return (min(listed), max(listed)) if listed else None
