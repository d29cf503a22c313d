"""Draws an answer: a Vega-Lite specification without data. The page has the rows once, as the answer.

Colors are CSS variables, so that the page's style decides them, in light and dark. The legend is the page's, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from spark_jobs.questions.catalog import Question
from spark_jobs.report.series import SHAPES, Rows, Series, distinct, series_of

Spec = dict[str, Any]

MAX_BARS = 20
"""Bars that lie, one per text; the table has the others."""
_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_BAR_STEP, _SENTENCE_STEP, _FIELD_STEP, _HEIGHT = 28, 46, 34, 210
_LONG = 24
"""Characters of a text that would be cut beside its bar."""
_LEAST_STEPS = 7
_FEW = 5


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
    series = series_of(question, rows)
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
    """A bar per text in the order of the rows, stacked by color, otherwise with its number. Sentences are above it."""
    chart = question.chart
    texts = distinct(question, chart.x, rows)
    long = max(len(str(text)) for text in texts) > _LONG
    place = {"yOffset": _SENTENCE_STEP / 5} if long else {}
    bar = {"type": "bar", "cornerRadiusEnd": 3} | ({"height": _SENTENCE_STEP / 3, **place} if long else {})
    amount = {"x": _amount(question, rows)}
    layers: list[Spec] = [{"mark": bar, "encoding": amount | _color(question, series) | _tooltip(question)}]
    if not series:
        number = {"field": _number(chart.y), "type": "quantitative", "format": ",.6~r"}
        layers.append({"mark": {"type": "text", "align": "left", "dx": 5} | place, "encoding": amount | {"text": number}})
    if long:
        mark = {"type": "text", "align": "left", "dy": -_SENTENCE_STEP / 4, "limit": {"expr": "width"}}
        layers.append({"mark": mark, "encoding": {"x": {"value": 0}, "text": {"field": chart.x, "type": "nominal"}}})
    lane = {"field": chart.x, "type": "nominal", "sort": None, "title": None} | ({"axis": None} if long else {})
    return {
        "height": (_SENTENCE_STEP if long else _BAR_STEP) * len(texts),
        "transform": [_as_number(chart.y)],
        "encoding": {"y": lane},
        "layer": layers,
    }


def _first_bars(question: Question, rows: Rows) -> list[int]:
    """The indexes of all rows of the first `MAX_BARS` bars."""
    at = list(question.columns).index(question.chart.x)
    texts = distinct(question, question.chart.x, rows)[:MAX_BARS]
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
        scale = {"domain": [one.label for one in series], "range": list(SHAPES)}
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
        "height": _FIELD_STEP * len(distinct(question, chart.y, rows)),
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
    domain = _steps(column, sorted(distinct(question, column, rows)))
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
    chart, columns = question.chart, list(question.columns)
    sums: Counter[Any] = Counter()
    for row in rows:
        sums[row[columns.index(chart.x)]] += row[columns.index(chart.y)] or 0
    axis: Spec = {"labelExpr": "format(datum.value, datum.value < 1000 ? ',.2~f' : '~s')", "tickCount": 5}
    most = max(sums.values())
    if most <= _FEW and all(value % 1 == 0 for value in sums.values()):
        axis = {"values": list(range(int(most) + 1)), "format": "d"}  # no half files
    return {"field": _number(chart.y), "type": "quantitative", "title": question.unit, "axis": axis}


def _color(question: Question, series: list[Series]) -> Spec:
    if not series:
        return {}
    scale = {"domain": [one.label for one in series], "range": [f"var(--{one.color})" for one in series]}
    return {"color": {"field": question.chart.color, "type": "nominal", "scale": scale, "legend": None}}


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
    "axisYDiscrete": {"grid": False},
    "bar": {"color": "var(--series-1)"},
    "line": {"color": "var(--series-1)"},
    "point": {"color": "var(--series-1)"},
    "rect": {"color": "var(--series-1)"},
    "text": {"color": "var(--ink)", "fontSize": 12},
}
