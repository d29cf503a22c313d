"""One record against the feed: typed values, or violations. The only statement of the row rules in plain Python."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from spark_jobs.contract.feeds import Column, Feed
from spark_jobs.contract.records import Record
from spark_jobs.contract.violations import Violation, shorten

WHITE_SPACE = " \t\n\r\v\f"
Value = str | date | datetime | None

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_CONTROL_BYTE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_TIMESTAMP = re.compile(
    r"(\d{4}-\d{2}-\d{2}[ T](?:[01]\d|2[0-3]):\d{2}:\d{2})(?:\.(\d{1,6}))?(?:Z|([+-])(\d{2}):(\d{2}))?",
    re.ASCII,
)
_STATUS_GAP = re.compile(r"[ \t\n\r\v\f_-]+")
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_MAX_OFFSET = timedelta(hours=18)


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """A good row has ``values`` (in the feed's column order; timestamps aware, in UTC), a bad one ``violations``."""

    row: int
    line: int
    values: tuple[Value, ...] | None
    violations: tuple[Violation, ...] = ()


def judge_header(feed: Feed, record: Record) -> tuple[list[int], list[Violation]]:
    """Where in a record each of the feed's columns stands, or the violations of the file.

    Raises UnicodeDecodeError where the header isn't UTF-8.
    """
    if record.stray_quote is not None:
        message = "the header row has a quote in or behind a name"
        return [], [Violation("header_quoting", message, value=shorten(_shown(record.raw)), line=record.line)]
    names = [raw.decode("utf-8").strip(WHITE_SPACE) for raw in record.fields]
    expected = ", ".join(feed.column_names)
    violations = [
        Violation(
            "missing_column",
            f"the header has no column {name}; expected {expected}",
            column=name,
            line=record.line,
        )
        for name in feed.column_names
        if name not in names
    ]
    known = set(feed.column_names)
    seen: set[str] = set()
    for name in names:
        if name not in known:
            message = f"the header names a column that the feed doesn't have; expected {expected}"
            violations.append(Violation("unknown_column", message, value=shorten(name), line=record.line))
        elif name in seen:
            message = f"the header names the column {name} more than once"
            violations.append(Violation("duplicate_column", message, column=name, line=record.line))
        seen.add(name)
        if len(violations) >= _MAX_HEADER_VIOLATIONS:
            break
    return ([] if violations else [names.index(name) for name in feed.column_names]), violations


_MAX_HEADER_VIOLATIONS = 20


def judge_row(feed: Feed, positions: Sequence[int], record: Record, row: int, latest: datetime) -> JudgedRow:
    """Judge one record. ``latest`` is the greatest timestamp allowed (arrival plus the feed's allowance, aware).

    Raises UnicodeDecodeError where the record isn't UTF-8: a fault of the whole file.
    """
    raws = [raw.decode("utf-8") for raw in record.fields]
    violations = _structure(feed, positions, record, raws, row)
    if violations:
        return JudgedRow(row, record.line, None, tuple(violations))
    values: list[Value] = []
    for column, position in zip(feed.columns, positions, strict=True):
        text = raws[position].strip(WHITE_SPACE)
        value, problem = _typed(feed, column, text, latest)
        values.append(value)
        if problem:
            code, message = problem
            violations.append(Violation(code, message, row, column.name, shorten(text) if text else None, record.line))
    if not violations:
        violations = _order_of_dates(feed, values, row, record.line)
    if violations:
        return JudgedRow(row, record.line, None, tuple(violations))
    return JudgedRow(row, record.line, tuple(values))


def latest_allowed(feed: Feed, arrival: datetime) -> datetime:
    """The greatest timestamp that a row of a file with this arrival (aware) may carry."""
    return arrival.astimezone(UTC) + feed.future_allowance


def parse_date(text: str) -> date | None:
    """``YYYY-MM-DD`` of the calendar, years 0001-9999; None for anything else."""
    return _day(text) if len(text) == len("YYYY-MM-DD") else None


@lru_cache(maxsize=4096)  # days repeat; only texts of ten characters come here, so it stays small
def _day(text: str) -> date | None:
    found = _DATE.fullmatch(text)
    try:
        return date(*(int(part) for part in found.groups())) if found else None
    except ValueError:
        return None


def parse_timestamp(text: str) -> datetime | None:
    """``YYYY-MM-DD HH:MM:SS[.ffffff]`` with optional ``Z`` or ``+hh:mm`` (up to 18:00), as UTC; None for anything else."""
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        return None
    clock, fraction, sign, hours, minutes = found.groups()
    try:
        stamp = datetime.fromisoformat(clock + "+00:00")
        if fraction:
            stamp = stamp.replace(microsecond=int(fraction.ljust(6, "0")))
        if sign:
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            if int(minutes) > 59 or offset > _MAX_OFFSET:
                return None
            stamp = stamp + offset if sign == "-" else stamp - offset
    except (ValueError, OverflowError):
        return None
    return stamp


def parse_status(feed: Feed, text: str) -> str | None:
    """The status as the lifecycle spells it; None where it isn't one."""
    if text in feed.statuses:
        return text
    spelled = _STATUS_GAP.sub(" ", text.translate(_ASCII_LOWER))
    spelled = feed.status_synonyms.get(spelled, spelled)
    return spelled if spelled in feed.statuses else None


def precedence(feed: Feed, values: Sequence[Value]) -> tuple[tuple[bool, str | int | datetime], ...]:
    """What newest-wins compares: of two rows of one key, the one with the larger precedence wins."""
    return tuple(_comparable(feed, name, values[feed.position(name)]) for name in feed.newest_by)


def _comparable(feed: Feed, name: str, value: Value) -> tuple[bool, str | int | datetime]:
    if value is None:
        return (False, "")
    if feed.columns[feed.position(name)].kind == "status":
        return (True, feed.statuses.index(str(value)))
    return (True, value if isinstance(value, datetime) else str(value))


def _structure(feed: Feed, positions: Sequence[int], record: Record, raws: Sequence[str], row: int) -> list[Violation]:
    """Faults that make the fields themselves doubtful; where there is one, no field is judged."""
    violations: list[Violation] = []
    if record.stray_quote is not None:
        message = "a quote stands in or behind a field; quote the whole field and double the quotes in it"
        value = shorten(raws[record.stray_quote])
        violations.append(Violation("stray_quote", message, row, None, value, record.line))
    if len(raws) != len(feed.columns):
        message = f"the row has {len(raws)} fields, expected {len(feed.columns)}"
        violations.append(Violation("field_count", message, row, None, None, record.line))
        return violations
    if not _CONTROL_BYTE.search(record.raw):
        return violations
    for column, position in zip(feed.columns, positions, strict=True):
        if found := _CONTROL.search(raws[position]):
            message = f"{column.name} has the control character U+{ord(found.group()):04X}"
            value = shorten(raws[position])
            violations.append(Violation("control_character", message, row, column.name, value, record.line))
    return violations


_Problem = tuple[str, str]


def _typed(feed: Feed, column: Column, text: str, latest: datetime) -> tuple[Value, _Problem | None]:
    if not text:
        return None, ("required", f"{column.name} is empty") if column.required else None
    if column.kind == "text":
        if len(text) > column.max_length:
            return None, (
                "too_long",
                f"{column.name} has {len(text)} characters, at most {column.max_length} are allowed",
            )
        return text, None
    if column.kind == "status":
        status = parse_status(feed, text)
        return status, None if status else (
            "unknown_status",
            f"status must be one of {', '.join(feed.statuses)}",
        )
    if column.kind == "date":
        day = parse_date(text)
        return day, None if day else (
            "bad_date",
            f"{column.name} must be a date of the calendar written YYYY-MM-DD",
        )
    stamp = parse_timestamp(text)
    if stamp is None:
        return None, (
            "bad_timestamp",
            f"{column.name} must be written YYYY-MM-DD HH:MM:SS, optionally with Z or +hh:mm",
        )
    if stamp > latest:
        limit = latest.strftime("%Y-%m-%d %H:%M:%S")
        return None, (
            "timestamp_in_future",
            f"{column.name} lies after {limit} UTC, 24 h after the file's arrival",
        )
    return stamp, None


def _order_of_dates(feed: Feed, values: Sequence[Value], row: int, line: int) -> list[Violation]:
    violations = []
    for later, earlier in feed.not_before:
        last, first = values[feed.position(later)], values[feed.position(earlier)]
        if isinstance(last, date) and isinstance(first, date) and last < first:
            message = f"{later} {last} lies before {earlier} {first}"
            violations.append(Violation("date_order", message, row, later, str(last), line))
    return violations


def _shown(raw: bytes) -> str:
    return raw[:400].decode("utf-8", "replace")
