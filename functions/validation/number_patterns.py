"""Ranges of numbers as regular expressions (RE2 dialect)."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

NOTHING = r"[^\x00-\x{10FFFF}]"
"""Matches no text."""


def padded_numbers(low: int, high: int, width: int) -> str:
    """The whole numbers from ``low`` to ``high`` (both included), padded with zeros to ``width`` digits."""
    return _between(f"{low:0{width}}", f"{high:0{width}}")


def _between(low: str, high: str) -> str:
    if not low:
        return ""
    if low[0] == high[0]:
        return low[0] + _between(low[1:], high[1:])
    nines, zeros = "9" * len(low[1:]), "0" * len(low[1:])
    first, last = int(low[0]), int(high[0])
    choices = []
    if low[1:] != zeros:
        choices.append(low[0] + _between(low[1:], nines))
        first += 1
    if high[1:] != nines:
        choices.append(high[0] + _between(zeros, high[1:]))
        last -= 1
    if first <= last:
        choices.append(f"[{first}-{last}]" + "[0-9]" * len(zeros))
    return f"(?:{'|'.join(choices)})"


def whole_numbers(low: int, high: int) -> str:
    """The whole numbers from ``low`` to ``high`` (both included), without leading zeros."""
    choices = []
    if low < 0 and (negative := _from_zero(max(0, -high), -low)):
        choices.append(f"-{negative}")
    if high >= 0:
        choices.append(_from_zero(max(0, low), high))
    return f"(?:{'|'.join(choices)})" if choices else NOTHING


def decimals(low: Decimal | None, high: Decimal | None, whole: int, scale: int) -> str:
    """Numbers from ``low`` to ``high`` (both included) with at most ``scale`` digits after the point, and at most ``whole``
    before it. Not those between a bound and the next whole number."""
    choices = [_decimals(low, high, whole, scale)]
    if low is None or low < 0:
        choices.append("-" + _decimals(None if high is None else -high, None if low is None else -low, whole, scale))
    return f"(?:{'|'.join(choices)})"


def _decimals(low: Decimal | None, high: Decimal | None, whole: int, scale: int) -> str:
    """Those that aren't negative."""
    least = 0 if low is None else max(0, int(low.to_integral_value(ROUND_CEILING)))
    choices = []
    most = whole
    if high is not None and high >= 0:
        bound = int(high.to_integral_value(ROUND_FLOOR))
        if least <= bound <= whole:
            choices.append(f"{bound}")
        most = min(whole, bound - 1)
    elif high is not None:
        return NOTHING
    if least <= most:
        fraction = f"(?:[.][0-9]{{1,{scale}}})?" if scale else ""
        choices.append(_from_zero(least, most) + fraction)
    return f"(?:{'|'.join(choices)})" if choices else NOTHING


def _from_zero(low: int, high: int) -> str:
    """The whole numbers from ``low``, which isn't negative, to ``high``."""
    choices = []
    if low == 0:
        choices.append("0")
        low = 1
    for width in range(len(str(low)), len(str(high)) + 1):
        first, last = 10 ** (width - 1), 10**width - 1
        if low <= first and last <= high:
            choices.append(f"[1-9][0-9]{{{width - 1}}}")
        elif max(low, first) <= min(high, last):
            choices.append(padded_numbers(max(low, first), min(high, last), width))
    return f"(?:{'|'.join(choices)})"
