"""Staged rows: their columns in Arrow and in SQL, and how the contract's own Python makes them of lines and whole files, on
the driver or in Spark's workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, BinaryIO

from spark_jobs.contract.column_types import Column, Date, Integer, Number, Timestamp
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.file_validation import FileValidation, blocks_of, lines_as_blocks
from spark_jobs.contract.record_lists import Records
from spark_jobs.contract.records import Record, RecordError, split_records
from spark_jobs.contract.rows import Positions, ValidatedRow, validate_row
from spark_jobs.contract.values import Value
from spark_jobs.contract.violations import Violation

if TYPE_CHECKING:
    import pyarrow

VIOLATIONS_TYPE = "ARRAY<STRUCT<code: STRING, column: STRING, value: STRING, message: STRING>>"
WHOLE_FILE_ROW = 0
"""``row_number`` of a violation of the file as a whole; such a file is never merged."""

StagedRow = tuple[str, int, Sequence[Value] | None, str | None, Sequence[Violation] | None]
"""file id, row number, then typed values, or the raw line (none for the file as a whole) and its violations."""
MAX_RAW_CHARACTERS = 8192
MAX_PLAIN_BYTES = 8192
"""Longer lines never count as plain."""
NOT_LINES = "not_lines"
"""Not a violation: the mark's hint was wrong, a record of this file isn't one line."""
_OUT_ROWS = 10_000

Arrow = Iterable["pyarrow.RecordBatch"]
Validate = Callable[[Arrow], Iterator["pyarrow.RecordBatch"]]


def staged_ddl(feed: Feed) -> str:
    """Schema of staged rows for Spark."""
    columns = ", ".join(f"`{column.name}` {column.type.sql}" for column in feed.columns)
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

    match column.type:
        case Timestamp():
            return pa.timestamp("us", tz="UTC")
        case Date():
            return pa.date32()
        case Integer():
            return pa.int64()
        case Number(precision, scale):
            return pa.decimal128(precision, scale)
        case Records(fields):
            return pa.list_(pa.struct([(field.name, arrow_type(field)) for field in fields]))
    return pa.string()


def violations_type() -> pyarrow.DataType:
    """The type of a bad row's violations."""
    import pyarrow as pa

    return pa.list_(pa.struct([(name, pa.string()) for name in ("code", "column", "value", "message")]))


def validate_line(feed: Feed, positions: Positions, latest: datetime, file_id: str, row: int, line: bytes) -> StagedRow:
    """One line, without its LF, as a record; if it isn't one, a violation of the whole file (``NOT_LINES``)."""
    try:
        records = list(split_records([line + b"\n"]))
        if len(records) != 1 or records[0].raw not in {line, line.removesuffix(b"\r")}:
            return _whole_file(file_id, NOT_LINES)
        validated = validate_row(feed, positions, records[0], row, latest)
    except (RecordError, UnicodeDecodeError):
        return _whole_file(file_id, NOT_LINES)  # validating the whole file finds which violation, and where
    return _out(file_id, validated, records[0])


def validate_stream(feed: Feed, file_id: str, latest: datetime, stream: BinaryIO) -> Iterator[StagedRow]:
    """The staged rows of one file, read from its beginning."""
    return _validate_file(feed, file_id, latest, blocks_of(stream))


def files_validator(feed: Feed, latest: Mapping[str, datetime]) -> Validate:
    """For all lines (file_id, row_number: any, value: binary, without LF), each file's in order and in one partition."""

    def validate(batches: Arrow) -> Iterator[pyarrow.RecordBatch]:
        return _batches(feed, _validate_files(feed, latest, _rows(batches)))

    return validate


def _validate_files(
    feed: Feed, latest: Mapping[str, datetime], rows: Iterator[tuple[str, int, bytes]]
) -> Iterator[StagedRow]:
    # A file that is not validated to its end is skipped: groupby discards what is left of a group.
    for file_id, lines in groupby(rows, key=itemgetter(0)):
        blocks = lines_as_blocks(value for _, _, value in lines)
        yield from _validate_file(feed, file_id, latest[file_id], blocks)


def _validate_file(feed: Feed, file_id: str, latest: datetime, blocks: Iterable[tuple[bytes, bool]]) -> Iterator[StagedRow]:
    file = FileValidation(feed, latest)
    for block, last in blocks:
        for row in file.take(block, last=last):
            if row.faults:
                raw = row.record.raw.decode("utf-8", "replace")
                yield file_id, row.number, None, raw[:MAX_RAW_CHARACTERS], list(file.describe(row))
            else:
                yield file_id, row.number, row.values, None, None
        if file.violations:
            yield file_id, WHOLE_FILE_ROW, None, None, file.violations
            return


def _whole_file(file_id: str, code: str, message: str = "", line: int | None = None) -> StagedRow:
    return file_id, WHOLE_FILE_ROW, None, None, [Violation(code, message, line=line)]


def _out(file_id: str, validated: ValidatedRow, record: Record) -> StagedRow:
    if validated.values is not None:
        return file_id, validated.row, validated.values, None, None
    raw = record.raw.decode("utf-8", "replace")
    return file_id, validated.row, None, raw[:MAX_RAW_CHARACTERS], validated.violations


def _rows(batches: Arrow) -> Iterator[tuple[str, int, bytes]]:
    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in ("file_id", "row_number", "value"))
        yield from zip(*columns, strict=True)


def _batches(feed: Feed, rows: Iterator[StagedRow]) -> Iterator[pyarrow.RecordBatch]:
    while batch := list(islice(rows, _OUT_ROWS)):
        yield as_arrow(feed, batch)
