"""The widgets of an AI/BI dashboard. Databricks doesn't document their format: it is that of dashboards exported from a
workspace, and of those in databricks/bundle-examples. A widget of another ``version`` than here is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from spark_jobs.questions.catalog import Chart, ColumnType, Question
from spark_jobs.report.charts import words

Json = dict[str, Any]

_SCALES: dict[ColumnType, str] = {
    "number": "quantitative",
    "time": "temporal",
    "date": "temporal",
    "text": "categorical",
    "flag": "categorical",
}


def heading(name: str, text: str) -> Json:
    """A line of text in large letters."""
    return {"name": name, "multilineTextboxSpec": {"lines": [f"## {text}"]}}


def chart(name: str, dataset: str, question: Question) -> Json:
    """The question's chart, which must not be of the kind ``none``."""
    channels = _channels(question.chart)
    encodings = {
        channel: {"fieldName": column, "displayName": words(column), "scale": _scale(channel, question.columns[column])}
        for channel, column in channels.items()
    }
    spec = {"version": 3, "widgetType": question.chart.kind, "encodings": encodings, "frame": _frame(question)}
    return {"name": name, "queries": _queries(dataset, channels.values()), "spec": spec}


def table(name: str, dataset: str, question: Question) -> Json:
    """All columns of the answer."""
    columns = [{"fieldName": column, "displayName": words(column)} for column in question.columns]
    # Senders choose what is in the cells.
    spec = {"version": 2, "widgetType": "table", "allowHTMLByDefault": False, "encodings": {"columns": columns}}
    return {"name": name, "queries": _queries(dataset, question.columns), "spec": {**spec, "frame": _frame(question)}}


def _scale(channel: str, kind: ColumnType) -> Json:
    """On an axis, categories have the order of the rows: the alphabet knows nothing of the lifecycle of a shipment."""
    scale = {"type": _SCALES[kind]}
    return scale | ({"sort": {"by": "natural-order"}} if scale["type"] == "categorical" and channel != "color" else {})


def _channels(chart: Chart) -> dict[str, str]:
    given = {"x": chart.x, "y": chart.y, "color": chart.color}
    return {channel: column for channel, column in given.items() if column}


def _queries(dataset: str, columns: Iterable[str]) -> list[Json]:
    """The answer's rows as they are: the statements have already aggregated them."""
    fields = [{"name": column, "expression": f"`{column}`"} for column in dict.fromkeys(columns)]
    return [{"name": "main_query", "query": {"datasetName": dataset, "fields": fields, "disaggregated": True}}]


def _frame(question: Question) -> Json:
    return {
        "showTitle": True,
        "title": question.title,
        "showDescription": True,
        "description": question.sentence,
    }
