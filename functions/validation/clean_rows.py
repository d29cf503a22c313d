"""The function's fast path: one regular expression for a plainly clean row, used to skip stretches of such rows.

RE2 runs it as one table-driven pass over the bytes, at several hundred MB/s, without the interpreter lock. A match means
"these rows are certainly clean". ``contract.rows`` validates everything else one by one, including good rows in unusual
spellings. A pattern that is too narrow therefore only costs time, but one that is too wide would be wrong: no part of it
may match anything that the contract rejects.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

from functions.validation.date_patterns import ANY_DAY, days_until, ordered_days
from spark_jobs.contract.column_types import Column
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.file_validation import Stretch
from spark_jobs.contract.records import line_ends

# Every character except controls, blank, quote and comma. Without the surrogates, RE2 compiles exact UTF-8.
_LETTER = r"!#-+\x2d-\x{D7FF}\x{E000}-\x{10FFFF}"
_BLANK = r"[\t ]?"
_MISSING = r'(?:""|[\t ])?'
_LONGEST_REPEAT = 999  # RE2 supports repeat counts up to 1,000
_MONTHS = 15  # the months up to the file's own in which pairs of dates are compared by the pattern
_MEMORY = 40 * 1024 * 1024  # limit in bytes for one compiled pattern and its table of states


class CleanRowPattern:
    """Finds stretches of clean rows in one file. ``day`` is the day in the file's name: dates are expected around it."""

    def __init__(self, feed: Feed, positions: Sequence[int], latest: datetime, day: date) -> None:
        # Rounded to the hour, so that files which arrive together share a compiled pattern.
        hour = latest.replace(minute=0, second=0, microsecond=0)
        self._one_line, self._many_lines = (
            f"(?:{_row(feed, positions, hour, day, breaks)}\r?\n)*" for breaks in ("", "\r\n")
        )
        self._compiled: dict[bool, _Pattern] = {}
        self.line_breaks = False
        """Whether to match rows with line breaks in quotes, too; counting them takes a little longer."""

    def clear(self, data: bytes, at: int) -> Stretch | None:
        """The clean rows that begin at ``at``, with their line ends; None if the first row isn't certainly clean."""
        end = self._pattern().match(data, at).end()
        if end == at:
            return None
        if not self.line_breaks:
            lines = data.count(b"\n", at, end)
            return Stretch(end, lines, lines)
        stretch = data[at:end]
        unquoted = b"".join(stretch.split(b'"')[::2])
        return Stretch(end, unquoted.count(b"\n"), line_ends(stretch))

    def _pattern(self) -> _Pattern:
        if self._compiled.get(self.line_breaks) is None:
            self._compiled[self.line_breaks] = _compiled(self._many_lines if self.line_breaks else self._one_line)
        return self._compiled[self.line_breaks]


class _Pattern(Protocol):
    def match(self, text: bytes, pos: int) -> Any: ...


@lru_cache(maxsize=2)
def _compiled(pattern: str) -> _Pattern:
    import re2  # type: ignore[import-untyped]  # imported late: most files are too small to need it

    options = re2.Options()
    options.max_mem = _MEMORY
    compiled = re2.compile(pattern, options)
    re2.purge()  # re2's own cache would keep 128 of these
    return compiled


def _row(feed: Feed, positions: Sequence[int], latest: datetime, day: date, breaks: str) -> str:
    """A row whose columns are at ``positions``. ``breaks`` are the line break characters allowed within quotes."""
    fields = {place: _field(feed, column, latest, breaks) for column, place in zip(feed.columns, positions, strict=True)}
    rows = [fields]
    for later, earlier in feed.not_before:
        last, first = positions[feed.position(later)], positions[feed.position(earlier)]
        if last == first + 1:
            rows = [_with_ordered_pair(row, first, last, day) for row in rows]
        else:  # the pattern compares only adjacent fields: otherwise match rows in which one of the dates is missing
            rows = [row | {place: _MISSING} for row in rows for place in (last, first)]
    return f"(?:{'|'.join(','.join(row[place] for place in sorted(row)) for row in rows)})"


def _with_ordered_pair(row: dict[int, str], first: int, last: int, day: date) -> dict[int, str]:
    """The row with two adjacent date fields merged into one pattern: one of them is missing, or they are in order."""
    bare, quoted = ordered_days(day, _MONTHS, ","), ordered_days(day, _MONTHS, '","')
    pair = f'(?:{row[first]},{_MISSING}|{_MISSING},{row[last]}|{bare}|"{quoted}")'
    return {place: field for place, field in row.items() if place != last} | {first: pair}


def _field(feed: Feed, column: Column, latest: datetime, breaks: str) -> str:
    if column.kind == "text":
        field = _text(min(column.max_length, _LONGEST_REPEAT), breaks)
    else:
        value = _BLANK + _value(feed, column, latest) + _BLANK
        field = f'{value}|"{value}"'
    return f"(?:{field})" if column.required else f"(?:{field}|{_MISSING})"


def _value(feed: Feed, column: Column, latest: datetime) -> str:
    if column.kind == "date":
        return ANY_DAY
    return _status(feed) if column.kind == "status" else _stamp(latest)


def _text(longest: int, breaks: str) -> str:
    """A text that isn't blank; ``longest`` counts characters before trimming."""
    bare = f"[{_LETTER}][\t {_LETTER}]{{0,{longest - 1}}}"
    quoted = f'"(?:[,{_LETTER}]|"")(?:[\t ,{breaks}{_LETTER}]|""){{0,{longest - 1}}}"'
    return f"{_BLANK}{bare}|{quoted}"


def _status(feed: Feed) -> str:
    # Spelled out letter by letter: a case-insensitive pattern would also match the long s and the Kelvin sign.
    spellings = (*feed.statuses, *feed.status_synonyms)
    return f"(?:{'|'.join(''.join(map(_either_case, spelling)) for spelling in spellings)})"


def _either_case(char: str) -> str:
    return "[ _-]{1,3}" if char == " " else f"[{char}{char.upper()}]"


def _stamp(latest: datetime) -> str:
    """A timestamp that can't be after ``latest``, decided by its day alone for each hour of offset."""
    last_days: dict[date, list[str]] = {}

    def allow(offset: str, hours: int) -> None:
        # A time on day d with this offset is before d + 1 day - hours in UTC.
        last_days.setdefault((latest - timedelta(days=1) + timedelta(hours=hours)).date(), []).append(offset)

    allow("Z?", 0)
    for hour in range(19):
        minutes = "[0-5][0-9]" if hour < 18 else "00"
        allow(f"[+]{hour:02}:{minutes}", hour)
        allow(f"-{hour:02}:{minutes}", -hour - 1)
    clock = "[ T](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]{1,6})?"
    stamps = (f"{days_until(day)}{clock}(?:{'|'.join(offsets)})" for day, offsets in last_days.items())
    return f"(?:{'|'.join(stamps)})"
