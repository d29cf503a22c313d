"""Bytes in the bucket -> one DataFrame of typed good rows and judged bad ones, with exact row numbers and no shuffle
where records are lines. DataFrame -> DataFrame, but for the survey that it needs first.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pyspark.sql import functions as F

from spark_jobs.contract.feeds import Feed
from spark_jobs.contract.file_ids import FileId
from spark_jobs.reading.plain_lines import PlainLine, header_code, line_text, positions_of
from spark_jobs.reading.row_validation import files_validator, lines_validator
from spark_jobs.reading.staged_rows import VIOLATIONS_TYPE, staged_ddl

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Row, SparkSession

BOM = "\ufeff"
OTHER_ORDERS = 2
"""So many orders of columns other than the feed's own are parsed in parallel; each costs a pass of its own."""
_PARTITION_BITS = 33  # of monotonically_increasing_id: partition number above, row in the partition below


@dataclass(frozen=True)
class Source:
    """One file to parse. ``latest`` (aware) is the greatest timestamp allowed. ``lines``: every record is one line, as
    far as is known."""

    file: FileId
    path: str
    latest: datetime
    lines: bool


@dataclass(frozen=True)
class Parsed:
    """``rows`` has the feed's columns, file_id, row_number, raw_line, violations. ``counted`` holds the number of rows
    that the survey saw in each file whose lines were parsed in parallel: staging compares."""

    rows: DataFrame
    counted: Mapping[FileId, int]


def parse(spark: SparkSession, feed: Feed, sources: Sequence[Source]) -> Parsed:
    """Parse files, each in the way it allows. Runs the survey; the rest is lazy."""
    groups = _groups(spark, feed, [source for source in sources if source.lines])
    in_lines = {source.file for group in groups for source in group.sources}
    parts = [_parse_lines(spark, feed, group) for group in groups]
    if whole := [source for source in sources if source.file not in in_lines]:
        parts.append(_parse_whole(spark, feed, whole))
    counted = {source.file: group.found[source.file].rows for group in groups for source in group.sources}
    return Parsed(reduce(lambda one, other: one.unionByName(other), parts), counted)


@dataclass(frozen=True)
class _Group:
    """Files whose columns stand in the same order. ``lines`` is what the survey read: blocks and ids depend on it."""

    positions: tuple[int, ...]
    sources: Sequence[Source]
    lines: DataFrame
    found: Mapping[FileId, Surveyed]


def _groups(spark: SparkSession, feed: Feed, sources: Sequence[Source]) -> list[_Group]:
    """Files in the feed's own order of columns, and those in the commonest other ones; the rest is left out."""
    if not sources:
        return []
    usual = canonical(feed)
    lines = read_lines(spark, [source.path for source in sources])
    found = survey(lines, feed, sources, usual)
    by_order: dict[tuple[int, ...], list[Source]] = defaultdict(list)
    for source in sources:
        if source.file in found:
            by_order[positions_of(feed, found[source.file].header_code)].append(source)
    groups = [_Group(usual, by_order.pop(usual), lines, found)] if usual in by_order else []
    others = sorted(by_order.items(), key=lambda item: -sum(found[source.file].rows for source in item[1]))
    for positions, group in others[:OTHER_ORDERS]:
        # Their columns stand elsewhere, so what is plain in them has to be looked at again.
        lines = read_lines(spark, [source.path for source in group])
        again = survey(lines, feed, group, positions)
        groups.append(_Group(positions, [source for source in group if source.file in again], lines, again))
    return [group for group in groups if group.sources]


def canonical(feed: Feed) -> tuple[int, ...]:
    """The header in the feed's own order."""
    return tuple(range(len(feed.columns)))


@dataclass(frozen=True)
class Block:
    """A stretch of a file that one task reads. ``first_id`` is what monotonically_increasing_id gives to its first line
    that isn't empty, once empty lines are filtered out; ``row`` is that line's row number (0: the header)."""

    path: str
    start: int
    first_id: int
    row: int


@dataclass(frozen=True)
class Surveyed:
    """What one pass found in a file whose records are lines."""

    header_code: int
    rows: int
    doubtful: int
    blocks: tuple[Block, ...]


def read_lines(spark: SparkSession, paths: Sequence[str]) -> DataFrame:
    """value (with its CR, if it has one), path, block. Only LF ends a line here."""
    reader = spark.read.option("lineSep", "\n").option("recursiveFileLookup", "true")
    return reader.text(list(paths)).select(
        "value",
        F.col("_metadata.file_path").alias("path"),
        F.col("_metadata.file_block_start").alias("block"),
    )


def survey(lines: DataFrame, feed: Feed, sources: Sequence[Source], positions: Sequence[int]) -> dict[FileId, Surveyed]:
    """One cheap pass: lines per block, where the header is and which, and how many lines aren't plain.

    Files without a plain header as their first line that isn't empty are left out: they are parsed the other way.
    """
    return _read_survey(_survey_frame(lines, feed, positions).collect(), sources)


def _survey_frame(lines: DataFrame, feed: Feed, positions: Sequence[int]) -> DataFrame:
    line = F.col("line")
    plain = PlainLine(feed, positions, line)
    stamp = plain.typed(feed.columns[feed.position(feed.newest_by[0])])
    numbered = (
        lines.withColumn("id", F.monotonically_increasing_id())
        .withColumn("line", line_text(F.col("value")))
        .withColumn("there", line != "")
        .withColumn("bom", F.startswith(line, F.lit(BOM)))
        .withColumn("header", header_code(feed, F.when(F.col("bom"), F.expr("substring(line, 2)")).otherwise(line)))
        .withColumn("plain", plain.is_plain())
        .withColumn("stamp", F.when(F.col("plain"), F.unix_micros(stamp)))
    )
    header = F.col("header").isNotNull()
    return numbered.groupBy("path", "block").agg(
        F.min("id").alias("first_id"),
        F.count_if("there").alias("there"),
        F.min(F.when(F.col("there"), F.col("id"))).alias("first_there"),
        F.count_if(F.col("there") & ~F.col("plain") & ~header).alias("doubtful"),
        F.count_if(header).alias("headers"),
        F.min(F.when(header, F.col("id"))).alias("header_id"),
        F.max("header").alias("header_code"),
        F.count_if(header & F.col("bom")).alias("header_boms"),
        F.max("stamp").alias("last_stamp"),
    )


def _read_survey(rows: Iterable[Row], sources: Sequence[Source]) -> dict[FileId, Surveyed]:
    by_place = {_place(source.path): source for source in sources}
    first_ids = _ids_without_empty_lines(rows)
    blocks: dict[FileId, list[Row]] = defaultdict(list)
    for row in rows:
        blocks[by_place[_place(row["path"])].file].append(row)
    found = {}
    for source in sources:
        mine = sorted(blocks.get(source.file, ()), key=lambda row: row["block"])
        head = next((row for row in mine if row["there"]), None)
        if head is None or not _begins_with_header(mine, head):
            continue
        row_number, placed = 0, []
        for row in mine:
            placed.append(Block(row["path"], row["block"], first_ids[row["path"], row["block"]], row_number))
            row_number += row["there"]
        late = sum(
            1 for row in mine if row["last_stamp"] is not None and row["last_stamp"] > source.latest.timestamp() * 1e6 - 2
        )
        doubtful = sum(row["doubtful"] for row in mine) + late
        found[source.file] = Surveyed(head["header_code"], row_number - 1, doubtful, tuple(placed))
    return found


def _begins_with_header(blocks: Sequence[Row], head: Row) -> bool:
    """Exactly one line of the file looks like its header, and it is the first that isn't empty (a BOM: the very first)."""
    only_one = sum(row["headers"] for row in blocks) == 1 and head["header_id"] == head["first_there"]
    at_start = head["block"] == 0 and head["first_there"] == head["first_id"]
    return bool(only_one and (at_start or not head["header_boms"]))


def _ids_without_empty_lines(rows: Iterable[Row]) -> dict[tuple[str, int], int]:
    """The id that a block's first line has when empty lines are filtered out before ids are given."""
    partitions: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        partitions[row["first_id"] >> _PARTITION_BITS].append(row)
    ids = {}
    for partition, members in partitions.items():
        at = partition << _PARTITION_BITS
        for row in sorted(members, key=lambda row: row["first_id"]):
            ids[row["path"], row["block"]] = at
            at += row["there"]
    return ids


def _place(path: str) -> str:
    """A path as we give it and as Spark tells it, brought to one form: file:///a%20b, dbfs:/Volumes/…, gs://bucket/…"""
    scheme = re.match(r"[a-z][a-z0-9+.-]*:/", path)
    return re.sub(r"^[a-z][a-z0-9+.-]*:/+", "/", unquote(path)) if scheme else path


def _parse_lines(spark: SparkSession, feed: Feed, group: _Group) -> DataFrame:
    placed = [
        (block.path, block.start, str(source.file), block.first_id - block.row, source.latest)
        for source in group.sources
        for block in group.found[source.file].blocks
    ]
    schema = "path STRING, block BIGINT, file_id STRING, id_of_header BIGINT, latest TIMESTAMP"
    numbered = (
        group.lines.withColumn("line", line_text(F.col("value")))
        .where(F.col("line") != "")
        .withColumn("id", F.monotonically_increasing_id())
        .join(F.broadcast(spark.createDataFrame(placed, schema)), ["path", "block"])
        .withColumn("row_number", F.col("id") - F.col("id_of_header"))
        .where(F.col("row_number") > 0)
    )
    plain = PlainLine(feed, group.positions, F.col("line"))
    if not any(group.found[source.file].doubtful for source in group.sources):
        return _typed(numbered, feed, plain)
    stamp = plain.typed(feed.columns[feed.position(feed.newest_by[0])])
    judged = numbered.withColumn("plain", plain.is_plain() & F.coalesce(stamp <= F.col("latest"), F.lit(False)))
    doubtful = judged.where(~F.col("plain")).select("file_id", "row_number", F.col("value").cast("binary").alias("value"))
    latest = {str(source.file): source.latest for source in group.sources}
    by_python = doubtful.mapInArrow(lines_validator(feed, group.positions, latest), staged_ddl(feed))
    return _typed(judged.where("plain"), feed, plain).unionByName(by_python)


def _typed(lines: DataFrame, feed: Feed, plain: PlainLine) -> DataFrame:
    typed = [plain.typed(column).alias(column.name) for column in feed.columns]
    nothing = [F.lit(None).cast("string").alias("raw_line"), F.lit(None).cast(VIOLATIONS_TYPE).alias("violations")]
    return lines.select(*typed, "file_id", "row_number", *nothing)


def _parse_whole(spark: SparkSession, feed: Feed, sources: Sequence[Source]) -> DataFrame:
    """Every file's lines, in order, in one task: a record may take several lines there, and memory stays flat."""
    lines = read_lines(spark, [source.path for source in sources]).withColumn("id", F.monotonically_increasing_id())
    layout = spark.createDataFrame([(_place(s.path), str(s.file)) for s in sources], "place STRING, file_id STRING")
    named = lines.withColumn("place", _place_column(F.col("path"))).join(F.broadcast(layout), "place")
    ordered = (
        named.select("file_id", "block", F.col("id").alias("row_number"), F.col("value").cast("binary").alias("value"))
        .repartition("file_id")
        .sortWithinPartitions("file_id", "block", "row_number")
        .select("file_id", "row_number", "value")
    )
    latest = {str(source.file): source.latest for source in sources}
    return ordered.mapInArrow(files_validator(feed, latest), staged_ddl(feed))


def _place_column(path: Column) -> Column:
    """``_place`` in Spark. A plus in a name is not a blank here, as it is in forms."""
    decoded = F.url_decode(F.regexp_replace(path, r"\+", "%2B"))
    return F.regexp_replace(decoded, r"^[a-z][a-z0-9+.-]*:/+", "/")
