"""Draws an answer: a Vega-Lite specification without data. The page has the rows once, as the answer.

Colors are CSS variables, so that the page's style decides them, in light and dark. The legend is the page's, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from spark_jobs.questions.catalog import Question

Spec = dict[str, Any]
Rows = Sequence[tuple[Any, ...]]

MAX_BARS = 20
"""Bars that lie, one per text; the table has the others."""
COLORS = 8
"""Of the style, --series-1 and so on. More series repeat them."""
OUTCOMES = {"merged": "good", "rejected": "bad", "superseded": "quiet"}
"""Values that have a color of their own wherever they are drawn."""
_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_SHAPES = {
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
_BAR_STEP, _FIELD_STEP, _HEIGHT = 28, 34, 210
_LEAST_STEPS = 7


@dataclass(frozen=True)
class Series:
    """One entry of a legend. ``color``: the name of a variable of the style."""

    label: str
    color: str
    sign: str


@dataclass(frozen=True)
class Drawing:
    """``spec`` draws the rows with these indexes. It has no text of an answer in an expression: Vega-Lite escapes texts
    there, but not every character.
    """

    spec: Spec
    rows: Sequence[int]
    legend: Sequence[Series]


def draw(question: Question, rows: Rows) -> Drawing | None:
    """The chart of these rows of an answer; None if the question has none, or if there are no rows."""
    kind = question.chart.kind
    if kind == "none" or not rows:
        return None
    chosen = list(range(len(rows)))
    if kind == "bar" and question.columns[question.chart.x] != "date":
        chosen = _first_bars(question, rows)
        rows = [rows[at] for at in chosen]
    series = _series(question, rows)
    if kind == "heatmap":
        spec = _heatmap(question, rows)
    elif kind == "line":
        spec = _lines(question, rows, series)
    elif question.columns[question.chart.x] == "date":
        spec = _upright_bars(question, rows, series)
    else:
        spec = _lying_bars(question, rows, series)
    return Drawing({"$schema": _SCHEMA, "width": "container", **_FRAME, **spec, "config": _CONFIG}, chosen, series)


def _upright_bars(question: Question, rows: Rows, series: list[Series]) -> Spec:
    """A bar per day, week or month, stacked by color."""
    encoding = {
        "x": _calendar(question, rows),
        "y": _amount(question, rows),
        **_color(question, series),
        **_tooltip(question),
    }
    mark = {"type": "bar", "cornerRadiusEnd": 2}
    return {"height": _HEIGHT, "transform": [_as_number(question.chart.y)], "mark": mark, "encoding": encoding}


def _lying_bars(question: Question, rows: Rows, series: list[Series]) -> Spec:
    """A bar per text in the order of the rows, stacked by color, otherwise with its number."""
    chart = question.chart
    bars: Spec = {"x": _amount(question, rows), **_color(question, series), **_tooltip(question)}
    layers: list[Spec] = [{"mark": {"type": "bar", "cornerRadiusEnd": 3}, "encoding": bars}]
    if not series:
        number = {"field": _number(chart.y), "type": "quantitative", "format": ",.6~r"}
        mark = {"type": "text", "align": "left", "dx": 5}
        layers.append({"mark": mark, "encoding": {"x": bars["x"], "text": number}})
    return {
        "height": _BAR_STEP * len(_distinct(question, chart.x, rows)),
        "transform": [_as_number(chart.y)],
        "encoding": {"y": {"field": chart.x, "type": "nominal", "sort": None, "title": None}},
        "layer": layers,
    }


def _first_bars(question: Question, rows: Rows) -> list[int]:
    """The indexes of all rows of the first `MAX_BARS` bars."""
    at = list(question.columns).index(question.chart.x)
    texts = _distinct(question, question.chart.x, rows)[:MAX_BARS]
    return [index for index, row in enumerate(rows) if row[at] in texts]


def _lines(question: Question, rows: Rows, series: list[Series]) -> Spec:
    """With a point per row, so that a single one is seen as well."""
    encoding = {
        "x": _calendar(question, rows),
        "y": _amount(question, rows),
        **_color(question, series),
        **_tooltip(question),
    }
    if series:
        scale = {"domain": [one.label for one in series], "range": list(_SHAPES)}
        encoding["shape"] = {"field": question.chart.color, "type": "nominal", "scale": scale, "legend": None}
    mark = {"type": "line", "strokeWidth": 2, "point": {"filled": True, "size": 50}}
    return {"height": _HEIGHT, "transform": [_as_number(question.chart.y)], "mark": mark, "encoding": encoding}


def _heatmap(question: Question, rows: Rows) -> Spec:
    """A field per pair of ``x`` and ``y``, the stronger the larger its number, which is written into it."""
    chart = question.chart
    number = {"field": _number(chart.color), "type": "quantitative"}
    strength = {**number, "scale": {"range": [0.15, 0.7], "zero": False}, "legend": None}
    across = {"orient": "top", "labelAngle": -35, "titlePadding": 8}
    return {
        "height": _FIELD_STEP * len(_distinct(question, chart.y, rows)),
        "padding": {"left": 2, "top": 2, "bottom": 2, "right": 30},
        "transform": [_as_number(chart.color)],
        "encoding": {
            "x": {"field": chart.x, "type": "nominal", "sort": None, "title": words(chart.x), "axis": across},
            "y": {"field": chart.y, "type": "nominal", "sort": None, "title": words(chart.y)},
        },
        "layer": [
            {"mark": {"type": "rect", "cornerRadius": 3}, "encoding": {"fillOpacity": strength, **_tooltip(question)}},
            {"mark": "text", "encoding": {"text": {**number, "format": ","}}},
        ],
    }


def _as_number(column: str) -> Spec:
    """In a column of its own: the rows have decimals as text, with all their digits, and tooltips show them."""
    return {"calculate": f"toNumber(datum['{column}'])", "as": _number(column)}


def _number(column: str) -> str:
    return f"{column} as number"


def _calendar(question: Question, rows: Rows) -> Spec:
    """Every day, week or month (by the column's name) from the first to the last: what is missing leaves a gap."""
    column = question.chart.x
    domain = _steps(column, sorted(_distinct(question, column, rows)))
    axis = {
        "labelExpr": f"utcFormat(toDate(datum.value), '{'%b %Y' if column == 'month' else '%-d %b'}')",
        "labelOverlap": True,
        "labelAngle": 0,
        "labelSeparation": 10,
    }
    scale = {"domain": [day.isoformat() for day in domain]}
    return {"field": column, "type": "ordinal", "scale": scale, "title": None, "axis": axis}


def _steps(column: str, days: list[date]) -> list[date]:
    """At least `_LEAST_STEPS`, so that a single bar doesn't fill the chart."""
    found = [days[-1]]
    while found[-1] > days[0] or len(found) < _LEAST_STEPS:
        if column == "month":
            found.append((found[-1] - timedelta(days=1)).replace(day=1))
        else:
            found.append(found[-1] - timedelta(days=7 if column == "week" else 1))
    return found[::-1]


def _amount(question: Question, rows: Rows) -> Spec:
    axis = {"labelExpr": "format(datum.value, datum.value < 1000 ? ',.2~f' : '~s')", "tickCount": 5}
    if all(value % 1 == 0 for value in _distinct(question, question.chart.y, rows)):
        axis["tickMinStep"] = 1
    return {"field": _number(question.chart.y), "type": "quantitative", "title": question.unit, "axis": axis}


def _series(question: Question, rows: Rows) -> list[Series]:
    """In the order of the rows."""
    chart = question.chart
    if not chart.color or chart.kind == "heatmap":
        return []
    signs = list(_SHAPES.values())
    return [
        Series(
            str(value),
            OUTCOMES.get(str(value), f"series-{place % COLORS + 1}"),
            signs[place % len(signs)] if chart.kind == "line" else "■",
        )
        for place, value in enumerate(_distinct(question, chart.color, rows))
    ]


def _color(question: Question, series: list[Series]) -> Spec:
    if not series:
        return {}
    scale = {"domain": [one.label for one in series], "range": [f"var(--{one.color})" for one in series]}
    return {"color": {"field": question.chart.color, "type": "nominal", "scale": scale, "legend": None}}


def _distinct(question: Question, column: str, rows: Rows) -> list[Any]:
    at = list(question.columns).index(column)
    return list(dict.fromkeys(row[at] for row in rows if row[at] is not None))


def _tooltip(question: Question) -> Spec:
    """All columns with the values that the answer has."""
    return {"tooltip": [{"field": name, "type": "nominal", "title": words(name)} for name in question.columns]}


def words(column: str) -> str:
    """A column's name for people."""
    return column.replace("_", " ")


_FRAME: Spec = {"autosize": {"type": "fit-x", "contains": "padding"}, "padding": 2, "background": "transparent"}
_CONFIG: Spec = {
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--soft)",
        "titleColor": "var(--soft)",
        "domain": False,
        "ticks": False,
        "gridColor": "var(--line)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelPadding": 6,
        "labelLimit": 150,
    },
    "axisX": {"grid": False},
    "axisXQuantitative": {"grid": True},
    "axisYNominal": {"grid": False},
    "bar": {"color": "var(--series-1)"},
    "line": {"color": "var(--series-1)"},
    "point": {"color": "var(--series-1)"},
    "rect": {"color": "var(--series-1)"},
    "text": {"color": "var(--ink)", "fontSize": 12},
}
