"""Scales follow from the types of the columns, and nothing that senders write is markup."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infra.dashboards.widgets import chart, table
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.questions.catalog import Chart, ColumnType, Question
from spark_jobs.report.charts import words

QUESTION = Question(
    name="q",
    feed=ORDER_TRACKING,
    section="orders",
    title="A title",
    sentence="A sentence.",
    unit="rows",
    chart=Chart("bar", "status", "updates", "from_status"),
    columns={"status": "text", "from_status": "text", "updates": "number"},
    statement="SELECT 1",
)


def test_categories_have_the_order_of_the_rows_on_axes_only() -> None:
    encodings = chart("n", "d", QUESTION)["spec"]["encodings"]
    assert encodings["x"]["scale"] == {"type": "categorical", "sort": {"by": "natural-order"}}
    assert encodings["color"]["scale"] == {"type": "categorical"}
    assert encodings["y"]["scale"] == {"type": "quantitative"}
    assert encodings["color"]["displayName"] == "from status"


@pytest.mark.parametrize(
    ("kind", "scale"),
    [
        ("text", "categorical"),
        ("flag", "categorical"),
        ("number", "quantitative"),
        ("time", "temporal"),
        ("date", "temporal"),
    ],
)
def test_each_type_has_its_scale(kind: ColumnType, scale: str) -> None:
    question = replace(QUESTION, columns={**QUESTION.columns, "status": kind})
    assert chart("n", "d", question)["spec"]["encodings"]["x"]["scale"]["type"] == scale


def test_a_heatmap_colors_by_a_number() -> None:
    question = replace(QUESTION, chart=Chart("heatmap", "status", "from_status", "updates"))
    spec = chart("n", "d", question)["spec"]
    assert (spec["version"], spec["widgetType"]) == (3, "heatmap")
    assert spec["encodings"]["color"]["scale"] == {"type": "quantitative"}


def test_a_chart_without_colors_has_two_axes() -> None:
    widget = chart("n", "d", replace(QUESTION, chart=Chart("line", "status", "updates")))
    assert list(widget["spec"]["encodings"]) == ["x", "y"]
    assert [field["name"] for field in widget["queries"][0]["query"]["fields"]] == ["status", "updates"]


def test_cells_are_text() -> None:
    assert table("n", "d", QUESTION)["spec"]["allowHTMLByDefault"] is False


def test_labels_are_for_people() -> None:
    assert words("oldest_update") == "oldest update"
