"""Judge one file as it streams by: bytes in, violations and counts out. Memory does not grow with the file.

Every row is judged by ``contract.rows``, the one statement of the rules, unless ``plain_rows`` has cleared it: that can
only tell that a stretch of rows is certainly clean, but does so a hundred times faster.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date, datetime
from typing import BinaryIO

from functions.validation.clean_rows import CleanRowPattern
from functions.validation.violation_counter import ViolationCounter
from spark_jobs.contract.feeds import MAX_RECORD_BYTES, ORDER_TRACKING, Feed, name_problem
from spark_jobs.contract.records import BOM, Record, RecordCutter, RecordError, line_ends
from spark_jobs.contract.rows import describe, latest_allowed, validate_fields, validate_header
from spark_jobs.contract.validation_results import ValidationResult, too_many_bad_rows
from spark_jobs.contract.violations import Violation, shorten

FIRST_BLOCK_BYTES = 128 * 1024
"""Judged row by row: building the scanner takes longer than judging a small file without it."""
BLOCK_BYTES = 1024 * 1024
"""Read at a time; the clock is looked at in between (0.1 to 0.2 s where every row is odd)."""
MOST_UNSCANNED = 16


def never() -> bool:
    return False


def judge(
    stream: BinaryIO,
    *,
    name: str,
    arrival: datetime,
    max_bad_row_ratio: float,
    size: int | None = None,
    out_of_time: Callable[[], bool] = never,
) -> ValidationResult:
    """Judge a whole file against the order-tracking contract.

    ``name`` is the object's name relative to the source prefix; ``arrival`` (aware) bounds the timestamps. When
    ``out_of_time`` turns true, judging stops: the judgement is partial, and the share of bad rows is left to the job.
    With ``size``, the file's length in bytes, a file is also given up once that share can't become tolerable any more.
    Raises only what ``stream.read`` raises.
    """
    if problem := name_problem(ORDER_TRACKING, name):
        return ViolationCounter().result(Violation("file_name", problem, value=shorten(name)))
    day = ORDER_TRACKING.file_date(name.rpartition("/")[2])
    judging = _FileValidation(ORDER_TRACKING, day or arrival.date(), latest_allowed(ORDER_TRACKING, arrival))
    seen = 0
    with closing(_blocks(stream)) as blocks:  # closed even where judging ends early: nobody reads on behind our back
        for block, last in blocks:
            seen += len(block)
            judging.take(block, last=last)
            if judging.faults:
                break
            if size is not None and not last and judging.hopeless(size - seen, max_bad_row_ratio):
                return judging.given_up(max_bad_row_ratio)
            if not last and out_of_time():
                return judging.stopped()
    return judging.finished(max_bad_row_ratio)


class _FileValidation:
    """One file, from its first block to its last or to the first fault that condemns it as a whole."""

    def __init__(self, feed: Feed, day: date, latest: datetime) -> None:
        self.faults: list[Violation] = []
        self._feed, self._day, self._latest = feed, day, latest
        self._cutter, self._counter = RecordCutter(), ViolationCounter()
        self._positions: list[int] | None = None
        self._plain: CleanRowPattern | None = None
        self._unscanned = self._odd_in_turn = 0
        self._shortest_row = shortest_row(feed)

    def take(self, block: bytes, *, last: bool) -> None:
        """Judge what ``block`` completes."""
        self._cutter.feed(block)
        if last:
            self._cutter.end()
        try:
            self._validate_rows()
        except RecordError as error:
            self.faults.append(_fault_of_record(error))
        if self._positions is None:
            if last and not self.faults:
                self.faults.append(Violation("no_header", "the file has no row at all, so no header either"))
        elif self._plain is None and not last:
            self._plain = CleanRowPattern(self._feed, self._positions, self._latest, self._day)

    def _validate_rows(self) -> None:
        cutter = self._cutter
        while not self.faults:
            if self._plain is not None:
                self._skip_clean_rows(self._plain)
            record = cutter.next()
            if record is None:
                return
            try:
                self._validate(record)
            except UnicodeDecodeError:
                self.faults.append(_encoding_fault(record))

    def _skip_clean_rows(self, plain: CleanRowPattern) -> None:
        """Where one odd row follows another, most of them go to the judge unscanned."""
        if self._unscanned:
            self._unscanned -= 1
            return
        stretch = plain.clear(self._cutter.data, self._cutter.at)
        if stretch is None:
            self._odd_in_turn = min(self._odd_in_turn + 1, MOST_UNSCANNED)
            self._unscanned = self._odd_in_turn
            return
        self._odd_in_turn = 0
        self._cutter.skip(stretch.end, stretch.rows, stretch.lines)
        self._counter.take_clean(stretch.rows)

    def _validate(self, record: Record) -> None:
        if self._positions is None:
            positions, self.faults = validate_header(self._feed, record)
            self._positions = positions or None
            return
        feed, positions, latest, row = self._feed, self._positions, self._latest, self._counter.rows + 1
        _, faults = validate_fields(feed, positions, record, latest)
        self._counter.take_row(faults, lambda fault: describe(feed, positions, fault, record, row, latest))
        if self._plain is not None and not self._plain.line_breaks:
            self._plain.line_breaks = self._cutter.line > record.line + 1

    def hopeless(self, unread: int, max_ratio: float) -> bool:
        """Whether the share of bad rows stays too large even if everything still to come is good rows, the shortest
        there are. Nobody gives up before the list of violations is full: the sender wants to see them.
        """
        left = unread + len(self._cutter.data) - self._cutter.at
        most_rows = self._counter.rows + (left + 1) // self._shortest_row
        return self._counter.full and self._counter.bad_rows > max_ratio * most_rows

    def given_up(self, max_ratio: float) -> ValidationResult:
        rows, bad = self._counter.rows, self._counter.bad_rows
        message = (
            f"{bad:,} of the first {rows:,} rows break a rule; the rest of the file is too short to bring their share "
            f"down to the {max_ratio:.0%} that may be set aside"
        )
        return self._counter.result(Violation("too_many_bad_rows", message), partial=True)

    def stopped(self) -> ValidationResult:
        return self._counter.result(partial=True, splittable=self._cutter.splittable)

    def finished(self, max_ratio: float) -> ValidationResult:
        share = too_many_bad_rows(self._counter.rows, self._counter.bad_rows, max_ratio)
        faults = self.faults or ([share] if share else [])
        return self._counter.result(*faults, splittable=self._cutter.splittable)


def shortest_row(feed: Feed) -> int:
    """Bytes of the shortest good row, with its line end."""
    shortest = {"text": 1, "date": 10, "status": min(map(len, feed.statuses)), "timestamp": len("YYYY-MM-DD HH:MM:SS")}
    return sum(shortest[column.kind] for column in feed.columns if column.required) + len(feed.columns)


def _blocks(stream: BinaryIO) -> Generator[tuple[bytes, bool], None, None]:
    """The stream in full blocks, without its BOM, and whether each is the last. A short one is the last.

    While a block is judged, a thread reads the next: the scanner lets go of the interpreter lock, and a download waits
    for the network most of the time.
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


def _read(stream: BinaryIO, wanted: int) -> bytes:
    """So many bytes, fewer only at the end of the stream."""
    block = stream.read(wanted)
    while len(block) < wanted and (more := stream.read(wanted - len(block))):
        block += more
    return block


def _fault_of_record(error: RecordError) -> Violation:
    said = {
        "record_too_long": f"is longer than {MAX_RECORD_BYTES:,} bytes; is a quote not closed there?",
        "unclosed_quote": "has a quote that is never closed",
    }
    return Violation(error.code, f"the row that begins on line {error.line:,} {said[error.code]}", line=error.line)


def _encoding_fault(record: Record) -> Violation:
    try:
        record.raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = record.line + line_ends(record.raw[: error.start])
        byte = record.raw[error.start]
        value = shorten(record.raw[max(0, error.start - 20) :][:40].decode("utf-8", "backslashreplace"))
        return Violation(
            "encoding", f"line {line:,} isn't UTF-8: byte 0x{byte:02X} can't stand there", value=value, line=line
        )
    raise AssertionError("a record whose fields aren't UTF-8 isn't either")
