"""What RE2 can't check, or only slowly, in rows that its pattern matched: the order of distant dates, and lengths of texts.

A regular expression can't compare two distant fields, and counting the characters of every text takes a table of states
beyond the processor's cache. Python's own walks over the fields of all rows at once, counts bytes and cuts out the dates;
functions of C compare these column by column, as texts. Only where texts differ in form are they parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import compress, repeat
from operator import lt, ne, or_
from typing import NamedTuple

from spark_jobs.contract.column_types import Column, Text, Timestamp
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.record_lists import Records
from spark_jobs.contract.rows import Positions, before
from spark_jobs.contract.values import parse_date, parse_timestamp

LONGEST_TEXT = 4096
"""Bytes of the longest text that is plain."""

# A list ends at the first quote after a bracket that isn't doubled: it has many quotes, but few brackets.
_LIST = r'"\[[^\]]*+(?:\](?!"(?!"))[^\]]*+)*+\]"'
_DATE = r'["\t ]*+([0-9-]*+)[^,\r\n]*+'
# In two groups: the time, and its offset. If it is written in another way, all or a part of it is in the second one.
_TIMESTAMP = r'["\t ]*+([0-9-]*+%s?+[0-9:.]*+)([^",\t\r\n]*+)[^,\r\n]*+'
_SEPARATORS = " T"
_ROW = r'[^"\n]*+(?:"[^"]*+"[^"\n]*+)*+\n'
_UTC = frozenset((b"", b"Z"))

_Texts = Sequence[bytes]


class Checked(NamedTuple):
    """``rows`` were checked; those that begin at ``doubtful`` may be bad."""

    rows: int
    doubtful: list[int]


class RowChecks:
    """Checks (later, earlier) pairs of dates or timestamps, wherever they are in a row, and the lengths of texts."""

    def __init__(self, feed: Feed, positions: Positions, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs = tuple(pairs)
        named = {name for pair in self._pairs for name in pair}
        columns = {place: column for column, place in zip(feed.columns, positions, strict=True) if place is not None}
        self._stamps = {name for name in named if isinstance(feed.column(name).type, Timestamp)}
        self._groups: dict[str, int] = {}
        """The group of a date, or the first group of a timestamp."""
        fields = []
        for place in range(len(columns)):
            column = columns[place]
            if column.name in named:
                self._groups[column.name] = len(self._groups) + sum(name in self._stamps for name in self._groups)
                fields.append(_TIMESTAMP if column.name in self._stamps else _DATE)
            else:
                fields.append(_skipped(column, "[^,]" if place < len(columns) - 1 else r"[^,\r\n]"))
        # A row with a text that is too long is the last group.
        pattern = f"{','.join(fields)}\r?\n|({_ROW})"
        self._rows = [re.compile(pattern.replace("%s", separator).encode()) for separator in _SEPARATORS]

    def check(self, data: bytes, at: int, end: int) -> Checked:
        """Check ``data[at:end]``, rows that the clean-row pattern matched."""
        columns = list(zip(*self._rows[0].findall(data, at, end), strict=True))
        if any(columns[self._groups[name] + 1][0][:1] == b"T" for name in self._stamps):
            self._rows.reverse()
            columns = list(zip(*self._rows[0].findall(data, at, end), strict=True))
        numbers = {number for pair in self._pairs for number in self._wrong(columns, *pair)}
        numbers.update(compress(range(len(columns[-1])), columns[-1]))
        if not numbers:
            return Checked(len(columns[-1]), [])
        begins = [found.start() for found in self._rows[0].finditer(data, at, end)]
        return Checked(len(begins), [begins[number] for number in sorted(numbers)])

    def _wrong(self, columns: Sequence[_Texts], later: str, earlier: str) -> Iterable[int]:
        """The numbers of the rows in which this pair is in the wrong order."""
        lasts, firsts = columns[self._groups[later]], columns[self._groups[earlier]]
        suspicious: Iterable[bool] = map(lt, lasts, firsts)
        offsets = [columns[self._groups[name] + 1] for name in (later, earlier) if name in self._stamps]
        if any(map(any, offsets)):
            if len(offsets) == 2:  # times with the same offset compare like their texts
                suspicious = map(or_, suspicious, map(ne, *offsets))
            elif not _UTC.issuperset(offsets[0]):
                suspicious = repeat(True)
        # A day compares with a timestamp like its first moment.
        for number in compress(range(len(lasts)), suspicious):
            if lasts[number] and firsts[number]:
                last, first = self._parsed(columns, later, number), self._parsed(columns, earlier, number)
                if last is None or first is None or before(last, first):
                    yield number

    def _parsed(self, columns: Sequence[_Texts], name: str, number: int) -> date | None:
        group = self._groups[name]
        if name in self._stamps:
            return parse_timestamp((columns[group][number] + columns[group + 1][number]).strip().decode())
        return parse_date(columns[group][number].decode())


def _skipped(column: Column, bare: str) -> str:
    """A field that is well-formed and whose value doesn't matter, except for the length of a text."""
    match column.type:
        case Records():
            return _LIST if column.required else f"(?:{_LIST}|{bare}*+)"
        case Text(max_length, None):
            longest = min(max_length, LONGEST_TEXT)
            quoted = f'[^"]{{0,{longest}}}+"(?!")'
            if (part := longest // 4 - 1) > 0:  # up to three quotes in the text, which are doubled
                quoted += f'|[^"]{{0,{part}}}+"(?:"[^"]{{0,{part}}}+"){{1,3}}+(?!")'
            return f'(?:"(?:{quoted})|{bare}{{0,{longest}}}+)'
    return f"{bare}*+"  # all others have neither commas nor quotes in them
