"""What a feed is: one declared kind of file. A declaration that can't work fails when it is made, with one sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from spark_jobs.contract.column_types import (
    MAX_PRECISION,
    MAX_SCALE,
    Column,
    Date,
    Enumeration,
    Integer,
    Number,
    Text,
    Timestamp,
)
from spark_jobs.contract.record_lists import Records
from spark_jobs.contract.values import parse_number

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_ALLOWED_NAMES = "use at most 63 lower-case letters, digits and underscores, a letter first"
RESERVED_COLUMNS = frozenset(("file_id", "row_number", "batch_id", "raw_line", "violations", "newest", "tied"))
"""Columns that the tables have besides the feed's."""
_KEY_TYPES = (Text, Date, Enumeration, Integer)
_ENUMERATION_CODES = ("unknown_status", "unknown_value")
_MAX_ALLOWANCE = timedelta(days=366)
_RECORD_TYPES = (Text, Date, Enumeration, Integer, Number)


class DeclarationError(ValueError):
    """A declaration that can't work; the message is one sentence for the person who wrote it."""


@dataclass(frozen=True)
class Feed:
    """A declared kind of file.

    ``key``: the columns that identify a row. ``newest_by`` lists the columns that decide which of two rows with the same
    key is newer: values are compared in this order, missing lowest. The first is a timestamp. It must cover every column
    except the key, so that the order is total on content. Enumerations compare by their rank, all others as text.
    """

    name: str
    title: str
    """In a few words, for people: "order tracking"."""
    file_prefix: str
    table_prefix: str
    """Tables are called PREFIX_target, PREFIX_stage and so on."""
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    newest_by: tuple[str, ...]
    not_before: tuple[tuple[str, str], ...] = ()
    """(later, earlier) pairs of dates or timestamps: if both have a value, the first must not be before the second. Where
    one of them is a date, days (in UTC) are compared."""
    version: int = 1
    """Grows when a column is added."""
    about: str = ""
    """One sentence for senders: what a row is."""
    future_allowance: timedelta = timedelta(hours=24)
    """How far a timestamp may be after the file's arrival: a far-future timestamp would pin its row forever."""

    def __post_init__(self) -> None:
        if problem := _problem(self):
            raise DeclarationError(f"feed {self.name!r}: {problem}")

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def position(self, column: str) -> int:
        """Index of a column in a typed row."""
        return self._positions[column]

    def column(self, name: str) -> Column:
        return self.columns[self._positions[name]]

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.column_names)}

    @cached_property
    def _file_name(self) -> re.Pattern[str]:
        return re.compile(re.escape(self.file_prefix) + r"_(\d{4})_(\d{2})_(\d{2})\.csv", re.ASCII)

    @cached_property
    def key_positions(self) -> tuple[int, ...]:
        return tuple(self._positions[name] for name in self.key)

    @property
    def moment(self) -> str:
        """The timestamp that is compared first."""
        return self.newest_by[0]

    @cached_property
    def status_column(self) -> str | None:
        """The column with a row's status: the first enumeration in ``newest_by``. None if there is none."""
        return next((name for name in self.newest_by if isinstance(self.column(name).type, Enumeration)), None)

    @cached_property
    def status_ranks(self) -> dict[str, int]:
        """The place of each status in its lifecycle; empty if the feed has no status."""
        kind = self.column(self.status_column).type if self.status_column else None
        return kind.ranks if isinstance(kind, Enumeration) else {}

    @property
    def file_pattern(self) -> str:
        """The form of a file's name, for people."""
        return f"{self.file_prefix}_YYYY_MM_DD.csv"

    def file_date(self, base_name: str) -> date | None:
        """The date in a file's base name; None if the name doesn't match this feed or the date doesn't exist."""
        found = self._file_name.fullmatch(base_name)
        if not found:
            return None
        try:
            return date(*(int(part) for part in found.groups()))
        except ValueError:
            return None


def _problem(feed: Feed) -> str | None:
    """The first reason why a declaration can't work; None if it can."""
    for what, name in (("name", feed.name), ("file prefix", feed.file_prefix), ("table prefix", feed.table_prefix)):
        if not _NAME.fullmatch(name):
            return f"its {what} is {name!r}; {_ALLOWED_NAMES}"
    return (
        _columns_problem(feed.columns, "column")
        or _key_problem(feed)
        or _order_problem(feed)
        or next(filter(None, (_pair_problem(feed, *pair) for pair in feed.not_before)), None)
        or _versions_problem(feed)
        or (
            None if timedelta() <= feed.future_allowance <= _MAX_ALLOWANCE else "its future allowance must be 0 to 366 days"
        )
    )


def _columns_problem(columns: tuple[Column, ...], kind: str) -> str | None:
    seen: set[str] = set()
    for column in columns:
        name = column.name
        if not _NAME.fullmatch(name):
            return f"the name of its {kind} is {name!r}; {_ALLOWED_NAMES}"
        if name in seen:
            return f"it declares the {kind} {name} twice"
        if name in RESERVED_COLUMNS:
            return f"its {kind} {name} has the name of a column that every table has"
        if column.since is not None and kind != "column":
            return f"its {kind} {name} can't have a version; add a column instead"
        if column.since is not None and column.required:
            return f"its {kind} {name} can't be required, because files before version {column.since} don't have it"
        if problem := _type_problem(column, kind):
            return f"its {kind} {name} {problem}"
        seen.add(name)
    return None


def _type_problem(column: Column, kind: str) -> str | None:
    match column.type:
        case Text(max_length, form):
            if not 1 <= max_length <= 65536:
                return "must allow 1 to 65,536 characters"
            return (
                None if form is None or _is_pattern(form.pattern) else "has a form whose pattern is no regular expression"
            )
        case Date() | Timestamp():
            return None
        case Enumeration():
            return _enumeration_problem(column.type)
        case Integer(low, high):
            return None if -(2**63) <= low <= high < 2**63 else "must have bounds within 64 bits, the lower one first"
        case Number():
            return _number_problem(column.type)
        case Records(fields, max_records):
            if kind != "column":
                return "can't be a list of records inside another one"
            if not fields or not 1 <= max_records <= 10_000:
                return "must have at least one field, and allow 1 to 10,000 records"
            if any(not isinstance(one.type, _RECORD_TYPES) for one in fields):
                return "may have fields of these types only: text, date, enumeration, integer, number"
            return _columns_problem(fields, "field")
    return f"has the unknown type {type(column.type).__name__}"


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def _enumeration_problem(kind: Enumeration) -> str | None:
    if not kind.values or len(set(kind.values)) < len(kind.values):
        return "must have at least one value, each once"
    for text in (*kind.values, *kind.synonyms):
        if not re.fullmatch("[a-z0-9]+(?: [a-z0-9]+)*", text):
            return f"has the value {text!r}; use lower-case words with single spaces"
    for text, meant in kind.synonyms.items():
        if text in kind.values or meant not in kind.values:
            return f"has the synonym {text!r} of {meant!r}; a synonym is another spelling of a declared value"
    return None if kind.code in _ENUMERATION_CODES else f"has the code {kind.code!r}; use {' or '.join(_ENUMERATION_CODES)}"


def _number_problem(kind: Number) -> str | None:
    if not (1 <= kind.precision <= MAX_PRECISION and 0 <= kind.scale <= min(kind.precision, MAX_SCALE)):
        return f"must have at most {MAX_PRECISION} digits, at most {MAX_SCALE} of them after the point"
    for bound in (kind.low, kind.high):
        if bound is not None and parse_number(f"{bound:f}", kind.precision, kind.scale) is None:
            return f"has the bound {bound}, which is no number with its digits"
    if kind.low is not None and kind.high is not None and kind.low > kind.high:
        return "must have the lower bound first"
    return None


def _versions_problem(feed: Feed) -> str | None:
    if feed.version < 1:
        return f"it has version {feed.version}; the first one is 1"
    for column in feed.columns:
        if column.since is not None and not 1 < column.since <= feed.version:
            return f"{column.name} was added in version {column.since}, but the feed has version {feed.version}"
    return None


def _key_problem(feed: Feed) -> str | None:
    if not feed.key:
        return "it has no key; name the columns that identify a row"
    for name in feed.key:
        if name not in feed.column_names:
            return f"its key has the column {name}, which it doesn't declare"
        column = feed.column(name)
        if not column.required or not isinstance(column.type, _KEY_TYPES):
            return f"its key column {name} must be required, and a text, date, enumeration or integer"
    return "its key has a column twice" if len(set(feed.key)) < len(feed.key) else None


def _order_problem(feed: Feed) -> str | None:
    rest = sorted(set(feed.column_names) - set(feed.key))
    if sorted(feed.newest_by) != rest:
        return f"the order in newest_by must name every column except the key exactly once, that is: {', '.join(rest)}"
    lead = feed.column(feed.moment) if feed.newest_by else None
    if lead is None or not lead.required or lead.type != Timestamp():
        return "the first column of newest_by must be a required timestamp that can't be in the future"
    return None


def _pair_problem(feed: Feed, later: str, earlier: str) -> str | None:
    for name in (later, earlier):
        if name not in feed.column_names or not isinstance(feed.column(name).type, (Date, Timestamp)):
            return f"not_before names {name}, which is not one of its dates and timestamps"
    return f"not_before compares {later} with itself" if later == earlier else None
