"""The plain spellings of each column type's values as regular expressions (RE2 dialect).

Every pattern matches only texts that the contract's ``parse`` of the type accepts; what it doesn't match isn't plain.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta

from functions.validation.date_patterns import ANY_DAY, SAFE_DAY, days_until
from functions.validation.number_patterns import NOTHING, decimals, whole_numbers
from spark_jobs.contract.column_types import Column, ColumnType, Date, Enumeration, Form, Integer, Number, Text, Timestamp
from spark_jobs.contract.record_lists import Records

# Every character except controls, blank, quote and comma. Without the surrogates, RE2 compiles exact UTF-8.
_LETTER = r"!#-+\x2d-\x{D7FF}\x{E000}-\x{10FFFF}"
# Every character except controls, blank, quote and backslash.
_JSON_LETTER = r"!#-\x5b\x5d-\x{D7FF}\x{E000}-\x{10FFFF}"
BLANK = r"[\t ]?"
MISSING = r'(?:""|[\t ])?'
LONGEST_REPEAT = 999  # RE2 supports repeat counts up to 1,000
_LONGEST_IN_LIST = 256
SHORT_LIST = 12
"""The records of a short list are counted by the pattern, up to so many."""
_LONG_LIST_BYTES = 4096


def quoted_or_bare(pattern: str) -> str:
    return f'{pattern}|"{pattern}"'


def value(kind: ColumnType, latest: datetime) -> str:
    """A value, trimmed and without quotes. Not for lists, and not for texts without a form."""
    match kind:
        case Text(max_length, Form() as form):
            return form.plain if form.plain_length <= max_length else NOTHING
        case Date():
            return ANY_DAY
        case Timestamp(future):
            return _any_stamp() if future else _stamp(latest)
        case Enumeration():
            return _word(kind)
        case Integer(low, high):
            return whole_numbers(low, high)
        case Number():
            return _number(kind)
    return NOTHING


def text(longest: int, breaks: str, *, count: bool = True) -> str:
    """A text that isn't blank, bare or quoted; ``longest`` counts characters before trimming. ``breaks`` are the line break
    characters allowed within quotes. Without ``count``, it may have any length."""
    more = f"{{0,{longest - 1}}}" if count else "*"
    return f'{BLANK}[{_LETTER}][\t {_LETTER}]{more}|"(?:[,{_LETTER}]|"")(?:[\t ,{breaks}{_LETTER}]|""){more}"'


def counted(kind: Records) -> bool:
    """Whether the pattern counts the records of a list. It doesn't where so many need a very long line."""
    return kind.max_records * kind.shortest_record < _LONG_LIST_BYTES


def list_pattern(kind: Records, latest: datetime) -> str:
    """A list of records in quotes: every field in the declared order, at most one blank after a colon or comma."""
    record, more = _record(kind, latest), ", ?"
    if counted(kind):
        # Not with a repeat count: RE2 refuses nested ones whose product is above 1,000.
        others = min(kind.max_records, SHORT_LIST) - 1
        return f'"\\[{record}{f"(?:{more}{record}" * others}{")?" * others}\\]"'
    return f'"\\[{record}(?:{more}{record})*\\]"'


def _record(kind: Records, latest: datetime) -> str:
    """Fields before the first required one are followed by a comma, those after it follow one. Without a required field,
    the first one must be there, at least as null."""
    lead = next((place for place, field in enumerate(kind.fields) if field.required), 0)
    before = "".join(f"(?:{_member(field, latest)}, ?)?" for field in kind.fields[:lead])
    after = "".join(
        f", ?{_member(field, latest)}" if field.required else f"(?:, ?{_member(field, latest)})?"
        for field in kind.fields[lead + 1 :]
    )
    return f"{{{before}{_member(kind.fields[lead], latest)}{after}}}"


def _member(field: Column, latest: datetime) -> str:
    """A name and its value; every quote is doubled, because the list is in quotes."""
    name = json.dumps(field.name).replace('"', '""')
    match field.type:
        case Text(max_length, None):
            longest = min(max_length, _LONGEST_IN_LIST)
            written = f'""[{_JSON_LETTER}][ {_JSON_LETTER}]{{0,{longest - 1}}}""'
        case Integer() | Number():
            written = value(field.type, latest)
        case _:
            written = f'""{value(field.type, latest)}""'
    return f"{name}: ?{written if field.required else f'(?:{written}|null)'}"


def _word(kind: Enumeration) -> str:
    # Spelled out letter by letter: a case-insensitive pattern would also match the long s and the Kelvin sign.
    spellings = (*kind.values, *kind.synonyms)
    return f"(?:{'|'.join(''.join(map(_either_case, spelling)) for spelling in spellings)})"


def _either_case(char: str) -> str:
    return "[ _-]{1,3}" if char == " " else f"[{char}{char.upper()}]"


def _number(kind: Number) -> str:
    return decimals(kind.low, kind.high, 10 ** (kind.precision - kind.scale) - 1, kind.scale)


def _any_stamp() -> str:
    return f"{SAFE_DAY}{_CLOCK}(?:Z|[+-](?:(?:0[0-9]|1[0-7]):[0-5][0-9]|18:00))?"


_CLOCK = "[ T](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]{1,6})?"


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
    stamps = (f"{days_until(day)}{_CLOCK}(?:{'|'.join(offsets)})" for day, offsets in last_days.items())
    return f"(?:{'|'.join(stamps)})"
