"""What a plainly clean row looks like, as one regular expression, and how far a stretch of such rows goes.

RE2 runs it as one table-driven pass over the bytes, at several hundred MB/s, without the interpreter lock. It only ever
says "these rows are certainly clean"; whatever it doesn't match, oddly written good rows included, is judged by
``contract.rows`` one by one. So a pattern that is too narrow costs time, and only one that is too wide would be wrong:
every piece below must match nothing that the contract refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

from functions.validation.date_patterns import ANY_DAY, days_until, ordered_days
from spark_jobs.contract.feeds import Column, Feed
from spark_jobs.contract.file_validation import Stretch
from spark_jobs.contract.records import line_ends

# Every character but controls, blank, quote and comma. Leaving the surrogates out makes RE2 compile exact UTF-8.
_LETTER = r"!#-+\x2d-\x{D7FF}\x{E000}-\x{10FFFF}"
_BLANK = r"[\t ]?"
_MISSING = r'(?:""|[\t ])?'
_LONGEST_REPEAT = 999  # RE2 counts no further than 1,000
_MONTHS = 15  # until the file's own, in which dates that are to be compared are expected
_MEMORY = 40 * 1024 * 1024  # bytes at most that one compiled pattern and its table of states may take


class CleanRowPattern:
    """Clears stretches of clean rows of one file. ``day`` is the day in the file's name: dates are expected around it."""

    def __init__(self, feed: Feed, positions: Sequence[int], latest: datetime, day: date) -> None:
        # Only the hour matters to the pattern, so that files which arrive together share one.
        hour = latest.replace(minute=0, second=0, microsecond=0)
        self._one_line, self._many_lines = (
            f"(?:{_row(feed, positions, hour, day, breaks)}\r?\n)*" for breaks in ("", "\r\n")
        )
        self._compiled: dict[bool, _Pattern] = {}
        self.line_breaks = False
        """Whether rows with line breaks in quotes are to be cleared, too; they are a little more work to count."""

    def clear(self, data: bytes, at: int) -> Stretch | None:
        """The clean rows that begin at ``at``, whole rows with their line ends; None where the first row isn't clean."""
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
    import re2  # type: ignore[import-untyped]  # here, because most files are too small to need it

    options = re2.Options()
    options.max_mem = _MEMORY
    compiled = re2.compile(pattern, options)
    re2.purge()  # its own cache would keep 128 of these
    return compiled


def _row(feed: Feed, positions: Sequence[int], latest: datetime, day: date, breaks: str) -> str:
    """A row of the feed whose columns stand at ``positions``. ``breaks`` are the line breaks allowed within quotes."""
    fields = {place: _field(feed, column, latest, breaks) for column, place in zip(feed.columns, positions, strict=True)}
    rows = [fields]
    for later, earlier in feed.not_before:
        last, first = positions[feed.position(later)], positions[feed.position(earlier)]
        if last == first + 1:
            rows = [_with_ordered_pair(row, first, last, day) for row in rows]
        else:  # only side by side can they be compared: clear rows in which one of them is missing
            rows = [row | {place: _MISSING} for row in rows for place in (last, first)]
    return f"(?:{'|'.join(','.join(row[place] for place in sorted(row)) for row in rows)})"


def _with_ordered_pair(row: dict[int, str], first: int, last: int, day: date) -> dict[int, str]:
    """The row with the fields of two dates, side by side, as one: either is missing, or they are in order."""
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
    """A text that isn't all blanks; ``longest`` counts characters before trimming."""
    bare = f"[{_LETTER}][\t {_LETTER}]{{0,{longest - 1}}}"
    quoted = f'"(?:[,{_LETTER}]|"")(?:[\t ,{breaks}{_LETTER}]|""){{0,{longest - 1}}}"'
    return f"{_BLANK}{bare}|{quoted}"


def _status(feed: Feed) -> str:
    # Spelled out letter by letter: a case-insensitive pattern would take the long s and the Kelvin sign.
    spellings = (*feed.statuses, *feed.status_synonyms)
    return f"(?:{'|'.join(''.join(map(_either_case, spelling)) for spelling in spellings)})"


def _either_case(char: str) -> str:
    return "[ _-]{1,3}" if char == " " else f"[{char}{char.upper()}]"


def _stamp(latest: datetime) -> str:
    """A timestamp that can't lie after ``latest``, judged by its day alone, for each hour of offset."""
    last_days: dict[date, list[str]] = {}

    def allow(offset: str, hours: int) -> None:
        # A time on day d with this offset lies before d + 1 day - hours in UTC.
        last_days.setdefault((latest - timedelta(days=1) + timedelta(hours=hours)).date(), []).append(offset)

    allow("Z?", 0)
    for hour in range(19):
        minutes = "[0-5][0-9]" if hour < 18 else "00"
        allow(f"[+]{hour:02}:{minutes}", hour)
        allow(f"-{hour:02}:{minutes}", -hour - 1)
    clock = "[ T](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]{1,6})?"
    stamps = (f"{days_until(day)}{clock}(?:{'|'.join(offsets)})" for day, offsets in last_days.items())
    return f"(?:{'|'.join(stamps)})"
