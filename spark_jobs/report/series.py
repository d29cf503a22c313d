"""What the colors of a chart stand for: its legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spark_jobs.questions.catalog import Question

Rows = Sequence[tuple[Any, ...]]

COLORS = 8
"""Of the style, --series-1 and so on. More series repeat them."""
OUTCOMES = {"merged": "good", "rejected": "bad", "superseded": "quiet"}
"""Values that have a color of their own wherever they are drawn."""
SHAPES = {
    "circle": "●",
    "square": "■",
    "diamond": "◆",
    "triangle-up": "▲",
    "triangle-down": "▼",
    "triangle-right": "▶",
    "triangle-left": "◀",
    "cross": "✚",
}
"""Points of lines, so that these are told apart by more than their color; and how the legend shows them."""


@dataclass(frozen=True)
class Series:
    """One entry of a legend. ``color``: the name of a variable of the style."""

    label: str
    color: str
    sign: str


def series_of(question: Question, rows: Rows) -> list[Series]:
    """The colors of a chart in the order of the rows; none if it has no column for them."""
    chart = question.chart
    if not chart.color or chart.kind == "heatmap":
        return []
    signs = list(SHAPES.values())
    return [
        Series(
            str(value),
            OUTCOMES.get(str(value), f"series-{place % COLORS + 1}"),
            signs[place % len(signs)] if chart.kind == "line" else "■",
        )
        for place, value in enumerate(distinct(question, chart.color, rows))
    ]


def distinct(question: Question, column: str, rows: Rows) -> list[Any]:
    """A column's values without missing ones, in the order of the rows."""
    at = list(question.columns).index(column)
    return list(dict.fromkeys(row[at] for row in rows if row[at] is not None))
