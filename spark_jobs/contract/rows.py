"""Validates one record against the feed: typed values, or violations. The reference implementation of the row rules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from spark_jobs.contract.feeds import Column, Feed
from spark_jobs.contract.records import Record, place_of_field
from spark_jobs.contract.violations import Violation, shorten

WHITE_SPACE = " \t\n\r\v\f"
Value = str | date | datetime | None

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_CONTROL_BYTES = bytes(byte for byte in range(0x20) if byte not in b"\t\n\r")
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_TIMESTAMP = re.compile(
    r"(\d{4}-\d{2}-\d{2}[ T](?:[01]\d|2[0-3]):\d{2}:\d{2})(?:\.(\d{1,6}))?(?:Z|([+-])(\d{2}):(\d{2}))?",
    re.ASCII,
)
_STATUS_GAP = re.compile(r"[ \t\n\r\v\f_-]+")
_MAX_OFFSET = timedelta(hours=18)


class ValidatedRow(NamedTuple):
    """A good row has ``values`` (in the feed's column order; timestamps aware, in UTC), a bad one ``violations``."""

    row: int
    line: int
    values: tuple[Value, ...] | None
    violations: tuple[Violation, ...] = ()


class Fault(NamedTuple):
    """A violation of a row, without its message yet. ``detail`` is what the message needs besides ``found``."""

    code: str
    column: str | None = None
    found: str | None = None
    detail: int | str | None = None


def validate_header(feed: Feed, record: Record) -> tuple[list[int], list[Violation]]:
    """The position of each of the feed's columns in a record, or the violations of the file.

    Raises UnicodeDecodeError if the header isn't UTF-8.
    """
    if record.stray_quote is not None:
        message = "the header row has a misplaced quote"
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
            message = f"the header has an unknown column; expected {expected}"
            violations.append(Violation("unknown_column", message, value=shorten(name), line=record.line))
        elif name in seen:
            message = f"the header has the column {name} more than once"
            violations.append(Violation("duplicate_column", message, column=name, line=record.line))
        seen.add(name)
        if len(violations) >= _MAX_HEADER_VIOLATIONS:
            break
    return ([] if violations else [names.index(name) for name in feed.column_names]), violations


_MAX_HEADER_VIOLATIONS = 20


def validate_row(feed: Feed, positions: Sequence[int], record: Record, row: int, latest: datetime) -> ValidatedRow:
    """Validate one record. ``latest`` is the latest timestamp allowed (arrival plus the feed's allowance, aware).

    Raises UnicodeDecodeError if the record isn't UTF-8, which is a violation of the whole file.
    """
    values, faults = validate_fields(feed, positions, record, latest)
    if faults:
        violations = tuple(describe(feed, positions, fault, record, row, latest) for fault in faults)
        return ValidatedRow(row, record.line, None, violations)
    return ValidatedRow(row, record.line, tuple(values))


def validate_fields(
    feed: Feed, positions: Sequence[int], record: Record, latest: datetime
) -> tuple[Sequence[Value], Sequence[Fault]]:
    """Like ``validate_row``, but without messages, which are most of the cost of a bad row, for callers that only count."""
    raws = [raw.decode() for raw in record.fields]
    faults = _structure(feed, positions, record, raws)
    if faults:
        return (), faults
    values: list[Value] = []
    for column, position in zip(feed.columns, positions, strict=True):
        value = validate_value(feed, column, raws[position].strip(WHITE_SPACE), latest)
        if isinstance(value, Fault):
            faults.append(value)
        else:
            values.append(value)
    return values, faults or _order_of_dates(feed, values)


def describe(feed: Feed, positions: Sequence[int], fault: Fault, record: Record, row: int, latest: datetime) -> Violation:
    """A fault as a violation with a message. The other arguments are the inputs of its row's validation, and its number."""
    found = None if fault.found is None else shorten(fault.found)
    field = record.stray_quote if fault.code == "stray_quote" else None
    if fault.column is not None:
        field = positions[feed.position(fault.column)]
    line, character = place_of_field(record, field or 0)
    return Violation(fault.code, _message(feed, fault, latest), row, fault.column, found, line, character)


def _message(feed: Feed, fault: Fault, latest: datetime) -> str:
    code, column, found, detail = fault
    match code:
        case "stray_quote":
            return "a field has a misplaced quote; quote the whole field and double the quotes inside it"
        case "field_count":
            return f"the row has {detail} fields, expected {len(feed.columns)}"
        case "control_character":
            return f"{column} has the control character U+{detail:04X}"
        case "required":
            return f"{column} is empty"
        case "too_long":
            return f"{column} has {len(found or '')} characters; at most {detail} are allowed"
        case "unknown_status":
            return f"status must be one of {', '.join(feed.statuses)}"
        case "bad_date":
            return f"{column} must be a real calendar date in the form YYYY-MM-DD"
        case "bad_timestamp":
            return f"{column} must have the form YYYY-MM-DD HH:MM:SS, optionally followed by Z or +hh:mm"
        case "timestamp_in_future":
            return f"{column} is after {latest:%Y-%m-%d %H:%M:%S} UTC, 24 h after the file's arrival"
        case "date_order":
            return f"{column} {found} is before {detail}"
    raise AssertionError(f"no message for {code}")


def latest_allowed(feed: Feed, arrival: datetime) -> datetime:
    """The latest timestamp allowed in a file with this arrival (aware)."""
    return arrival.astimezone(UTC) + feed.future_allowance


def parse_date(text: str) -> date | None:
    """A real calendar date in the form ``YYYY-MM-DD``, years 0001-9999; None for anything else."""
    return _day(text) if len(text) == len("YYYY-MM-DD") else None


@lru_cache(maxsize=4096)  # days repeat; the keys have ten characters, so the cache stays small
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
    """The status in its canonical spelling; None if it isn't one."""
    if text in feed.statuses:
        return text
    spelled = _STATUS_GAP.sub(" ", text.encode().lower().decode())  # bytes.lower() changes ASCII letters only
    spelled = feed.status_synonyms.get(spelled, spelled)
    return spelled if spelled in feed.statuses else None


def precedence(feed: Feed, values: Sequence[Value]) -> tuple[tuple[bool, str | int | datetime], ...]:
    """The sort key of "newest wins": of two rows with the same key, the one with the larger precedence wins."""
    return tuple(_comparable(feed, name, values[feed.position(name)]) for name in feed.newest_by)


def _comparable(feed: Feed, name: str, value: Value) -> tuple[bool, str | int | datetime]:
    if value is None:
        return (False, "")
    if feed.columns[feed.position(name)].kind == "status":
        return (True, feed.statuses.index(str(value)))
    return (True, value if isinstance(value, datetime) else str(value))


def _structure(feed: Feed, positions: Sequence[int], record: Record, raws: Sequence[str]) -> list[Fault]:
    """Faults that make all fields unreliable: a row with such a fault is not validated any further."""
    faults: list[Fault] = []
    if record.stray_quote is not None:
        faults.append(Fault("stray_quote", found=raws[record.stray_quote]))
    if len(raws) != len(feed.columns):
        faults.append(Fault("field_count", detail=len(raws)))
    elif len(record.raw.translate(None, _CONTROL_BYTES)) < len(record.raw):
        for column, position in zip(feed.columns, positions, strict=True):
            if control := _CONTROL.search(raws[position]):
                faults.append(Fault("control_character", column.name, raws[position], ord(control.group())))
    return faults


def validate_value(feed: Feed, column: Column, text: str, latest: datetime) -> Value | Fault:
    """The typed value of a field, or its fault. ``text`` is trimmed; an empty text means missing."""
    kind = column.kind
    if not text:
        return Fault("required", column.name) if column.required else None
    if kind == "text":
        return text if len(text) <= column.max_length else Fault("too_long", column.name, text, column.max_length)
    if kind == "date":
        return parse_date(text) or Fault("bad_date", column.name, text)
    if kind == "status":
        return parse_status(feed, text) or Fault("unknown_status", column.name, text)
    stamp = parse_timestamp(text)
    if stamp is None:
        return Fault("bad_timestamp", column.name, text)
    return stamp if stamp <= latest else Fault("timestamp_in_future", column.name, text)


def _order_of_dates(feed: Feed, values: Sequence[Value]) -> list[Fault]:
    faults = []
    for later, earlier in feed.not_before:
        last, first = values[feed.position(later)], values[feed.position(earlier)]
        if isinstance(last, date) and isinstance(first, date) and last < first:
            faults.append(Fault("date_order", later, str(last), f"{earlier} {first}"))
    return faults


def _shown(raw: bytes) -> str:
    return raw[:400].decode("utf-8", "replace")
