"""Small pieces of Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import fill

WIDTH = 140
"""Of a line of prose, as in the hand-written pages."""


def paragraph(text: str) -> str:
    return fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(
        [
            _line(titles),
            "|" + "---|" * len(titles),
            *(_line(tuple(cell.replace("|", r"\|") for cell in row)) for row in rows),
        ]
    )


def _line(cells: tuple[str, ...]) -> str:
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)


def code(text: str) -> str:
    return f"`{text}`" if text else ""


def listed(names: Iterable[str]) -> str:
    """`a`, `b` and `c`."""
    *first, last = map(code, names)
    return f"{', '.join(first)} and {last}" if first else last
