"""Files whose records are lines: Spark reads their blocks in parallel, and every line gets its exact row number.

A first, cheap pass counts the lines of each block. In the second, a line's number is the number of the block's first
line plus its place in the block, which monotonically_increasing_id gives.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from pyspark.sql import functions as F

from spark_jobs.contract.feed import Feed
from spark_jobs.reading.columns import FileLayout, validate_lines
from spark_jobs.reading.staged_rows import Arrow, Validate, staged_ddl

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql import Column, DataFrame, Row, SparkSession


class LineFile(NamedTuple):
    """A file and where Spark reads it."""

    path: str
    layout: FileLayout


class NumberedLines(NamedTuple):
    """``rows``: staged rows. ``counted``: how many rows the first pass saw, by file id."""

    rows: DataFrame
    counted: Mapping[str, int]


class _Block(NamedTuple):
    """The part of a file that one task reads. A line's id minus ``header_id`` is its row number."""

    layout: FileLayout
    header_id: int


def parse_lines(spark: SparkSession, feed: Feed, files: Sequence[LineFile]) -> NumberedLines:
    """Runs the first pass; the rest is lazy. Raises LookupError if Spark doesn't find a file's lines."""
    lines = _numbered(read_lines(spark, [file.path for file in files]))
    # The same frame for both passes: blocks and ids depend on it.
    blocks, counted = _blocks(_count(lines), files)
    columns = lines.select(_block_key().alias("block_key"), "id", F.col("value").cast("binary").alias("value"))
    return NumberedLines(columns.mapInArrow(lines_validator(feed, blocks), staged_ddl(feed)), counted)


def read_lines(spark: SparkSession, paths: Sequence[str]) -> DataFrame:
    """Columns value (with its CR, if it has one), path and block. Only LF ends a line here."""
    reader = spark.read.option("lineSep", "\n").option("recursiveFileLookup", "true")
    return reader.text(list(paths)).select(
        "value",
        F.col("_metadata.file_path").alias("path"),
        F.col("_metadata.file_block_start").alias("block"),
    )


def _numbered(lines: DataFrame) -> DataFrame:
    """Lines that are not empty, with ids that grow by one from each to the next of its block."""
    return lines.where(~F.col("value").isin("", "\r")).withColumn("id", F.monotonically_increasing_id())


def _block_key() -> Column:
    """Eight bytes that are sent to the Python workers with each line, instead of its path."""
    return F.xxhash64("path", "block")


def _count(numbered: DataFrame) -> list[Row]:
    counted = numbered.groupBy("path", "block").agg(F.count("*").alias("lines"), F.min("id").alias("first_id"))
    return counted.withColumn("block_key", _block_key()).collect()


def _blocks(counted: Iterable[Row], files: Sequence[LineFile]) -> tuple[dict[int, _Block], dict[str, int]]:
    """Blocks by key; rows by file id."""
    by_place: dict[str, list[Row]] = defaultdict(list)
    for row in counted:
        by_place[place(row["path"])].append(row)
    blocks: dict[int, _Block] = {}
    rows: dict[str, int] = {}
    for path, layout in files:
        number = 0  # of the header
        for row in sorted(by_place[place(path)], key=lambda row: row["block"]):
            if row["block_key"] in blocks:
                raise LookupError(f"two blocks have the same key, one of them in {path}")
            blocks[row["block_key"]] = _Block(layout, row["first_id"] - number)
            number += row["lines"]
        if not number:
            raise LookupError(f"Spark finds no line in {path}, not even the header")
        rows[layout.file_id] = number - 1
    return blocks, rows


def lines_validator(feed: Feed, blocks: Mapping[int, _Block]) -> Validate:
    """For lines (block_key, id, value: binary). Skips the header of each file and lines of unknown blocks."""

    def validate(batches: Arrow) -> Iterator[pyarrow.RecordBatch]:
        import pyarrow.compute as pc

        for batch in batches:
            keys = batch.column("block_key")
            found = keys.unique().to_pylist()
            for key in found:
                if key in blocks:
                    lines = batch if len(found) == 1 else batch.filter(pc.equal(keys, key))
                    yield from _validate_block(feed, blocks[key], lines)

    return validate


def _validate_block(feed: Feed, block: _Block, lines: pyarrow.RecordBatch) -> list[pyarrow.RecordBatch]:
    import pyarrow.compute as pc

    numbers = pc.subtract(lines.column("id"), block.header_id)
    rows = pc.greater(numbers, 0)
    if rows.true_count < len(numbers):
        numbers, lines = numbers.filter(rows), lines.filter(rows)
    return validate_lines(feed, block.layout, numbers, lines.column("value")) if len(numbers) else []


def place(path: str) -> str:
    """One form for a path, whether the job or Spark wrote it: file:///a%20b, dbfs:/Volumes/…, gs://bucket/…"""
    scheme = re.match(r"[a-z][a-z0-9+.-]*:/", path)
    return re.sub(r"^[a-z][a-z0-9+.-]*:/+", "/", unquote(path)) if scheme else path


def place_column(path: Column) -> Column:
    """``place`` in Spark. A plus in a name is not a blank here, as it is in forms."""
    decoded = F.url_decode(F.regexp_replace(path, r"\+", "%2B"))
    return F.regexp_replace(decoded, r"^[a-z][a-z0-9+.-]*:/+", "/")
