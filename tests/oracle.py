"""A second, independent implementation of the contract for any feed, written from design.md: slow and simple.

Tests compare the product with it. Of spark_jobs/contract it reads only the declarations. It cuts CSV byte by byte and JSON
character by character, and has its own calendar and numbers, so that it doesn't repeat a mistake in the product's regular
expressions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from spark_jobs.contract.column_types import CURRENCY, EMAIL, Column, Date, Enumeration, Integer, Number, Text, Timestamp
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.record_lists import Records

COLUMNS = ORDER_TRACKING.column_names
LIFECYCLE = ("order placed", "pending", "processing", "shipped", "in transit", "delivered", "canceled")
LONGEST_RECORD = 1024 * 1024
BLANK = " \t\n\r\x0b\x0c"

Row = dict[str, Any]


class Bad(Exception):
    """The value, row or file violates a rule."""


def read_file(content: bytes, arrival: datetime, feed: Feed = ORDER_TRACKING) -> list[tuple[int, Row | None]] | None:
    """(row number, typed row or None for a bad row) for every row; None if the file as a whole is bad.

    The caller checks the share of bad rows. ``arrival`` is aware; timestamps are returned aware, in UTC.
    """
    try:
        content.decode("utf-8")
        records = cut(content.removeprefix(b"\xef\xbb\xbf"))
        if not records:
            return None
        header, stray = records[0]
        names = [name.strip(BLANK) for name in header]
        always = {column.name for column in feed.columns if column.since is None}
        if stray or len(set(names)) < len(names) or not always <= set(names) <= set(feed.column_names):
            return None
        latest = arrival + feed.future_allowance
        return [(number, _row_or_none(feed, names, record, latest)) for number, record in enumerate(records[1:], 1)]
    except (Bad, UnicodeDecodeError):
        return None


def newest(rows: Iterable[Row], feed: Feed = ORDER_TRACKING) -> dict[Any, Row]:
    """Key -> the winning row, for any order of ``rows``. A key of several columns is a tuple."""
    winners: dict[Any, Row] = {}
    for row in rows:
        parts = tuple(row[name] for name in feed.key)
        key = parts if len(parts) > 1 else parts[0]
        held = winners.get(key)
        if held is None or age(row, feed) > age(held, feed):
            winners[key] = row
    return winners


def age(row: Row, feed: Feed = ORDER_TRACKING) -> tuple[object, ...]:
    """Of two rows with the same key, the one with the larger age wins."""
    return tuple(_rank(feed.column(name), row[name]) for name in feed.newest_by)


def _rank(column: Column, value: Any) -> tuple[object, ...]:
    if value is None:
        return (0,)
    if isinstance(column.type, Enumeration):
        return (1, column.type.values.index(value))
    if isinstance(column.type, Timestamp):
        return (1, value)
    return (1, canonical(value) if isinstance(value, list) else _plain(value))


def canonical(records: list[Row]) -> str:
    """The text by which lists of records are compared."""
    shown = []
    for record in records:
        fields = [f'"{name}":{_json(value)}' for name, value in record.items() if value is not None]
        shown.append("{" + ",".join(fields) + "}")
    return "[" + ",".join(shown) + "]"


def _json(value: Any) -> str:
    if isinstance(value, (int, Decimal)):
        return _plain(value)
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(escapes.get(char, char) for char in _plain(value)) + '"'


def _plain(value: Any) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def cut(content: bytes) -> list[tuple[list[str], bool]]:
    """Records as (fields, whether a quote is misplaced), without empty lines. Raises Bad."""
    records: list[tuple[list[str], bool]] = []
    fields: list[str] = []
    field = bytearray()
    stray = False
    state = "start"  # of a field; "plain", "quoted", or "closed": right after a quote in a quoted field
    begin = at = 0

    def end_field() -> None:
        nonlocal state
        fields.append(field.decode("utf-8"))
        field.clear()
        state = "start"

    def end_record() -> None:
        nonlocal fields, stray
        if at - begin > LONGEST_RECORD:
            raise Bad
        if at > begin:
            end_field()
            records.append((fields, stray))
        fields, stray = [], False

    while at < len(content):
        byte = content[at : at + 1]
        if state == "quoted":
            if byte == b'"':
                state = "closed"
            else:
                field += byte
        elif byte == b'"' and state == "start":
            state = "quoted"
        elif byte == b'"' and state == "closed":
            field += byte
            state = "quoted"
        elif byte == b",":
            end_field()
        elif byte in b"\r\n":
            end_record()
            if byte == b"\r":
                at += 1
                if content[at : at + 1] != b"\n":
                    raise Bad
            begin = at + 1
        else:
            stray = stray or byte == b'"' or state == "closed"
            field += byte
            state = "plain"
        at += 1
    if state == "quoted":
        raise Bad
    end_record()
    return records


def _row_or_none(feed: Feed, names: list[str], record: tuple[list[str], bool], latest: datetime) -> Row | None:
    fields, stray = record
    if stray or len(fields) != len(names):
        return None
    if any(_control(char) for field in fields for char in field):
        return None
    text = {name: field.strip(BLANK) for name, field in zip(names, fields, strict=True)}
    try:
        row = {column.name: value_of(column, text.get(column.name, ""), latest) for column in feed.columns}
    except Bad:
        return None
    for later, earlier in feed.not_before:
        last, first = row[later], row[earlier]
        if last is not None and first is not None and _before(last, first):
            return None
    return row


def _control(char: str) -> bool:
    return ord(char) < 32 and char not in "\t\n\r"


def _before(last: date, first: date) -> bool:
    if isinstance(last, datetime) and isinstance(first, datetime):
        return last < first
    return last.isoformat()[:10] < first.isoformat()[:10]


def value_of(column: Column, text: str, latest: datetime) -> Any:
    """The value of a trimmed text; None if it is missing. Raises Bad."""
    if not text:
        if column.required:
            raise Bad
        return None
    match column.type:
        case Text():
            return _text(text, column.type)
        case Date():
            return _day(text)
        case Timestamp(future):
            stamp = _instant(text)
            if not future and stamp > latest:
                raise Bad
            return stamp
        case Enumeration():
            return _word(text, column.type)
        case Integer() | Number():
            return _amount(text, column.type)
        case Records():
            return _Reader(text).records(column.type, latest)
    raise AssertionError(f"{column.name} has a type that the oracle doesn't know")


_FORMS: dict[str, Callable[[str], bool]] = {
    EMAIL.about: lambda text: len(sides := text.split("@")) == 2 and all(sides) and not any(c.isspace() for c in text),
    CURRENCY.about: lambda text: len(text) == 3 and all(char in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for char in text),
}


def _text(text: str, kind: Text) -> str:
    if len(text) > kind.max_length:
        raise Bad
    if kind.form is not None:
        known = _FORMS.get(kind.form.about)
        if not (known(text) if known else re.fullmatch(kind.form.pattern, text)):
            raise Bad
    return text


def _amount(text: str, kind: Integer | Number) -> int | Decimal:
    """A number without exponent, plus sign, thousands separator or leading zeros."""
    sign = "-" if text.startswith("-") else ""
    whole, point, fraction = text.removeprefix("-").partition(".")
    if not _digits(whole) or (whole[0] == "0" and whole != "0") or (point and not _digits(fraction)):
        raise Bad
    if isinstance(kind, Integer):
        if point or len(whole) > 19 or not kind.low <= int(sign + whole) <= kind.high:
            raise Bad
        return int(sign + whole)
    if len(whole if whole != "0" else "") > kind.precision - kind.scale or len(fraction) > kind.scale:
        raise Bad
    value = Decimal(f"{sign}{whole}.{fraction:0<{kind.scale}}")
    value = value if value else abs(value)  # there is no negative zero
    if (kind.low is not None and value < kind.low) or (kind.high is not None and value > kind.high):
        raise Bad
    return value


def _digits(text: str) -> bool:
    return text != "" and all(digit in "0123456789" for digit in text)


def _number(digits: str, width: int) -> int:
    if len(digits) != width or any(digit not in "0123456789" for digit in digits):
        raise Bad
    return int(digits)


def _day(text: str) -> date:
    if len(text) != 10 or text[4] != "-" or text[7] != "-":
        raise Bad
    year, month, day = _number(text[:4], 4), _number(text[5:7], 2), _number(text[8:], 2)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if year < 1 or not 1 <= month <= 12:
        raise Bad
    if not 1 <= day <= [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]:
        raise Bad
    return date(year, month, day)


def _instant(text: str) -> datetime:
    day = _day(text[:10])
    if text[10:11] not in ("T", " ") or text[13:14] != ":" or text[16:17] != ":":
        raise Bad
    hour, minute, second = _number(text[11:13], 2), _number(text[14:16], 2), _number(text[17:19], 2)
    if hour > 23 or minute > 59 or second > 59:
        raise Bad
    rest = text[19:]
    micro = 0
    if rest.startswith("."):
        digits = rest[1:].removesuffix("Z").split("+")[0].split("-")[0]
        if not 1 <= len(digits) <= 6:
            raise Bad
        micro = _number(digits, len(digits)) * 10 ** (6 - len(digits))
        rest = rest[1 + len(digits) :]
    east = timedelta()
    if rest not in ("", "Z"):
        if len(rest) != 6 or rest[0] not in "+-" or rest[3] != ":":
            raise Bad
        minutes = _number(rest[1:3], 2) * 60 + _number(rest[4:], 2)
        if _number(rest[4:], 2) > 59 or minutes > 18 * 60:
            raise Bad
        east = timedelta(minutes=minutes if rest[0] == "+" else -minutes)
    try:
        local = datetime(day.year, day.month, day.day, hour, minute, second, micro, tzinfo=UTC)
        return local - east
    except OverflowError:
        raise Bad from None


def _word(text: str, kind: Enumeration) -> str:
    for gap in "\t\n\r\x0b\x0c_-":
        text = text.replace(gap, " ")
    while "  " in text:
        text = text.replace("  ", " ")
    if not text.isascii():
        raise Bad
    text = text.lower()
    text = kind.synonyms.get(text, text)
    if text not in kind.values:
        raise Bad
    return text


class _Reader:
    """Reads a JSON array of flat objects (RFC 8259). Anything else, nested values included, is bad."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def records(self, kind: Records, latest: datetime) -> list[Row]:
        found: list[Row] = []
        self._expect("[")
        while True:
            found.append(self._record(kind, latest))
            if self._one_of(",]") == "]":
                break
        self._blanks()
        if self._at < len(self._text) or len(found) > kind.max_records:
            raise Bad
        return found

    def _record(self, kind: Records, latest: datetime) -> Row:
        given: dict[str, tuple[str, str] | None] = {}
        self._expect("{")
        if self._peek() == "}":
            self._at += 1
        else:
            while True:
                name = self._string()
                self._expect(":")
                if name in given:
                    raise Bad
                given[name] = self._scalar()
                if self._one_of(",}") == "}":
                    break
        if not given.keys() <= {field.name for field in kind.fields}:
            raise Bad
        return {field.name: self._field(field, given.get(field.name), latest) for field in kind.fields}

    def _field(self, field: Column, given: tuple[str, str] | None, latest: datetime) -> Any:
        form, text = given or ("", "")
        if given and form != ("number" if isinstance(field.type, (Integer, Number)) else "string"):
            raise Bad
        if any(_control(char) or "\ud800" <= char <= "\udfff" for char in text):
            raise Bad
        return value_of(field, text.strip(BLANK), latest)

    def _scalar(self) -> tuple[str, str] | None:
        """A string or number, as text; None for null. A number is whatever ends where JSON goes on: its field judges it."""
        if self._peek() == '"':
            return "string", self._string()
        begin = self._at
        while self._at < len(self._text) and self._text[self._at] not in " \t\n\r,}":
            self._at += 1
        text = self._text[begin : self._at]
        if not text:
            raise Bad
        return None if text == "null" else ("number", text)

    def _string(self) -> str:
        self._expect('"')
        chars: list[str] = []
        while (char := self._next()) != '"':
            if ord(char) < 32:
                raise Bad
            chars.append(self._escaped() if char == "\\" else char)
        return "".join(chars)

    def _escaped(self) -> str:
        char = self._next()
        if char != "u":
            if char not in '"\\/bfnrt':
                raise Bad
            return {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}.get(char, char)
        unit = self._hex()
        if 0xD800 <= unit < 0xDC00 and self._text[self._at : self._at + 2] == "\\u":
            back = self._at
            self._at += 2
            low = self._hex()
            if 0xDC00 <= low < 0xE000:
                return chr(0x10000 + (unit - 0xD800) * 0x400 + low - 0xDC00)
            self._at = back
        return chr(unit)

    def _hex(self) -> int:
        digits = [self._next() for _ in range(4)]
        if any(digit not in "0123456789abcdefABCDEF" for digit in digits):
            raise Bad
        return int("".join(digits), 16)

    def _next(self) -> str:
        if self._at >= len(self._text):
            raise Bad
        self._at += 1
        return self._text[self._at - 1]

    def _blanks(self) -> None:
        while self._at < len(self._text) and self._text[self._at] in " \t\n\r":
            self._at += 1

    def _peek(self) -> str:
        self._blanks()
        return self._text[self._at : self._at + 1]

    def _one_of(self, chars: str) -> str:
        self._blanks()
        char = self._next()
        if char not in chars:
            raise Bad
        return char

    def _expect(self, char: str) -> None:
        self._one_of(char)
