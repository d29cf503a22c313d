"""The scalar values of a field: how each is written, and what it is. The reference implementation of every type's rules."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WHITE_SPACE = " \t\n\r\v\f"
CONTROLS = "\x00-\x08\x0b\x0c\x0e-\x1f"
"""The control characters that no field may have, for a character class."""
Value = str | int | Decimal | date | datetime | list[dict[str, Any]] | None
"""A list of records is a list of dicts with all declared fields; a missing value is None."""

_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_TIMESTAMP = re.compile(
    r"(\d{4}-\d{2}-\d{2}[ T](?:[01]\d|2[0-3]):\d{2}:\d{2})(?:\.(\d{1,6}))?(?:Z|([+-])(\d{2}):(\d{2}))?",
    re.ASCII,
)
_WORD_GAP = re.compile(r"[ \t\n\r\v\f_-]+")
_MAX_OFFSET = timedelta(hours=18)
_NUMBER = re.compile(r"(-?)(0|[1-9]\d*)(?:\.(\d+))?", re.ASCII)


class Fault(NamedTuple):
    """A violation of a row, without its message yet. ``detail`` is what the message needs besides ``found``; ``place``
    is where in the column it is, for a list of records (``items[2].quantity``)."""

    code: str
    column: str | None = None
    found: str | None = None
    detail: object = None
    place: str | None = None


def from_micros(micros: int) -> datetime:
    """The time (aware, in UTC) so many microseconds after 1970 began: as engines give times with all their digits."""
    return EPOCH + timedelta(microseconds=micros)


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


def plain_words(text: str) -> str:
    """A text as enumerations are compared: ASCII letters in lower case, every gap between words one blank."""
    return _WORD_GAP.sub(" ", text.encode().lower().decode())  # bytes.lower() changes ASCII letters only


def parse_number(text: str, precision: int, scale: int) -> Decimal | None:
    """A number with at most ``precision`` digits, ``scale`` of them after the point, as a decimal with that scale.

    Without exponent, plus sign, thousands separator or leading zeros. None for anything else.
    """
    found = _NUMBER.fullmatch(text) if len(text) <= precision + 3 else None
    if found is None:
        return None
    sign, whole, fraction = found[1], found[2], found[3] or ""
    if len(fraction) > scale or len(whole) > max(precision - scale, 1) or (precision == scale and whole != "0"):
        return None
    digits = (whole + fraction.ljust(scale, "0")).lstrip("0") or "0"
    negative = 1 if sign and digits != "0" else 0
    return Decimal((negative, tuple(map(int, digits)), -scale))


def looks_like_number(text: str) -> bool:
    """Whether a text is a number as ``parse_number`` reads them, of any size."""
    return _NUMBER.fullmatch(text) is not None
