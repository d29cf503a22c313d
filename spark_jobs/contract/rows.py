"""Validates one record against the feed: typed values, or violations. The reference implementation of the row rules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from spark_jobs.contract.column_types import Enumeration, as_text, validate_value
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.record_lists import canonical_text
from spark_jobs.contract.records import Record, place_of_field
from spark_jobs.contract.values import CONTROLS, WHITE_SPACE, Fault, Value
from spark_jobs.contract.violations import Violation, shorten

_CONTROL = re.compile(f"[{CONTROLS}]")
_CONTROL_BYTES = bytes(byte for byte in range(0x20) if byte not in b"\t\n\r")
Positions = Sequence[int | None]
"""The index in a record of each of the feed's columns; None for a column that was added later and that the file lacks."""


def field_count(positions: Positions) -> int:
    """How many fields a record must have."""
    return len(positions) - positions.count(None)


class ValidatedRow(NamedTuple):
    """A good row has ``values`` (in the feed's column order; timestamps aware, in UTC), a bad one ``violations``."""

    row: int
    line: int
    values: tuple[Value, ...] | None
    violations: tuple[Violation, ...] = ()


def validate_header(feed: Feed, record: Record) -> tuple[list[int | None], list[Violation]]:
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
            f"the header has no column {column.name}; expected {expected}",
            column=column.name,
            line=record.line,
        )
        for column in feed.columns
        if column.name not in names and not column.since
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
    if violations:
        return [], violations
    return [names.index(name) if name in seen else None for name in feed.column_names], []


_MAX_HEADER_VIOLATIONS = 20


def validate_row(feed: Feed, positions: Positions, record: Record, row: int, latest: datetime) -> ValidatedRow:
    """Validate one record. ``latest`` is the latest timestamp allowed (arrival plus the feed's allowance, aware).

    Raises UnicodeDecodeError if the record isn't UTF-8, which is a violation of the whole file.
    """
    values, faults = validate_fields(feed, positions, record, latest)
    if faults:
        violations = tuple(describe(feed, positions, fault, record, row) for fault in faults)
        return ValidatedRow(row, record.line, None, violations)
    return ValidatedRow(row, record.line, tuple(values))


def validate_fields(
    feed: Feed, positions: Positions, record: Record, latest: datetime
) -> tuple[Sequence[Value], Sequence[Fault]]:
    """Like ``validate_row``, but without messages, which are most of the cost of a bad row, for callers that only count."""
    if record.stray_quote is not None:
        record.raw.decode()  # without its quotes, a character that a quote splits would be whole again
    raws = [raw.decode() for raw in record.fields]
    faults = _structure(feed, positions, record, raws)
    if faults:
        return (), faults
    values: list[Value] = []
    for column, position in zip(feed.columns, positions, strict=True):
        value = validate_value(column, "" if position is None else raws[position].strip(WHITE_SPACE), latest)
        if isinstance(value, Fault):
            faults.append(value)
        else:
            values.append(value)
    return values, faults or _order_of_dates(feed, values)


def describe(feed: Feed, positions: Positions, fault: Fault, record: Record, row: int) -> Violation:
    """A fault as a violation with a message. The other arguments are the inputs of its row's validation, and its number."""
    found = None if fault.found is None else shorten(fault.found)
    field = record.stray_quote if fault.code == "stray_quote" else None
    if fault.column is not None:
        field = positions[feed.position(fault.column)]
    line, character = place_of_field(record, field or 0)
    place = fault.place or fault.column
    message = _message(feed, fault, place, field_count(positions))
    return Violation(fault.code, message, row, place, found, line, character)


def _message(feed: Feed, fault: Fault, place: str | None, fields: int) -> str:
    found, detail = fault.found, fault.detail
    match fault.code:
        case "stray_quote":
            return "a field has a misplaced quote; quote the whole field and double the quotes inside it"
        case "field_count":
            return f"the row has {detail} fields, expected {fields}"
        case "control_character":
            return f"{place} has the control character U+{detail:04X}"
        case "required":
            return f"{place} is empty"
        case "too_long":
            return f"{place} has {len(found or '')} characters; at most {detail} are allowed"
        case "bad_date":
            return f"{place} must be a real calendar date in the form YYYY-MM-DD"
        case "bad_timestamp":
            return f"{place} must have the form YYYY-MM-DD HH:MM:SS, optionally followed by Z or +hh:mm"
        case "timestamp_in_future":
            return (
                f"{place} is after {detail} UTC, {feed.future_allowance / timedelta(hours=1):g} h after the file's arrival"
            )
        case "date_order":
            return f"{place} {found} is before {detail}"
        case "bad_json":
            return f"{place} is not a JSON array: {detail}"
        case "duplicate_field":
            return f"{place} occurs more than once in its object"
        case "record_count":
            return f"{place} has {detail}"
    return f"{place} must be {detail}"


def latest_allowed(feed: Feed, arrival: datetime) -> datetime:
    """The latest timestamp allowed in a file with this arrival (aware)."""
    return arrival.astimezone(UTC) + feed.future_allowance


def precedence(feed: Feed, values: Sequence[Value]) -> tuple[tuple[bool, str | int | datetime], ...]:
    """The sort key of "newest wins": of two rows with the same key, the one with the larger precedence wins."""
    return tuple(_comparable(feed, name, values[feed.position(name)]) for name in feed.newest_by)


def _comparable(feed: Feed, name: str, value: Value) -> tuple[bool, str | int | datetime]:
    if value is None:
        return (False, "")
    if isinstance(value, list):
        return (True, canonical_text(value))
    kind = feed.column(name).type
    if isinstance(kind, Enumeration):
        return (True, kind.ranks[str(value)])
    return (True, value if isinstance(value, datetime) else as_text(value))


def _structure(feed: Feed, positions: Positions, record: Record, raws: Sequence[str]) -> list[Fault]:
    """Faults that make all fields unreliable: a row with such a fault is not validated any further."""
    faults: list[Fault] = []
    if record.stray_quote is not None:
        faults.append(Fault("stray_quote", found=raws[record.stray_quote]))
    if len(raws) != field_count(positions):
        faults.append(Fault("field_count", detail=len(raws)))
    elif len(record.raw.translate(None, _CONTROL_BYTES)) < len(record.raw):
        for column, position in zip(feed.columns, positions, strict=True):
            if position is not None and (control := _CONTROL.search(raws[position])):
                faults.append(Fault("control_character", column.name, raws[position], ord(control.group())))
    return faults


def _order_of_dates(feed: Feed, values: Sequence[Value]) -> list[Fault]:
    faults = []
    for later, earlier in feed.not_before:
        last, first = values[feed.position(later)], values[feed.position(earlier)]
        if isinstance(last, date) and isinstance(first, date) and before(last, first):
            faults.append(Fault("date_order", later, _written(last), f"{earlier} {_written(first)}"))
    return faults


def before(last: date, first: date) -> bool:
    """Whether a date or timestamp is before another one. Where one of them is a date, days (in UTC) are compared."""
    if isinstance(last, datetime) and isinstance(first, datetime):
        return last < first
    return _day(last) < _day(first)


def _day(value: date) -> date:
    """The day (of a timestamp: in UTC)."""
    return value.date() if isinstance(value, datetime) else value


def _written(value: date) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, datetime) else str(value)


def _shown(raw: bytes) -> str:
    return raw[:400].decode("utf-8", "replace")
