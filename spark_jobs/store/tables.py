# ruff: noqa: S608 - identifiers are quoted by `quoted`, texts by `sql_text`; nothing else comes from outside
"""The five tables: their quoted names, their columns, and small helpers to query them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from itertools import pairwise
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spark_jobs.contract.column_types import Text
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.values import Value
from spark_jobs.reading.staged_rows import VIOLATIONS_TYPE
from spark_jobs.settings import Explained, IngestSettings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

FEW_FILES = 100
MAX_CLUSTERING_COLUMNS = 4
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tables:
    """Quoted identifiers, for SQL and for ``spark.table``."""

    target: str
    stage: str
    attempts: str
    rejected_rows: str
    ingest_log: str

    @classmethod
    def of(cls, settings: IngestSettings) -> Tables:
        names = [f"{settings.feed.table_prefix}_{name}" for name in cls.__dataclass_fields__]
        if settings.warehouse:
            folder = settings.warehouse.rstrip("/")
            root = folder if "://" in folder else str(Path(folder).absolute())
            return cls(*(f"delta.{quoted(f'{root}/{name}')}" for name in names))
        return cls(*(f"{quoted(settings.catalog)}.{quoted(settings.schema)}.{quoted(name)}" for name in names))


def quoted(name: str) -> str:
    """One quoted part of an identifier; any characters are safe."""
    return "`" + name.replace("`", "``") + "`"


def sql_text(value: str) -> str:
    """A string literal; any characters are safe, including quotes, backslashes and ``${…}`` (which Spark would expand)."""
    return "'" + "".join(c if c.isascii() and (c.isalnum() or c in " _.-") else _escaped(c) for c in value) + "'"


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def sql_literal(value: Value) -> str:
    """A literal of a value that a key's column can have."""
    if isinstance(value, datetime) or not isinstance(value, (str, int, date)):
        raise TypeError(f"no key has a value of type {type(value).__name__}")
    if isinstance(value, str):
        return sql_text(value)
    return f"DATE'{value}'" if isinstance(value, date) else str(value)


class TableError(Explained):
    """A table is not as it must be; the message says what to do."""


def create_tables(spark: SparkSession, tables: Tables, feed: Feed) -> None:
    """Create missing tables, and add missing columns to existing ones. Raises TableError."""
    for name, columns, more in _definitions(tables, feed):
        existing = _schema(spark, name)
        if existing is None:
            spark.sql(f"CREATE TABLE IF NOT EXISTS {name} ({', '.join(map(_declared, columns))}) USING delta {more}")
        else:
            _add_missing(spark, name, [column for column in columns if column[0] not in existing.names])
    target = spark.table(tables.target).schema
    for name in feed.key:
        if isinstance(feed.column(name).type, Text):
            check_collation(tables.target, name, target[name].dataType.simpleString())


def _schema(spark: SparkSession, table: str) -> StructType | None:
    """None if the table doesn't exist; whatever else is wrong with it, CREATE TABLE says."""
    from pyspark.errors import AnalysisException

    try:
        return spark.table(table).schema
    except AnalysisException:
        return None


def _add_missing(spark: SparkSession, table: str, columns: Sequence[_Column]) -> None:
    """The migration: a table of an earlier version gets the columns that were added since. Older wheels name the columns
    that they write, so they still can."""
    from pyspark.errors import AnalysisException

    if not columns:
        return
    try:
        spark.sql(f"ALTER TABLE {table} ADD COLUMNS ({', '.join(map(_declared, columns))})")
    except AnalysisException:
        if not {name for name, _, _ in columns} <= set(spark.table(table).schema.names):
            raise
        return  # another run was faster
    _log.info("step=migrate table %s has new columns: %s", table, ", ".join(name for name, _, _ in columns))


def _declared(column: _Column) -> str:
    """A schema may have another default collation, under which `a1` and `A1` would be one key."""
    name, sql_type, about = column
    return f"{quoted(name)} {sql_type.replace('STRING', 'STRING COLLATE UTF8_BINARY')} COMMENT {sql_text(about)}"


def check_collation(table: str, column: str, sql_type: str) -> None:
    """Raises TableError where texts of a column are not compared byte by byte."""
    if sql_type != "string":
        raise TableError(
            f"column {column} of {table} is of type {sql_type}: keys that differ would be merged as one; create the table "
            "again with STRING COLLATE UTF8_BINARY"
        )


def current_version(spark: SparkSession, table: str) -> int:
    """The current version of a table."""
    history = spark.sql(f"DESCRIBE HISTORY {table} LIMIT 1").collect()
    if not history:
        raise LookupError(f"table {table} has no history")
    return int(history[0]["version"])


def at_version(spark: SparkSession, table: str, version: int) -> DataFrame:
    """A table as of an earlier version."""
    return spark.sql(f"SELECT * FROM {table} VERSION AS OF {version}")


def of_files(table: DataFrame, files: Iterable[FileId]) -> DataFrame:
    """The rows of a table that belong to these files."""
    from pyspark.sql import functions as F

    wanted = list(files)
    near = near_generations(table, [file.generation for file in wanted])
    if len(wanted) <= FEW_FILES:
        return near.where(F.col("file_id").isin([str(file) for file in wanted]))
    # Spark needs seconds to plan a list of thousands of literals.
    ids = frame_of(table.sparkSession, [(str(file),) for file in wanted], {"file_id": "STRING"})
    return near.join(F.broadcast(ids), "file_id", "left_semi")


MAX_RANGES = 8


def near_generations(table: DataFrame, generations: Sequence[int]) -> DataFrame:
    """The rows near these generations: by these ranges Delta skips most of a long history."""
    from pyspark.sql import functions as F

    near = [F.col("generation").between(low, high) for low, high in generation_ranges(generations)]
    return table.where(reduce(or_, near, F.lit(False)))


def generation_ranges(generations: Iterable[int]) -> list[tuple[int, int]]:
    """At most `MAX_RANGES` ranges that cover all of them, cut at the widest gaps: one file that has waited for a year
    must not make a look-up read the whole year."""
    ordered = sorted(set(generations))
    gaps = sorted(range(1, len(ordered)), key=lambda at: ordered[at - 1] - ordered[at])[: MAX_RANGES - 1]
    bounds = [0, *sorted(gaps), len(ordered)]
    return [(ordered[low], ordered[high - 1]) for low, high in pairwise(bounds) if low < high]


def near_sql(alias: str, generations: Iterable[int]) -> str:
    """`near_generations` as a condition in SQL."""
    ranges = (f"{alias}.generation BETWEEN {low} AND {high}" for low, high in generation_ranges(generations))
    return f"({' OR '.join(ranges)})"


def frame_of(spark: SparkSession, rows: Sequence[tuple[Any, ...]], columns: Mapping[str, str]) -> DataFrame:
    """A DataFrame of at least one row; ``columns``: SQL types by name. With Arrow, a small append takes 0.2 s, not 0.3."""
    import pyarrow as pa

    table = pa.table(dict(zip(columns, map(pa.array, zip(*rows, strict=True)), strict=True)))
    return spark.createDataFrame(table, ", ".join(f"{quoted(name)} {sql_type}" for name, sql_type in columns.items()))


_Column = tuple[str, str, str]

_FILE_COLUMNS: tuple[_Column, ...] = (
    ("file_id", "STRING", "bucket/name#generation"),
    ("generation", "BIGINT", "generation of the object; grows over time, so that look-ups can skip old data"),
)
_PROVENANCE: tuple[_Column, ...] = (
    ("file_id", "STRING", "file that the row came from: bucket/name#generation"),
    ("row_number", "BIGINT", "row number in that file; 1 is the first row after the header"),
    ("batch_id", "STRING", "batch that merged the row"),
)
_BAD_ROW: tuple[_Column, ...] = (
    ("raw_line", "STRING", "the row as text, shortened if it is long"),
    ("violations", VIOLATIONS_TYPE, "the rules that the row breaks"),
)
_FLAGS: tuple[_Column, ...] = (
    ("newest", "BOOLEAN", "whether this is the newest row of its key in the batch"),
    ("tied", "BOOLEAN", "whether a different row in the batch has the same key and timestamp"),
)
_ATTEMPTS: tuple[_Column, ...] = (
    *_FILE_COLUMNS,
    (
        "batch_id",
        "STRING",
        "batch that took the file; or, with the prefix retry-, excused-, unannounced- or announced-, a note",
    ),
    ("target_version", "BIGINT", "version of the target when the file was taken"),
    ("attempted_at", "TIMESTAMP", "when the batch took the file"),
)
_REJECTED_ROWS: tuple[_Column, ...] = (
    *_FILE_COLUMNS,
    ("row_number", "BIGINT", "row number in that file; 1 is the first row after the header"),
    ("batch_id", "STRING", "batch that quarantined the row"),
    *_BAD_ROW,
    ("rejected_at", "TIMESTAMP", "when the row was quarantined"),
)
_INGEST_LOG: tuple[_Column, ...] = (
    *_FILE_COLUMNS,
    ("feed", "STRING", "name of the feed; null in lines of contract version 2 and earlier"),
    ("outcome", "STRING", "merged, rejected or superseded"),
    ("reason", "STRING", "why the file was not merged"),
    ("report", "STRING", "object name of the report, for a rejected file"),
    ("batch_id", "STRING", "batch that processed the file"),
    ("arrived_at", "TIMESTAMP", "when the file arrived"),
    ("logged_at", "TIMESTAMP", "when this line was written"),
    ("attempts", "INT", "number of batches that took the file"),
    ("rows", "BIGINT", "rows after the header; equals inserted + updated + outranked + rejected_rows"),
    ("inserted", "BIGINT", "rows that added a new key to the target"),
    ("updated", "BIGINT", "rows that replaced an older row of the target"),
    ("outranked", "BIGINT", "valid rows that were not the newest of their key"),
    ("rejected_rows", "BIGINT", "rows that break a rule and were quarantined"),
    ("conflicting_ties", "BIGINT", "rows with the same key and timestamp as a different row of the batch"),
    ("marked_rows", "BIGINT", "rows that the function counted; null if it did not finish"),
    ("marked_bad_rows", "BIGINT", "bad rows that the function counted; null if it did not finish"),
    ("balanced", "BOOLEAN", "whether the counts add up and equal the function counts; null if unknown"),
    ("note", "STRING", "anything unusual about this file"),
)


def _definitions(tables: Tables, feed: Feed) -> list[tuple[str, tuple[_Column, ...], str]]:
    typed = tuple((column.name, column.type.sql, column.about or "as in the file") for column in feed.columns)
    # Two MERGEs that insert the same new key must conflict, even on platforms that resolve conflicts per row.
    strict = "'delta.isolationLevel' = 'Serializable'"
    vectors = "'delta.enableDeletionVectors' = 'true'"
    feed_changes = "'delta.enableChangeDataFeed' = 'true'"
    # Collect statistics only for columns that help to skip files: Delta reads them all in every plan, which takes seconds.
    near = "'delta.dataSkippingStatsColumns' = 'generation'"
    keyed = f"'delta.dataSkippingStatsColumns' = '{','.join((*feed.key, feed.moment))}'"
    none = "'delta.dataSkippingNumIndexedCols' = '0'"
    clustered = ", ".join(map(quoted, feed.key[:MAX_CLUSTERING_COLUMNS]))
    target = f"CLUSTER BY ({clustered}) TBLPROPERTIES ({vectors}, {feed_changes}, {strict}, {keyed})"
    return [
        (tables.target, (*typed, *_PROVENANCE), target),
        (tables.stage, (*typed, *_PROVENANCE, *_BAD_ROW, *_FLAGS), f"TBLPROPERTIES ({none})"),
        (tables.attempts, _ATTEMPTS, f"TBLPROPERTIES ({near})"),
        # Mostly appended to, so without deletion vectors, which would make Delta list the files twice in every query.
        (tables.rejected_rows, _REJECTED_ROWS, f"TBLPROPERTIES ({strict}, {near})"),
        (tables.ingest_log, _INGEST_LOG, f"TBLPROPERTIES ({strict}, {near})"),
    ]


ATTEMPTS_COLUMNS = {name: sql_type for name, sql_type, _ in _ATTEMPTS}
INGEST_LOG_COLUMNS = {name: sql_type for name, sql_type, _ in _INGEST_LOG}
