"""RFC 4180 as the contract reads it: bytes in, records out. The one statement of quoting, line ends and row numbers.

Plain Python, one record at a time. The function clears clean stretches faster (`functions.validation`) and the job
splits clean files in parallel (`spark_jobs.staging`); both fall back to this for anything that isn't plainly clean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from spark_jobs.contract.feeds import MAX_RECORD_BYTES

BOM = b"\xef\xbb\xbf"

_UNQUOTED_END = re.compile(rb"[,\r\n]")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_COMMA = ord(",")


@dataclass(frozen=True)
class Record:
    """One record that isn't an empty line.

    ``raw`` is the record as it stood, without its line end. ``line`` is the physical line it begins on, from 1.
    ``fields`` are undecoded, unquoted and untrimmed. ``stray_quote`` is the first field (0-based) in which a quote
    stood where none may, None where quoting is right.
    """

    raw: bytes
    line: int
    fields: tuple[bytes, ...]
    stray_quote: int | None = None


class RecordError(Exception):
    """The bytes can't be cut into records: nothing after this point has a meaning. ``code`` is a violation's code."""

    def __init__(self, code: str, line: int) -> None:
        super().__init__(f"{code} at line {line}")
        self.code = code
        self.line = line


def split_records(chunks: Iterable[bytes]) -> Iterator[Record]:
    """Cut a file, given as any sequence of byte chunks and without its BOM, into records.

    Raises RecordError with code ``record_too_long`` or ``unclosed_quote``. Memory: one record and one chunk.
    """
    pending = b""
    line = 1
    for chunk, final in _with_last(chunks):
        pending += chunk
        start = 0
        while start < len(pending) and (cut := _cut(pending, start, final=final)) is not None:
            (raw, fields, stray), start, lines = cut
            if len(raw) > MAX_RECORD_BYTES:
                raise RecordError("record_too_long", line)
            if raw:
                yield Record(raw, line, fields, stray)
            line += lines
        pending = pending[start:]
        # One byte of grace: a CR at the end may be half of a line end, which is not part of the record.
        if len(pending) > MAX_RECORD_BYTES + 1:
            raise RecordError("record_too_long", line)
    if pending:
        raise RecordError("unclosed_quote", line)


def _with_last(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    for chunk in chunks:
        yield chunk, False
    yield b"", True


_Cut = tuple[tuple[bytes, tuple[bytes, ...], int | None], int, int]


def _cut(data: bytes, start: int, *, final: bool) -> _Cut | None:
    """Cut one record at ``start``: ((raw, fields, stray quote), next start, physical lines), or None for want of bytes."""
    fields: list[bytes] = []
    stray: int | None = None
    at = start
    while True:
        value = b""
        if quoted := data[at : at + 1] == b'"':
            closing = _closing_quote(data, at + 1, final=final)
            if closing is None:
                return None
            value = data[at + 1 : closing].replace(b'""', b'"')
            at = closing + 1
        found = _UNQUOTED_END.search(data, at)
        if found is None and not final:
            return None
        end = found.start() if found else len(data)
        rest = data[at:end]
        if stray is None and ((quoted and rest) or b'"' in rest):
            stray = len(fields)
        fields.append(value + rest)
        at = end
        if found is None or data[at] != _COMMA:
            break
        at += 1
    following = _after_line_end(data, at, final=final)
    if following is None:
        return None
    raw = data[start:at]
    return (raw, tuple(fields), stray), following, len(_LINE_END.findall(raw)) + 1


def _closing_quote(data: bytes, at: int, *, final: bool) -> int | None:
    """Index of the quote that ends a quoted field; None where it isn't there (yet)."""
    while (at := data.find(b'"', at)) >= 0:
        if at + 1 == len(data) and not final:
            return None  # the next chunk may double it
        if data[at + 1 : at + 2] != b'"':
            return at
        at += 2
    return None


def _after_line_end(data: bytes, at: int, *, final: bool) -> int | None:
    """Index behind the line end at ``at``; None where a CR may still turn out to be half of a CRLF."""
    if data[at : at + 1] != b"\r":
        return min(at + 1, len(data))
    if at + 1 == len(data) and not final:
        return None
    return at + 2 if data[at + 1 : at + 2] == b"\n" else at + 1
