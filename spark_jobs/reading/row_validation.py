"""Rows judged by the contract itself, in Python: runs in Spark's workers, over Arrow batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, BinaryIO

from spark_jobs.contract.feeds import Feed
from spark_jobs.contract.records import BOM, Record, RecordError, split_records
from spark_jobs.contract.rows import ValidatedRow, Value, validate_header, validate_row
from spark_jobs.contract.violations import RULES, Violation
from spark_jobs.reading.staged_rows import as_arrow

if TYPE_CHECKING:
    import pyarrow

MAX_RAW_CHARACTERS = 8192
MAX_PLAIN_BYTES = 8192
"""Longer lines are never taken for plain ones."""
NOT_LINES = "not_lines"
"""Not a violation: the mark's hint was wrong, a record of this file isn't one line."""
WHOLE_FILE_ROW = 0
"""``row_number`` of what is said about a file as a whole; such a file is never merged."""
_OUT_ROWS = 10_000

Arrow = Iterable["pyarrow.RecordBatch"]
Validate = Callable[[Arrow], Iterator["pyarrow.RecordBatch"]]
READ_BYTES = 256 * 1024
StagedRow = tuple[str, int, Sequence[Value] | None, str | None, Sequence[Violation] | None]
"""file id, row number, then typed values, or the raw line (none for the file as a whole) and its violations."""


def validate_line(feed: Feed, positions: Sequence[int], latest: datetime, file_id: str, row: int, line: bytes) -> StagedRow:
    """One line, without its LF, as a record; it speaks of the file as a whole (``NOT_LINES``) where it isn't one."""
    try:
        records = list(split_records([line + b"\n"]))
        if len(records) != 1 or records[0].raw not in {line, line.removesuffix(b"\r")}:
            return _whole_file(file_id, NOT_LINES)
        judged = validate_row(feed, positions, records[0], row, latest)
    except (RecordError, UnicodeDecodeError):
        return _whole_file(file_id, NOT_LINES)  # the other way says what it is, and where
    return _out(file_id, judged, records[0])


def validate_stream(feed: Feed, file_id: str, latest: datetime, stream: BinaryIO) -> Iterator[StagedRow]:
    """For one file's bytes, from their beginning."""
    start = stream.read(len(BOM)).removeprefix(BOM)
    chunks = chain([start], iter(lambda: stream.read(READ_BYTES), b""))
    return _validate_file(feed, file_id, latest, chunks)


def files_validator(feed: Feed, latest: Mapping[str, datetime]) -> Validate:
    """For all lines (file_id, row_number: any, value: binary, without LF), each file's in order and in one partition."""

    def judge(batches: Arrow) -> Iterator[pyarrow.RecordBatch]:
        return _batches(feed, _validate_files(feed, latest, _rows(batches)))

    return judge


def _validate_files(
    feed: Feed, latest: Mapping[str, datetime], rows: Iterator[tuple[str, int, bytes]]
) -> Iterator[StagedRow]:
    pending = next(rows, None)
    while pending is not None:
        file_id = pending[0]
        following: list[tuple[str, int, bytes] | None] = [None]
        first = pending

        def lines(first: tuple[str, int, bytes] = first, following: list[Any] = following) -> Iterator[bytes]:
            # Hadoop's reader has taken a BOM away already; other readers may not.
            yield first[2].removeprefix(BOM) + b"\n"
            for row in rows:
                if row[0] != first[0]:
                    following[0] = row
                    return
                yield row[2] + b"\n"

        feed_lines = lines()
        yield from _validate_file(feed, file_id, latest[file_id], feed_lines)
        for _ in feed_lines:  # judged no further: on to the next file
            pass
        pending = following[0]


def _validate_file(feed: Feed, file_id: str, latest: datetime, chunks: Iterable[bytes]) -> Iterator[StagedRow]:
    records = split_records(chunks)
    row = 0
    try:
        header = next(records, None)
        if header is None:
            yield _whole_file(file_id, "no_header", "the file has no header row")
            return
        positions, violations = validate_header(feed, header)
        if violations:
            yield file_id, WHOLE_FILE_ROW, None, None, violations
            return
        for record in records:
            row += 1
            yield _out(file_id, validate_row(feed, positions, record, row, latest), record)
    except RecordError as error:
        yield _whole_file(file_id, error.code, f"{RULES[error.code].title.lower()}: line {error.line}", error.line)
    except UnicodeDecodeError:
        yield _whole_file(file_id, "encoding", f"the file isn't UTF-8: row {row}")


def _whole_file(file_id: str, code: str, message: str = "", line: int | None = None) -> StagedRow:
    return file_id, WHOLE_FILE_ROW, None, None, [Violation(code, message, line=line)]


def _out(file_id: str, judged: ValidatedRow, record: Record) -> StagedRow:
    if judged.values is not None:
        return file_id, judged.row, judged.values, None, None
    raw = record.raw.decode("utf-8", "replace")
    return file_id, judged.row, None, raw[:MAX_RAW_CHARACTERS], judged.violations


def _rows(batches: Arrow) -> Iterator[tuple[str, int, bytes]]:
    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in ("file_id", "row_number", "value"))
        yield from zip(*columns, strict=True)


def _batches(feed: Feed, rows: Iterator[StagedRow]) -> Iterator[pyarrow.RecordBatch]:
    while some := list(islice(rows, _OUT_ROWS)):
        yield as_arrow(feed, some)
