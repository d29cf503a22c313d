"""The types that a feed's columns can have. Each type has one reference implementation: ``parse``.

The fast paths (`functions.validation.clean_rows`, `spark_jobs.reading.columns`) may only err toward "not plainly clean";
these types decide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Protocol

from spark_jobs.contract.values import (
    Fault,
    Value,
    looks_like_number,
    parse_date,
    parse_number,
    parse_timestamp,
    plain_words,
)

MAX_PRECISION = 38
MAX_SCALE = 6
"""Beyond it, Spark would write small numbers with an exponent."""
_LONG = 2**63
_LONG_DIGITS = 20  # more than any number of 64 bits has


@dataclass(frozen=True)
class Form:
    """What a text must look like. ``plain`` is a regular expression (RE2 and Python) for texts of letters, digits and
    ``.@_+-`` that certainly have the form, for the fast paths, of at most ``plain_length`` characters; ``pattern``
    (Python) decides."""

    about: str
    pattern: str
    plain: str
    plain_length: int

    def matches(self, text: str) -> bool:
        return re.fullmatch(self.pattern, text) is not None


EMAIL = Form(
    "an address with exactly one @ and no white space",
    r"[^@\s]+@[^@\s]+",
    "[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9._+-]{1,64}",
    129,
)
CURRENCY = Form("three capital letters, such as EUR", "[A-Z]{3}", "[A-Z]{3}", 3)


class ColumnType(Protocol):
    """What the contract needs of a type."""

    @property
    def sql(self) -> str:
        """The type in Spark SQL."""

    @property
    def shortest(self) -> int:
        """Bytes of the shortest value as text."""

    @property
    def about(self) -> str:
        """The type in words, for the sender."""

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the violations that ``parse`` can find."""

    def parse(self, column: str, text: str, latest: datetime) -> Value | Fault:
        """The value of a trimmed text that isn't empty. ``latest`` (aware) is the latest timestamp allowed."""


@dataclass(frozen=True)
class Text:
    """``max_length`` counts characters, after trimming."""

    max_length: int
    form: Form | None = None
    sql = "STRING"
    shortest = 1

    @property
    def about(self) -> str:
        return f"text, at most {self.max_length:,} characters" + (f"; {self.form.about}" if self.form else "")

    @property
    def codes(self) -> tuple[str, ...]:
        return ("too_long", "bad_form") if self.form else ("too_long",)

    def parse(self, column: str, text: str, latest: datetime) -> Value | Fault:
        if len(text) > self.max_length:
            return Fault("too_long", column, text, self.max_length)
        return text if self.form is None or self.form.matches(text) else Fault("bad_form", column, text, self.form.about)


@dataclass(frozen=True)
class Date:
    """A day of the calendar."""

    sql = "DATE"
    shortest = len("YYYY-MM-DD")
    about = "date `YYYY-MM-DD`"
    codes = ("bad_date",)

    def parse(self, column: str, text: str, latest: datetime) -> Value | Fault:
        return parse_date(text) or Fault("bad_date", column, text)


@dataclass(frozen=True)
class Timestamp:
    """A moment. Unless ``future`` is set, it must not be much later than the file's arrival."""

    future: bool = False
    sql = "TIMESTAMP"
    shortest = len("YYYY-MM-DD HH:MM:SS")
    about = (
        "`YYYY-MM-DD HH:MM:SS[.ffffff]`, with a space or `T`, and optionally `Z` or `+hh:mm`; without an offset it is UTC"
    )

    @property
    def codes(self) -> tuple[str, ...]:
        return ("bad_timestamp",) if self.future else ("bad_timestamp", "timestamp_in_future")

    def parse(self, column: str, text: str, latest: datetime) -> Value | Fault:
        stamp = parse_timestamp(text)
        if stamp is None:
            return Fault("bad_timestamp", column, text)
        return (
            stamp
            if self.future or stamp <= latest
            else Fault("timestamp_in_future", column, text, f"{latest:%Y-%m-%d %H:%M:%S}")
        )


@dataclass(frozen=True)
class Enumeration:
    """One of some values, in the order of the lifecycle. ASCII case doesn't matter; a run of white space, ``_`` and ``-``
    counts as one space. ``synonyms``: other spellings and their value."""

    values: tuple[str, ...]
    synonyms: Mapping[str, str] = field(default_factory=dict)
    code: str = "unknown_value"
    """The code of the violation."""
    sql = "STRING"

    @property
    def shortest(self) -> int:
        return min(len(spelling) for spelling in (*self.values, *self.synonyms))

    @property
    def about(self) -> str:
        return ", ".join(self.values)

    @property
    def codes(self) -> tuple[str, ...]:
        return (self.code,)

    def parse(self, column: str, text: str, latest: datetime) -> Value | Fault:
        if text in self.ranks:
            return text
        words = plain_words(text)
        words = self.synonyms.get(words, words)
        return words if words in self.ranks else Fault(self.code, column, text, self._expected)

    @cached_property
    def _expected(self) -> str:
        return f"one of {', '.join(self.values)}"

    @cached_property
    def ranks(self) -> dict[str, int]:
        return {value: rank for rank, value in enumerate(self.values)}


@dataclass(frozen=True)
class Integer:
    """A whole number from ``low`` to ``high``."""

    low: int = -_LONG
    high: int = _LONG - 1
    sql = "BIGINT"
    shortest = 1
    codes = ("bad_number", "out_of_range")

    @property
    def about(self) -> str:
        return f"whole number from {self.low:,} to {self.high:,}"

    def parse(self, column: str, text: str, latest: datetime) -> Value | Fault:
        number = parse_number(text, _LONG_DIGITS, 0)
        if number is not None and self.low <= number <= self.high:
            return int(number)
        plain = "." not in text and looks_like_number(text)
        return Fault("out_of_range" if plain else "bad_number", column, text, f"a {self.about}")


@dataclass(frozen=True)
class Number:
    """A decimal number with ``precision`` digits, ``scale`` of them after the point. ``1.10`` equals ``1.1``."""

    precision: int
    scale: int
    low: Decimal | None = None
    high: Decimal | None = None
    shortest = 1
    codes = ("bad_number", "out_of_range")

    @property
    def sql(self) -> str:
        return f"DECIMAL({self.precision},{self.scale})"

    @property
    def about(self) -> str:
        least = "" if self.low is None else f" from {self.low}"
        most = "" if self.high is None else f" up to {self.high}"
        digits = f"at most {self.precision - self.scale} digits before the point and {self.scale} after it"
        return f"number{least}{most} with {digits}"

    def parse(self, column: str, text: str, latest: datetime) -> Value | Fault:
        number = parse_number(text, self.precision, self.scale)
        if number is not None and (self.low is None or self.low <= number) and (self.high is None or number <= self.high):
            return number
        return Fault("out_of_range" if looks_like_number(text) else "bad_number", column, text, f"a {self.about}")


@dataclass(frozen=True)
class Column:
    """One column of a feed, or one field of a record.

    ``about`` and ``example`` are for the sender. ``since``: the version of the feed that added this column; files without
    it are still valid, and its value is then missing.
    """

    name: str
    type: ColumnType
    required: bool = False
    about: str = ""
    example: str = ""
    since: int | None = None


def validate_value(column: Column, text: str, latest: datetime) -> Value | Fault:
    """The typed value of a field, or its fault. ``text`` is trimmed; an empty text means missing."""
    if text:
        return column.type.parse(column.name, text, latest)
    return Fault("required", column.name) if column.required else None


def as_text(value: Value) -> str:
    """A scalar as text, as newest-wins compares it. Moments of equal form compare like their texts."""
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)
