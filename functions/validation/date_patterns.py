"""Dates as regular expressions (RE2 dialect): the calendar, days up to a given day, and two dates in the right order.

A regular expression can't compare two dates in general, but it can list for each day which days may follow it.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from functools import lru_cache

from functions.validation.number_patterns import padded_numbers

_ANY_YEAR = "(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})"
_MULTIPLES_OF_FOUR = "0[48]|[2468][048]|[13579][26]"  # two digits, without 00
_LEAP_YEAR = f"(?:[0-9]{{2}}(?:{_MULTIPLES_OF_FOUR})|(?:{_MULTIPLES_OF_FOUR})00)"
# Every day of a common (non-leap) year.
_COMMON_DAY = "(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"

ANY_DAY = f"(?:{_ANY_YEAR}-{_COMMON_DAY}|{_LEAP_YEAR}-02-29)"
"""``YYYY-MM-DD``, every day of the calendar from 0001-01-01 to 9999-12-31 and nothing else."""
SAFE_DAY = f"(?:[1-8][0-9]{{3}}-{_COMMON_DAY}|(?:[1-8][0-9](?:{_MULTIPLES_OF_FOUR})|(?:[2468][048]|[1357][26])00)-02-29)"
"""The days from 1000-01-01 to 8999-12-31: an offset from UTC can't move them out of the calendar."""


def days_until(last: date) -> str:
    """The days from 1000-01-01 to ``last``, both included."""
    choices = [f"{last.year:04}-{last.month:02}-{padded_numbers(1, last.day, 2)}"]
    if last.month > 1:
        choices.append(f"{last.year:04}-{_months(last.year, 1, last.month - 1)}")
    if last.year > 1000:
        earlier = padded_numbers(1000, last.year - 1, 4)
        choices.append(f"{earlier}-{_COMMON_DAY}")
        # The leap days of the last hundred years only; older ones would make the pattern larger for no benefit.
        leaps = [f"{year:04}" for year in range(max(1000, last.year - 100), last.year) if monthrange(year, 2)[1] == 29]
        choices.append(f"(?:{'|'.join(leaps)})-02-29")
    return f"(?:{'|'.join(choices)})"


@lru_cache(maxsize=4)
def ordered_days(last: date, months: int, between: str) -> str:
    """Two days separated by ``between``: the first in the ``months`` months that end with the month of ``last``, the second
    not before the first. (Doesn't match leap days of later years.)
    """
    first = last.year * 12 + last.month - months
    by_year: dict[int, list[str]] = {}
    for year, month in (divmod(number, 12) for number in range(first, first + months)):
        by_year.setdefault(year, []).append(_from_month(year, month + 1, between))
    return f"(?:{'|'.join(f'{year:04}-(?:{chr(124).join(found)})' for year, found in by_year.items())})"


def _from_month(year: int, month: int, between: str) -> str:
    length = monthrange(year, month)[1]
    later_months = f"|{_months(year, month + 1, 12)}" if month < 12 else ""
    later_years = f"{padded_numbers(year + 1, 9999, 4)}-{_COMMON_DAY}"
    days = (
        f"{day:02}{between}(?:{year:04}-(?:{month:02}-{padded_numbers(day, length, 2)}{later_months})|{later_years})"
        for day in range(1, length + 1)
    )
    return f"{month:02}-(?:{'|'.join(days)})"


def _months(year: int, first: int, last: int) -> str:
    """``MM-DD`` for every day of some months of one year."""
    by_length: dict[int, list[str]] = {}
    for month in range(first, last + 1):
        by_length.setdefault(monthrange(year, month)[1], []).append(f"{month:02}")
    return "(?:" + "|".join(f"(?:{'|'.join(m)})-{padded_numbers(1, n, 2)}" for n, m in by_length.items()) + ")"
