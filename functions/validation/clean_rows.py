"""The function's fast path: one regular expression for a plainly clean row, used to skip stretches of such rows.

RE2 runs it as one table-driven pass over the bytes, at several hundred MB/s, without the interpreter lock. A match means
"these rows are certainly clean". ``contract.rows`` validates everything else one by one, including good rows in unusual
spellings. A pattern that is too narrow therefore only costs time, but one that is too wide would be wrong: no part of it
may match anything that the contract rejects.

Two rules are beyond a regular expression, and are checked after a match: the order of dates that are far apart in the row
(`row_checks`), and the number of records in a long list (by the length of its line).
"""

from __future__ import annotations

from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

from functions.validation.date_patterns import ordered_days
from functions.validation.row_checks import LONGEST_TEXT, Checked, RowChecks
from functions.validation.value_patterns import (
    BLANK,
    LONGEST_REPEAT,
    MISSING,
    counted,
    list_pattern,
    quoted_or_bare,
    text,
    value,
)
from spark_jobs.contract.column_types import Column, Date, Text
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.file_validation import Stretch
from spark_jobs.contract.record_lists import Records
from spark_jobs.contract.records import MAX_RECORD_BYTES, line_ends
from spark_jobs.contract.rows import Positions

_MONTHS = 15  # the months up to the file's own in which adjacent pairs of dates are compared by the pattern
_MAX_ORDERED_PAIRS = 2  # compared by the pattern: each makes it much larger
_MEMORY = 40 * 1024 * 1024  # limit in bytes for one compiled pattern and its table of states
_COUNTED_CHARACTERS, _SHORT_TEXT = 9000, 100
_LONGEST_FIELD = LONGEST_TEXT + 100  # bytes of the longest field that the pattern matches, lists of records excepted
_PART = 128 * 1024  # bytes that are matched while as many are checked
_LONGEST_LINE = MAX_RECORD_BYTES // 2


class _Matched(NamedTuple):
    """``data[begin:end]`` are the rows that the pattern matched. ``checked``: None if nothing else had to be checked."""

    data: bytes
    begin: int
    end: int
    checked: Checked | None


class CleanRowPattern:
    """Finds stretches of clean rows in one file. ``day`` is the day in the file's name: dates are expected around it."""

    def __init__(self, feed: Feed, positions: Positions, latest: datetime, day: date) -> None:
        # Rounded to the hour, so that files which arrive together share a compiled pattern.
        hour = latest.replace(minute=0, second=0, microsecond=0)
        adjacent, far = _pairs(feed, positions)
        self._one_line, self._many_lines = (
            f"(?:{_row(feed, positions, adjacent, hour, day, breaks, count=not far)}\r?\n)*" for breaks in ("", "\r\n")
        )
        self._compiled: dict[bool, _Pattern] = {}
        self._checks = RowChecks(feed, positions, far) if far else None
        self._longest_line = _longest_line(feed)
        self._matched = _Matched(b"", 0, 0, None)
        self._possible = len(feed.columns) * _LONGEST_FIELD + _LONGEST_LINE <= MAX_RECORD_BYTES
        self.line_breaks = False
        """Whether to match rows with line breaks in quotes, too; counting them takes a little longer."""

    def clear(self, data: bytes, at: int) -> Stretch | None:
        """The clean rows that begin at ``at``, with their line ends; None if the first row isn't certainly clean."""
        # After a doubtful row, the rest of the match is still valid: matching it again for each would take quadratic time.
        if self._matched.data is not data or not self._matched.begin <= at < self._matched.end:
            self._matched = self._match(data, at)
        matched, end = self._matched, self._matched.end
        if matched.checked:
            doubtful = matched.checked.doubtful
            following = bisect_left(doubtful, at)
            end = doubtful[following] if following < len(doubtful) else end
        if end == at:
            return None
        if not self.line_breaks:
            counted = matched.checked and (at, end) == (matched.begin, matched.end)
            lines = matched.checked.rows if matched.checked and counted else data.count(b"\n", at, end)
            return Stretch(end, lines, lines)
        stretch = data[at:end]
        unquoted = b"".join(stretch.split(b'"')[::2])
        return Stretch(end, unquoted.count(b"\n"), line_ends(stretch))

    def _match(self, data: bytes, at: int) -> _Matched:
        pattern = self._pattern()
        if not pattern:
            return _Matched(data, at, at, None)
        if self._checks and not self.line_breaks:
            return self._match_and_check(pattern, self._checks, data, at)
        end = self._end(pattern, data, at, len(data))
        return _Matched(data, at, end, self._checks.check(data, at, end) if self._checks and end > at else None)

    def _end(self, pattern: _Pattern, data: bytes, at: int, limit: int) -> int:
        """The end of the clean rows that begin at ``at``, before ``limit``."""
        end: int = pattern.match(data, at, limit).end()
        return _before_long_line(data, at, end, self._longest_line) if self._longest_line else end

    def _match_and_check(self, pattern: _Pattern, checks: RowChecks, data: bytes, at: int) -> _Matched:
        """The same in parts: a thread matches the next parts, without the interpreter lock, while one is checked."""
        limits = _parts(data, at)
        first = self._end(pattern, data, at, limits[0])
        if first < limits[0] or len(limits) == 1:  # no thread for the few rows between two bad ones
            return _Matched(data, at, first, checks.check(data, at, first) if first > at else None)
        with ThreadPoolExecutor(1) as thread:
            # All at once: a part submitted during a check would wait for the lock until the check is done. Whether a part
            # counts is known only later: the one before it must match up to its limit.
            ends = [thread.submit(self._end, pattern, data, *part) for part in pairwise(limits)]
            rows, doubtful = checks.check(data, at, first)
            begin = first
            for limit, matching in zip(limits[1:], ends, strict=True):
                end = matching.result()
                checked = checks.check(data, begin, end) if end > begin else Checked(0, [])
                rows, doubtful, begin = rows + checked.rows, doubtful + checked.doubtful, end
                if end < limit:
                    break
            thread.shutdown(wait=False, cancel_futures=True)
        return _Matched(data, at, begin, Checked(rows, doubtful))

    def _pattern(self) -> _Pattern | None:
        """None if the feed has more columns than a pattern can hold: then the contract validates every row."""
        if self._possible and self.line_breaks not in self._compiled:
            compiled = _compiled(self._many_lines if self.line_breaks else self._one_line)
            self._possible = compiled is not None
            if compiled:
                self._compiled[self.line_breaks] = compiled
        return self._compiled[self.line_breaks] if self._possible else None


class _Pattern(Protocol):
    def match(self, text: bytes, pos: int, endpos: int) -> Any: ...


@lru_cache(maxsize=2)
def _compiled(pattern: str) -> _Pattern | None:
    """None if it is too large."""
    import re2  # type: ignore[import-untyped]  # imported late: most files are too small to need it

    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    try:
        compiled: _Pattern = re2.compile(pattern, options)
    except re2.error:
        return None
    finally:
        re2.purge()  # re2's own cache would keep 128 of these
    return compiled


def _pairs(feed: Feed, positions: Positions) -> tuple[list[int], list[tuple[str, str]]]:
    """The pairs of dates that the file has: the first place of those that the pattern compares, and all others' names."""
    adjacent: list[int] = []
    far: list[tuple[str, str]] = []
    for later, earlier in feed.not_before:
        last, first = positions[feed.position(later)], positions[feed.position(earlier)]
        if last is None or first is None or last == first:
            continue
        dates = isinstance(feed.column(later).type, Date) and isinstance(feed.column(earlier).type, Date)
        separate = all(abs(first - other) > 1 for other in adjacent)
        if dates and last == first + 1 and separate and len(adjacent) < _MAX_ORDERED_PAIRS:
            adjacent.append(first)
        else:
            far.append((later, earlier))
    return adjacent, far


def _row(
    feed: Feed, positions: Positions, adjacent: list[int], latest: datetime, day: date, breaks: str, *, count: bool
) -> str:
    """A row whose columns are at ``positions``. ``breaks`` are the line break characters allowed within quotes. Without
    ``count``, texts may have any length."""
    # With many columns, only shorter texts are plain: the pattern must not grow with both.
    longest_text = max(_SHORT_TEXT, min(LONGEST_REPEAT, _COUNTED_CHARACTERS // len(feed.columns)))
    fields = {
        place: _field(column, longest_text, latest, breaks, count=count)
        for column, place in zip(feed.columns, positions, strict=True)
        if place is not None
    }
    for first in adjacent:
        fields[first] = _ordered_pair(fields[first], fields.pop(first + 1), day)
    return ",".join(fields[place] for place in sorted(fields))


def _ordered_pair(earlier: str, later: str, day: date) -> str:
    """Two adjacent date fields as one pattern: one of them is missing, or they are in order."""
    bare, quoted = ordered_days(day, _MONTHS, ","), ordered_days(day, _MONTHS, '","')
    return f'(?:{earlier},{MISSING}|{MISSING},{later}|{bare}|"{quoted}")'


def _field(column: Column, longest_text: int, latest: datetime, breaks: str, *, count: bool) -> str:
    match column.type:
        case Text(max_length, None):
            field = text(min(max_length, longest_text), breaks, count=count)
        case Records():
            field = list_pattern(column.type, latest)
        case _:
            field = quoted_or_bare(BLANK + value(column.type, latest) + BLANK)
    return f"(?:{field})" if column.required else f"(?:{field}|{MISSING})"


def _parts(data: bytes, at: int) -> list[int]:
    """The ends of parts of ``data[at:]``. Each but the last ends with a line."""
    limits = []
    while len(data) - at > _PART:
        at = data.rfind(b"\n", at, at + _PART) + 1 or data.find(b"\n", at + _PART) + 1 or len(data)
        limits.append(at)
    if not limits or limits[-1] < len(data):
        limits.append(len(data))
    return limits


def _longest_line(feed: Feed) -> int:
    """The bytes that a line may have so that no list in it can have too many records; 0 if the pattern counts them."""
    lists = [column.type for column in feed.columns if isinstance(column.type, Records)]
    limits = [kind.max_records * kind.shortest_record for kind in lists if not counted(kind)]
    return min(*limits, _LONGEST_LINE) if limits else 0


def _before_long_line(data: bytes, at: int, end: int, longest: int) -> int:
    """The end of the last row in ``data[at:end]``, which are whole rows, before the first line that is longer."""
    begin = at
    while begin < end:
        following = data.rfind(b"\n", begin, begin + longest) + 1
        if not following:
            while data.count(b'"', at, begin) % 2:  # within quotes: not the beginning of a row
                begin = data.rfind(b"\n", at, begin - 1) + 1 or at
            return begin
        begin = following
    return end
