"""Large batches: Spark reads the files, its Python workers validate the lines, and the driver only reads the headers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_jobs.cloud.ports import FileStore
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.file_ids import FileId
from spark_jobs.reading.columns import FileLayout
from spark_jobs.reading.headers import Header, read_headers
from spark_jobs.reading.lines import LineFile, parse_lines, place, place_column, read_lines
from spark_jobs.reading.staged_rows import WHOLE_FILE_ROW, as_arrow, files_validator, staged_ddl

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Source:
    """One file to parse. ``latest`` (aware) is the greatest timestamp allowed. ``lines``: every record is one
    line, as far as is known."""

    file: FileId
    path: str
    latest: datetime
    lines: bool


@dataclass(frozen=True)
class Parsed:
    """``rows`` are staged rows. ``counted``: how many rows a first pass saw in each file that is read as lines, for
    staging to compare."""

    rows: DataFrame
    counted: Mapping[FileId, int]


def parse(spark: SparkSession, feed: Feed, sources: Sequence[Source], store: FileStore) -> Parsed:
    """Reads the headers and counts lines; the rest is lazy. Raises FileGone, TransientError and LookupError."""
    headers = read_headers(store, feed, [source.file for source in sources])
    lines: list[LineFile] = []
    whole: list[Source] = []
    rejected: dict[FileId, Header] = {}
    for source in sources:
        header = headers[source.file]
        if header and header.violations:
            rejected[source.file] = header
        elif header and source.lines:
            lines.append(LineFile(source.path, FileLayout(str(source.file), header.positions, source.latest)))
        else:
            whole.append(source)
    parts: list[DataFrame] = []
    counted: Mapping[str, int] = {}
    if lines:
        frame, counted = parse_lines(spark, feed, lines)
        parts.append(frame)
    if whole:
        parts.append(_parse_whole(spark, feed, whole))
    if rejected:
        parts.append(_violations(spark, feed, rejected))
    return Parsed(
        reduce(lambda one, other: one.unionByName(other), parts), {FileId.parse(f): n for f, n in counted.items()}
    )


def _violations(spark: SparkSession, feed: Feed, headers: Mapping[FileId, Header]) -> DataFrame:
    """Violations of whole files, as staged rows."""
    import pyarrow as pa

    rows = [(str(file), WHOLE_FILE_ROW, None, None, header.violations) for file, header in headers.items()]
    return spark.createDataFrame(pa.Table.from_batches([as_arrow(feed, rows)]), staged_ddl(feed))


def _parse_whole(spark: SparkSession, feed: Feed, sources: Sequence[Source]) -> DataFrame:
    """Every file's lines, in order, in one task: a record may take several lines there, and memory stays flat."""
    lines = read_lines(spark, [source.path for source in sources]).withColumn("id", F.monotonically_increasing_id())
    layout = spark.createDataFrame([(place(s.path), str(s.file)) for s in sources], "place STRING, file_id STRING")
    named = lines.withColumn("place", place_column(F.col("path"))).join(F.broadcast(layout), "place")
    ordered = (
        named.select("file_id", "block", F.col("id").alias("row_number"), F.col("value").cast("binary").alias("value"))
        .repartition("file_id")
        .sortWithinPartitions("file_id", "block", "row_number")
        .select("file_id", "row_number", "value")
    )
    latest = {str(source.file): source.latest for source in sources}
    return ordered.mapInArrow(files_validator(feed, latest), staged_ddl(feed))
