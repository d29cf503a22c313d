"""Staged rows: the result of reading a file, row by row, and their columns in Arrow and in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spark_jobs.contract.feeds import Column, Feed
from spark_jobs.contract.rows import Value
from spark_jobs.contract.violations import Violation

if TYPE_CHECKING:
    import pyarrow

SQL_TYPES = {"text": "STRING", "status": "STRING", "date": "DATE", "timestamp": "TIMESTAMP"}
VIOLATIONS_TYPE = "ARRAY<STRUCT<code: STRING, column: STRING, value: STRING, message: STRING>>"
WHOLE_FILE_ROW = 0
"""``row_number`` of a violation of the file as a whole; such a file is never merged."""

StagedRow = tuple[str, int, Sequence[Value] | None, str | None, Sequence[Violation] | None]
"""file id, row number, then typed values, or the raw line (none for the file as a whole) and its violations."""


def staged_ddl(feed: Feed) -> str:
    """Schema of staged rows for Spark."""
    columns = ", ".join(f"`{column.name}` {SQL_TYPES[column.kind]}" for column in feed.columns)
    return f"{columns}, file_id STRING, row_number BIGINT, raw_line STRING, violations {VIOLATIONS_TYPE}"


def as_arrow(feed: Feed, rows: Sequence[StagedRow]) -> pyarrow.RecordBatch:
    """Rows as a batch with the columns of ``staged_ddl``."""
    import pyarrow as pa

    arrays = [
        pa.array([values[at] if values else None for _, _, values, _, _ in rows], arrow_type(column))
        for at, column in enumerate(feed.columns)
    ]
    broken = [
        None
        if violations is None
        else [{"code": v.code, "column": v.column, "value": v.value, "message": v.message} for v in violations]
        for *_, violations in rows
    ]
    arrays += [
        pa.array([row[0] for row in rows], pa.string()),
        pa.array([row[1] for row in rows], pa.int64()),
        pa.array([row[3] for row in rows], pa.string()),
        pa.array(broken, violations_type()),
    ]
    return pa.RecordBatch.from_arrays(arrays, staged_names(feed))


def staged_names(feed: Feed) -> list[str]:
    """Columns of ``staged_ddl``."""
    return [*feed.column_names, "file_id", "row_number", "raw_line", "violations"]


def arrow_type(column: Column) -> pyarrow.DataType:
    """The type of a column's values."""
    import pyarrow as pa

    if column.kind == "timestamp":
        return pa.timestamp("us", tz="UTC")
    return pa.date32() if column.kind == "date" else pa.string()


def violations_type() -> pyarrow.DataType:
    """The type of a bad row's violations."""
    import pyarrow as pa

    return pa.list_(pa.struct([(name, pa.string()) for name in ("code", "column", "value", "message")]))
