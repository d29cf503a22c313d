"""Validation by the contract's own Python, row by row: on the driver, or in Spark's workers over Arrow batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, BinaryIO

from spark_jobs.contract.feeds import Feed
from spark_jobs.contract.file_validation import FileValidation, blocks_of, lines_as_blocks
from spark_jobs.contract.records import Record, RecordError, split_records
from spark_jobs.contract.rows import ValidatedRow, validate_row
from spark_jobs.contract.violations import Violation
from spark_jobs.reading.staged_rows import WHOLE_FILE_ROW, StagedRow, as_arrow

if TYPE_CHECKING:
    import pyarrow

MAX_RAW_CHARACTERS = 8192
MAX_PLAIN_BYTES = 8192
"""Longer lines never count as plain."""
NOT_LINES = "not_lines"
"""Not a violation: the mark's hint was wrong, a record of this file isn't one line."""
_OUT_ROWS = 10_000

Arrow = Iterable["pyarrow.RecordBatch"]
Validate = Callable[[Arrow], Iterator["pyarrow.RecordBatch"]]


def validate_line(feed: Feed, positions: Sequence[int], latest: datetime, file_id: str, row: int, line: bytes) -> StagedRow:
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
