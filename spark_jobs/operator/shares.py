"""Shares of a whole: a bar, and a legend that says everything in numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

BAR_WIDTH = 60
_MARKS = (("█", "#", "green"), ("▓", "=", "cyan"), ("▒", "+", "yellow"), ("░", "-", "red"))
"""For each part: the character of its bar, the one without Unicode, and the color. Colors never carry meaning alone."""


@dataclass(frozen=True)
class Shares:
    """Up to four parts by name. A renderable of rich: a bar and its legend; off a terminal the legend alone."""

    parts: Mapping[str, int]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        total = sum(self.parts.values())
        percents = [f"{percent(count, total)} {name}" for name, count in self.parts.items()]
        if not console.is_terminal:
            yield Text(", ".join(percents), overflow="fold")
            return
        marks = [Text(ascii_mark if options.ascii_only else mark, style) for mark, ascii_mark, style in _MARKS]
        cells = cells_of(list(self.parts.values()), min(BAR_WIDTH, options.max_width))
        if total:
            yield Text.assemble(*((mark.plain * n, mark.style) for mark, n in zip(marks, cells, strict=False)))
        line = Text()
        for mark, text in zip(marks, percents, strict=False):
            part = Text.assemble(mark, f" {text}")
            if line and line.cell_len + 2 + part.cell_len > options.max_width:
                yield line
                line = Text()
            line = Text.assemble(line, "  " if line else "", part)
        yield line


def percent(count: int, total: int) -> str:
    """A share in whole percent; 0% and 100% only if that is exact."""
    if not 0 < count < total:
        return "100%" if count and count == total else "0%"
    rounded = round(100 * count / total)
    if rounded in (0, 100):
        return "<1%" if rounded == 0 else ">99%"
    return f"{rounded}%"


def cells_of(counts: list[int], width: int) -> list[int]:
    """The cells of a bar for each count: they add up to the width, and whatever isn't 0 has one at least."""
    total = sum(counts)
    if not total:
        return [0] * len(counts)
    cells = [max(count * width // total, 1) if count else 0 for count in counts]
    largest = max(range(len(counts)), key=counts.__getitem__)
    cells[largest] += width - sum(cells)
    return cells
