"""The loop that validates a whole file: bytes in, validated rows and violations out. Function and job share it.

The function validates each upload with `validate`. With `FileValidation`, the job reads files with quoted line breaks
and the operator commands look up rows. Memory does not grow with the file.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date, datetime
from functools import partial
from typing import BinaryIO, NamedTuple, Protocol

from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import feed_of, name_problem
from spark_jobs.contract.records import BOM, MAX_RECORD_BYTES, Record, RecordCutter, RecordError, line_ends
from spark_jobs.contract.rows import Positions, describe, latest_allowed, validate_fields, validate_header
from spark_jobs.contract.validation_results import ValidationResult, too_many_bad_rows
from spark_jobs.contract.values import Fault, Value
from spark_jobs.contract.violation_counter import ViolationCounter
from spark_jobs.contract.violations import Violation, shorten

FIRST_BLOCK_BYTES = 128 * 1024
"""Validated without a fast path: building one takes longer than validating a small file without it."""
BLOCK_BYTES = 1024 * 1024
"""Read at a time. The time limit is checked after each block (0.1 to 0.2 s if no row takes the fast path)."""
MAX_ROWS_BETWEEN_ATTEMPTS = 16
"""At most so many rows are validated one by one before the fast path is tried again."""


class Stretch(NamedTuple):
    """``rows`` certainly clean rows on ``lines`` physical lines; ``end`` is the index after them."""

    end: int
    rows: int
    lines: int


class FastPath(Protocol):
    """Finds rows that are certainly clean. It may only err toward "not clean"."""

    line_breaks: bool
    """Whether to match rows with line breaks in quotes, too."""

    def clear(self, data: bytes, at: int) -> Stretch | None:
        """The clean rows that begin at ``at``, with their line endings; None if the first row isn't certainly clean."""


FastPathFactory = Callable[[Feed, Positions, datetime, date], FastPath]
"""Takes the feed, its columns' positions in the file, the latest timestamp allowed, and the day in the file's name."""


class CheckedRow(NamedTuple):
    """A row that was validated individually. ``values`` are in the feed's column order if there are no ``faults``."""

    number: int
    record: Record
    values: Sequence[Value]
    faults: Sequence[Fault]


class FileValidation:
    """Validates one file from its first block to its last, or up to the first whole-file violation.

    ``rows`` counts all rows so far, including those that the fast path skipped. ``violations`` reject the whole file.
    """

    def __init__(self, feed: Feed, latest: datetime) -> None:
        self.rows = 0
        self.violations: list[Violation] = []
        self.positions: list[int | None] | None = None
        self.fast_path: FastPath | None = None
        self._feed, self._latest = feed, latest
        self._cutter = RecordCutter()
        self._rows_until_attempt = self._consecutive_misses = 0

    @property
    def splittable(self) -> bool:
        """Whether every record so far is one line."""
        return self._cutter.splittable

    @property
    def pending_bytes(self) -> int:
        """The number of bytes that were passed in but not validated yet."""
        return len(self._cutter.data) - self._cutter.at

    def take(self, block: bytes, *, last: bool = False) -> Iterator[CheckedRow]:
        """The rows that ``block`` completes, without those that the fast path skips. Blocks must not include the BOM."""
        self._cutter.feed(block)
        if last:
            self._cutter.end()
        try:
            yield from self._checked_rows()
        except RecordError as error:
            self.violations.append(_record_violation(error))
        if last and self.positions is None and not self.violations:
            self.violations.append(Violation("no_header", "the file has no rows, so it has no header"))

    def describe(self, row: CheckedRow) -> Iterator[Violation]:
        """The faults of a row as violations with messages."""
        if self.positions is not None:
            for fault in row.faults:
                yield describe(self._feed, self.positions, fault, row.record, row.number)

    def _checked_rows(self) -> Iterator[CheckedRow]:
        while not self.violations:
            if self.fast_path is not None:
                self._skip_clean_rows(self.fast_path)
            record = self._cutter.next()
            if record is None:
                return
            try:
                if self.positions is None:
                    positions, self.violations = validate_header(self._feed, record)
                    self.positions = positions or None
                    continue
                values, faults = validate_fields(self._feed, self.positions, record, self._latest)
            except UnicodeDecodeError:
                self.violations.append(_encoding_violation(record))
                return
            self.rows += 1
            if self.fast_path is not None and not self.fast_path.line_breaks:
                self.fast_path.line_breaks = self._cutter.line > record.line + 1
            yield CheckedRow(self.rows, record, values, faults)

    def _skip_clean_rows(self, fast_path: FastPath) -> None:
        """If several rows in a row aren't plainly clean, try the fast path less often: a failed attempt costs time, too."""
        if self._rows_until_attempt:
            self._rows_until_attempt -= 1
            return
        stretch = fast_path.clear(self._cutter.data, self._cutter.at)
        if stretch is None:
            self._consecutive_misses = min(self._consecutive_misses + 1, MAX_ROWS_BETWEEN_ATTEMPTS)
            self._rows_until_attempt = self._consecutive_misses
            return
        self._consecutive_misses = 0
        self._cutter.skip(stretch.end, stretch.rows, stretch.lines)
        self.rows += stretch.rows


def never() -> bool:
    return False


def validate(
    stream: BinaryIO,
    *,
    name: str,
    arrival: datetime,
    max_bad_row_ratio: float,
    size: int | None = None,
    out_of_time: Callable[[], bool] = never,
    fast_path: FastPathFactory | None = None,
) -> ValidationResult:
    """Validate a whole file against its feed, which its name determines.

    ``name`` is the object's name relative to the source prefix; ``arrival`` (aware) limits the timestamps. When
    ``out_of_time`` returns true, validation stops: the result is partial, and the job checks the share of bad rows. With
    ``size``, the file's length in bytes, validation also stops as soon as that share can no longer become acceptable.
    Raises only what ``stream.read`` raises.
    """
    counter = ViolationCounter()
    feed, problem = feed_of(name), name_problem(name)
    counter.feed = feed.name if feed else ""
    if feed is None or problem:
        return counter.result(Violation("file_name", problem or "", value=shorten(name)))
    latest = latest_allowed(feed, arrival)
    day = feed.file_date(name.rpartition("/")[2]) or arrival.date()
    file = FileValidation(feed, latest)
    seen, shortest = 0, shortest_row(feed)
    with closing(blocks_of(stream)) as blocks:  # closed even if validation ends early, so that no thread keeps reading
        for block, last in blocks:
            seen += len(block)
            for row in file.take(block, last=last):
                counter.add(row.faults, partial(file.describe, row))
            counter.rows = file.rows
            if file.violations or last:
                break
            if size is not None and counter.full:
                # The number of rows if the rest of the file were good rows of minimal length. Only once the list of
                # violations is full, because the sender needs it.
                most_rows = file.rows + (size - seen + file.pending_bytes + 1) // shortest
                if counter.bad_rows > max_bad_row_ratio * most_rows:
                    return counter.result(_certainly_too_many(counter, max_bad_row_ratio), partial=True)
            if out_of_time():
                return counter.result(partial=True, splittable=file.splittable)
            if fast_path and file.fast_path is None and file.positions is not None:
                file.fast_path = fast_path(feed, file.positions, latest, day)
    share = too_many_bad_rows(counter.rows, counter.bad_rows, max_bad_row_ratio)
    violations = file.violations or ([share] if share else [])
    return counter.result(*violations, splittable=file.splittable)


def shortest_row(feed: Feed) -> int:
    """The length in bytes of the shortest good row, with its line ending."""
    required = [column.type.shortest for column in feed.columns if column.required]
    return sum(required) + sum(not column.since for column in feed.columns)


def blocks_of(stream: BinaryIO) -> Generator[tuple[bytes, bool], None, None]:
    """The stream in full blocks, without its BOM, each with whether it is the last. A short block is the last one.

    Exactly one BOM is removed: a second one is part of the first column's name, so the header is invalid.
    A thread reads the next block while this one is validated: the fast path releases the interpreter lock, and a download
    mostly waits for the network.
    """
    block = _read(stream, FIRST_BLOCK_BYTES)
    last = len(block) < FIRST_BLOCK_BYTES
    block = block.removeprefix(BOM)
    if last:
        yield block, last
        return
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as reader:
        while not last:
            following = reader.submit(_read, stream, BLOCK_BYTES)
            yield block, False
            block = following.result()
            last = len(block) < BLOCK_BYTES
        yield block, True


def lines_as_blocks(lines: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The lines of a file, without their LF, as blocks for `FileValidation.take`.

    The reader must have removed the file's BOM, as Hadoop's line reader does. A BOM that is still there is a second one
    and part of the first column's name, so it is not removed: `blocks_of` and this must reject the same files.
    """
    for line in lines:
        yield line + b"\n", False
    yield b"", True


def _read(stream: BinaryIO, wanted: int) -> bytes:
    """``wanted`` bytes, or fewer at the end of the stream."""
    block = stream.read(wanted)
    while len(block) < wanted and (more := stream.read(wanted - len(block))):
        block += more
    return block


def _certainly_too_many(counter: ViolationCounter, max_ratio: float) -> Violation:
    return Violation(
        "too_many_bad_rows",
        f"{counter.bad_rows:,} of the first {counter.rows:,} rows violate a rule; the rest of the file is too short to "
        f"bring the share of bad rows down to the allowed {max_ratio:.0%}",
    )


def _record_violation(error: RecordError) -> Violation:
    start = f"the row that starts on line {error.line:,}"
    message = {
        "line_ends": f"line {error.line:,} ends with a carriage return (CR) alone, not with LF or CRLF",
        "record_too_long": f"{start} is longer than {MAX_RECORD_BYTES:,} bytes; check for a quote that is never closed",
        "unclosed_quote": f"{start} has a quote that is never closed",
    }[error.code]
    return Violation(error.code, message, line=error.line)


def _encoding_violation(record: Record) -> Violation:
    try:
        record.raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = record.line + line_ends(record.raw[: error.start])
        byte = record.raw[error.start]
        value = shorten(record.raw[max(0, error.start - 20) :][:40].decode("utf-8", "backslashreplace"))
        return Violation("encoding", f"line {line:,} isn't UTF-8: invalid byte 0x{byte:02X}", value=value, line=line)
    raise AssertionError("a record is valid UTF-8 only if all of its fields are")
