"""RFC 4180 as the contract defines it: bytes in, records out. The reference for quoting, line endings and row numbers.

Plain Python, one record at a time. The function has a fast path for clean rows (`functions.validation.clean_rows`), and
the job validates lines column by column (`spark_jobs.reading.columns`). Both use this module for everything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

MAX_RECORD_BYTES = 1024 * 1024
"""Longest record, without its line ending: a quote that is never closed must not use up all memory."""
BOM = b"\xef\xbb\xbf"

_QUOTE_OR_END = re.compile(rb'["\r\n]')
_UNQUOTED_END = re.compile(rb"[,\r\n]")
_EMPTY_LINES = re.compile(rb"(?:\n|\r\n)++")
_QUOTE = ord('"')
_COMMA = ord(",")
_CR = ord("\r")


class Record(NamedTuple):
    """One record that isn't an empty line.

    ``raw`` is the record as in the file, without its line ending. ``line`` is the physical line where it starts, from 1.
    ``fields`` are bytes, without their quotes but not trimmed. ``stray_quote`` is the first field (0-based) with a
    misplaced quote, None if the quoting is correct.
    """

    raw: bytes
    line: int
    fields: tuple[bytes, ...]
    stray_quote: int | None = None


def place_of_field(record: Record, field: int) -> tuple[int, int]:
    """The physical line, and the character in it (both from 1), where a field (0-based) of a UTF-8 record begins."""
    at = 0
    for _ in range(field):
        if record.raw.startswith(b'"', at):
            at = (_closing_quote(record.raw, at + 1, final=True) or at) + 1
        at = record.raw.index(b",", at) + 1
    before = record.raw[:at]
    in_line = before[max(before.rfind(b"\n"), before.rfind(b"\r")) + 1 :]
    return record.line + line_ends(before), len(in_line.decode()) + 1


class RecordError(Exception):
    """The bytes can't be split into records, so the rest of the file is meaningless. ``code`` is a violation code."""

    def __init__(self, code: str, line: int) -> None:
        super().__init__(f"{code} at line {line}")
        self.code = code
        self.line = line


def line_ends(data: bytes) -> int:
    """The number of physical lines that end in ``data``: LF, CRLF and a lone CR each end one, in quotes or not."""
    ends = data.count(b"\n")
    return ends + data.count(b"\r") - data.count(b"\r\n") if b"\r" in data else ends


def split_records(chunks: Iterable[bytes]) -> Iterator[Record]:
    """Split a file into records. ``chunks`` are its bytes without the BOM, split anywhere.

    Raises RecordError with code ``line_ends``, ``record_too_long`` or ``unclosed_quote``. Memory: one record and one chunk.
    """
    cutter = RecordCutter()
    for chunk in chunks:
        cutter.feed(chunk)
        while (record := cutter.next()) is not None:
            yield record
    cutter.end()
    while (record := cutter.next()) is not None:
        yield record


class RecordCutter:
    """Splits its input into records, one at a time. ``data[at:]`` is the rest; it begins on physical line ``line``.

    Feed it large chunks: an incomplete record is scanned again after every chunk.
    """

    def __init__(self) -> None:
        self.data = b""
        self.at = 0
        self.line = 1
        self.splittable = True
        """Whether every record so far is one line, so that the file can be split at every LF."""
        self._ended = False

    def feed(self, chunk: bytes) -> None:
        self.data = self.data[self.at :] + chunk
        self.at = 0

    def end(self) -> None:
        """Mark the end of the input: the rest is the last record, with or without a line ending."""
        self._ended = True

    def next(self) -> Record | None:
        """The next record; None if it needs more input, or at the end. Raises RecordError."""
        data = self.data
        while (begin := self.at) < len(data):
            cut = _cut(data, begin, final=self._ended)
            if cut is None:
                self._check_rest()
                return None
            fields, stray, end, self.at = cut
            line, raw = self.line, data[begin:end]
            self.line += 1
            if data[self.at - 1] == _CR:
                # Spark's readers split lines at LF only, so a file with such line endings would be one line to them.
                raise RecordError("line_ends", line + line_ends(raw))
            if len(raw) > MAX_RECORD_BYTES:
                raise RecordError("record_too_long", line)
            if raw:
                if b'"' in raw and (breaks := line_ends(raw)):
                    self.line += breaks
                    self.splittable = False
                return Record(raw, line, fields, stray)
            self._skip_empty_lines()
        return None

    def skip(self, end: int, records: int, lines: int) -> None:
        """Skip ``data[at:end]``: that many complete records with LF or CRLF, which the caller has validated."""
        self.at = end
        self.line += lines
        if lines > records:
            self.splittable = False

    def _skip_empty_lines(self) -> None:
        """Skip a whole sequence at once: a file may have millions of empty lines."""
        if found := _EMPTY_LINES.match(self.data, self.at):
            self.at = found.end()
            self.line += found.group().count(b"\n")

    def _check_rest(self) -> None:
        """Raise RecordError if the incomplete record is too long already, or can't be completed."""
        rest = len(self.data) - self.at
        # One extra byte: a CR at the end may belong to the line ending, which is not part of the record.
        if rest > MAX_RECORD_BYTES + 1:
            raise RecordError("record_too_long", self.line)
        if self._ended:
            raise RecordError("unclosed_quote", self.line)


_Cut = tuple[tuple[bytes, ...], int | None, int, int]


def _cut(data: bytes, start: int, *, final: bool) -> _Cut | None:
    """Split off the record at ``start``: (fields, stray quote, its end, the next start). None if bytes are missing."""
    fields: list[bytes] = []
    stray: int | None = None
    at = start
    while True:
        found = _QUOTE_OR_END.search(data, at)
        if found is None and not final:
            return None
        end = found.start() if found else len(data)
        if found is None or data[end] != _QUOTE:
            fields += data[at:end].split(b",")
            break
        # Fields without quotes are split all at once.
        quoted = end == at or data[end - 1] == _COMMA
        if quoted:
            if end > at:
                fields += data[at : end - 1].split(b",")
            closing = _closing_quote(data, end + 1, final=final)
            if closing is None:
                return None
            fields.append(data[end + 1 : closing].replace(b'""', b'"'))
            at = end = closing + 1
            if data[at : at + 1] == b",":  # the usual case after a closing quote
                at += 1
                continue
        found = _UNQUOTED_END.search(data, end)
        if found is None and not final:
            return None
        end = found.start() if found else len(data)
        rest = data[at:end]
        if quoted:
            fields[-1] += rest
        else:
            fields += rest.split(b",")
        if stray is None and rest:
            stray = len(fields) - 1
        if found is None or data[end] != _COMMA:
            break
        at = end + 1
    following = _after_line_end(data, end, final=final)
    return None if following is None else (tuple(fields), stray, end, following)


def _closing_quote(data: bytes, at: int, *, final: bool) -> int | None:
    """The index of the quote that ends a quoted field; None if it isn't there (yet)."""
    while (at := data.find(b'"', at)) >= 0:
        if at + 1 == len(data) and not final:
            return None  # it is a doubled quote if the next chunk starts with another one
        if data[at + 1 : at + 2] != b'"':
            return at
        at += 2
    return None


def _after_line_end(data: bytes, at: int, *, final: bool) -> int | None:
    """The index after the LF, CRLF or lone CR at ``at``; None if a CR may still turn out to be half of a CRLF."""
    if data[at : at + 1] != b"\r":
        return min(at + 1, len(data))
    if at + 1 == len(data) and not final:
        return None
    return at + 2 if data[at + 1 : at + 2] == b"\n" else at + 1
