"""A second, independent implementation of the order-tracking contract, written from design.md: slow and simple.

Tests compare the product with it. It shares no code with spark_jobs/contract, reads one byte at a time and has its own
calendar, so that it doesn't repeat a mistake in the product's regular expressions.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

COLUMNS = (
    "order_num",
    "tracking_num",
    "pck_recieved_date",
    "package_deliver_date",
    "status",
    "address",
    "last_update_timestamp",
)
LIFECYCLE = ("order placed", "pending", "processing", "shipped", "in transit", "delivered", "canceled")
LONGEST_RECORD = 1024 * 1024
BLANK = " \t\n\r\x0b\x0c"

Row = dict[str, Any]


class Bad(Exception):
    """The value, row or file violates a rule."""


def read_file(content: bytes, arrival: datetime) -> list[tuple[int, Row | None]] | None:
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
        if stray or sorted(names) != sorted(COLUMNS):
            return None
        return [(number, _row_or_none(names, record, arrival)) for number, record in enumerate(records[1:], 1)]
    except (Bad, UnicodeDecodeError):
        return None


def newest(rows: Iterable[Row]) -> dict[str, Row]:
    """tracking_num -> the winning row, for any order of ``rows``."""
    winners: dict[str, Row] = {}
    for row in rows:
        held = winners.get(row["tracking_num"])
        if held is None or _age(row) > _age(held):
            winners[row["tracking_num"]] = row
    return winners


def _age(row: Row) -> tuple[object, ...]:
    texts = ("order_num", "pck_recieved_date", "package_deliver_date", "address")
    return (
        row["last_update_timestamp"],
        LIFECYCLE.index(row["status"]),
        *(("0",) if row[name] is None else ("1", str(row[name])) for name in texts),
    )


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


def _row_or_none(names: list[str], record: tuple[list[str], bool], arrival: datetime) -> Row | None:
    fields, stray = record
    if stray or len(fields) != len(COLUMNS):
        return None
    if any(ord(char) < 32 and char not in "\t\n\r" for field in fields for char in field):
        return None
    text = {name: field.strip(BLANK) for name, field in zip(names, fields, strict=True)}
    try:
        row: Row = {
            "order_num": _required(_text(text["order_num"], 64)),
            "tracking_num": _required(_text(text["tracking_num"], 64)),
            "pck_recieved_date": _day(text["pck_recieved_date"]) if text["pck_recieved_date"] else None,
            "package_deliver_date": _day(text["package_deliver_date"]) if text["package_deliver_date"] else None,
            "status": _status(text["status"]),
            "address": _text(text["address"], 1024),
            "last_update_timestamp": _instant(text["last_update_timestamp"], arrival),
        }
    except (Bad, ValueError, OverflowError):
        return None
    received, delivered = row["pck_recieved_date"], row["package_deliver_date"]
    return None if received and delivered and delivered < received else row


def _required(value: str | None) -> str:
    if value is None:
        raise Bad
    return value


def _text(text: str, longest: int) -> str | None:
    if len(text) > longest:
        raise Bad
    return text or None


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


def _instant(text: str, arrival: datetime) -> datetime:
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
    stamp = datetime(day.year, day.month, day.day, hour, minute, second, micro) - east
    stamp = stamp.replace(tzinfo=UTC)
    if stamp - arrival > timedelta(hours=24):
        raise Bad
    return stamp


def _status(text: str) -> str:
    for gap in "\t\n\r\x0b\x0c_-":
        text = text.replace(gap, " ")
    while "  " in text:
        text = text.replace("  ", " ")
    if not text.isascii():
        raise Bad
    text = text.lower()
    text = "canceled" if text == "cancelled" else text
    if text not in LIFECYCLE:
        raise Bad
    return text
