"""Tables and details that fit the terminal: paths are shortened in the middle, long texts move below their row and wrap.

Off a terminal there is no width to fit (see `console.stdout`): every row is one line and nothing is shortened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from spark_jobs.operator.console import printable

GAP = "  "
PATH_WIDTH = 40
"""Paths are shortened to this width before other cells move below their row."""
_SHORTEST_PATH = 12
Cell = str | int | None
"""A count is shown with thousands separators, None as nothing."""


@dataclass(frozen=True)
class Column:
    """``folds``: if the rows are too wide for the terminal, this column's cells are shown below them. Texts of any length
    fold, names and keys are paths, everything else is short.
    """

    header: str
    kind: Literal["text", "path", "count"] = "text"
    folds: bool = False


class Table:
    """A renderable of rich. Without rows it is empty."""

    def __init__(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        self._columns = columns
        self._rows = [[_text(cell) for cell in row] for row in rows]

    @property
    def has_rows(self) -> bool:
        return bool(self._rows)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        if not self._rows:
            return
        width = options.max_width
        places = range(len(self._columns))
        natural = [max(map(cell_len, cells)) for cells in zip(self._headers, *self._rows, strict=True)]
        smallest = [min(n, PATH_WIDTH) if c.kind == "path" else n for n, c in zip(natural, self._columns, strict=True)]
        folded = [at for at in places if self._columns[at].folds] if _total(smallest) > width else []
        kept = [at for at in places if at not in folded]
        widths = self._fitted({at: natural[at] for at in kept}, width)

        def lines(cells: Sequence[str], style: str) -> Iterator[Text]:
            yield Text(self._line(cells, widths), style, no_wrap=True, overflow="ignore")
            below = GAP.join(cells[at] for at in folded if cells[at])
            for line in Text(below, "dim", overflow="fold").wrap(console, max(width - len(GAP), 1)) if below else ():
                line.rstrip()
                yield Text(GAP, "dim").append_text(line)

        yield from lines(self._headers, "bold")
        yield Text(("-" if options.ascii_only else "─") * min(_total(list(widths.values())), width), "dim")
        for row in self._rows:
            yield from lines(row, "")

    @property
    def _headers(self) -> list[str]:
        return [column.header for column in self._columns]

    def _fitted(self, widths: dict[int, int], width: int) -> dict[int, int]:
        """The columns' widths, by their places. Only paths give way, the widest first."""
        paths = [at for at in widths if self._columns[at].kind == "path"]
        while paths and _total(list(widths.values())) > width:
            widest = max(paths, key=lambda at: widths[at])
            if widths[widest] <= _SHORTEST_PATH:
                break
            widths[widest] -= 1
        return widths

    def _line(self, cells: Sequence[str], widths: dict[int, int]) -> str:
        aligned = []
        for at, width in widths.items():
            cell = cells[at]
            match self._columns[at].kind:
                case "count":
                    aligned.append(" " * (width - cell_len(cell)) + cell)
                case "path":
                    aligned.append(set_cell_size(shorten_path(cell, width), width))
                case _:
                    aligned.append(set_cell_size(cell, width))
        return GAP.join(aligned).rstrip()


class Details:
    """A title, and below it labels with their values, which wrap and are never cut. A renderable of rich."""

    def __init__(self, title: str, rows: Sequence[tuple[str, RenderableType]]) -> None:
        self._title, self._rows = title, rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType | Segment]:
        yield Text(printable(self._title), "bold", overflow="fold")
        indent = max((cell_len(label) for label, _ in self._rows), default=0) + 2 * len(GAP)
        inner = options.update(width=max(options.max_width - indent, _SHORTEST_PATH))
        for label, value in self._rows:
            for number, line in enumerate(_lines(value, console, inner)):
                yield Segment(set_cell_size(GAP + (label if number == 0 else ""), indent), console.get_style("dim"))
                yield from line
                yield Segment.line()


def _lines(value: RenderableType, console: Console, options: ConsoleOptions) -> list[list[Segment]]:
    """A text wrapped without spaces at the ends of its lines, or a renderable."""
    if not isinstance(value, str):
        return console.render_lines(value, options, pad=False)
    wrapped = Text(printable(value), overflow="fold").wrap(console, options.max_width)
    return [[Segment(line.plain.rstrip())] for line in wrapped]


def shorten_path(path: str, width: int) -> str:
    """The path in at most ``width`` cells, with an ellipsis in the middle. The base name stays whole if it fits."""
    if cell_len(path) <= width:
        return path
    folder, slash, base = path.rpartition("/")
    if slash and cell_len(base) + 2 <= width:
        return f"{_start(folder, width - cell_len(base) - 2)}…/{base}"
    # The end of a base name, with date and extension, says more than its start.
    end = width // 2
    return f"{_start(base, width - 1 - end)}…{_start(base[::-1], end)[::-1]}"


def _start(text: str, width: int) -> str:
    """As many whole characters as fit."""
    while cell_len(text) > width:
        text = text[: min(width, len(text) - 1)]
    return text


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    return f"{cell:,}" if isinstance(cell, int) else printable(cell)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)
