"""The dashboard shows every question about every feed once, and is complete in itself."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from infra.dashboards.lakeview import WIDTH, dashboard, dataset_name
from spark_jobs.contract.feeds import FEEDS
from spark_jobs.questions.catalog import Question, questions_of
from tests.infra.contracts.odd_feed import ODD

SHOWN = dashboard(FEEDS.values())
DATASETS = {dataset["name"]: dataset for dataset in SHOWN["datasets"]}
PAGES = {page["displayName"]: page for page in SHOWN["pages"]}
QUESTIONS = {dataset_name(question): question for feed in FEEDS.values() for question in questions_of(feed)}


def widgets(page: dict[str, Any]) -> list[dict[str, Any]]:
    return [placed["widget"] for placed in page["layout"]]


def text(dataset: dict[str, Any]) -> str:
    """The statement as Databricks puts it together."""
    return "".join(dataset["queryLines"])


WIDGETS = [widget for page in SHOWN["pages"] for widget in widgets(page)]
QUERIED = [widget for widget in WIDGETS if "spec" in widget]


def test_there_are_two_pages_and_a_dataset_for_each_question_about_each_feed() -> None:
    assert list(PAGES) == ["Orders", "Pipeline"]
    assert DATASETS.keys() == QUESTIONS.keys()
    assert len(SHOWN["datasets"]) == len(DATASETS)


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=dataset_name)
def test_each_question_is_on_its_page_with_its_chart_and_all_columns(question: Question) -> None:
    about = [w for w in QUERIED if w["queries"][0]["query"]["datasetName"] == dataset_name(question)]
    page = PAGES[question.section.capitalize()]
    assert all(widget in widgets(page) for widget in about)
    kinds = ["table"] if question.chart.kind == "none" else [question.chart.kind, "table"]
    assert [widget["spec"]["widgetType"] for widget in about] == kinds
    shown = [column["fieldName"] for column in about[-1]["spec"]["encodings"]["columns"]]
    assert shown == list(question.columns)
    for widget in about:
        frame = widget["spec"]["frame"]
        assert (frame["title"], frame["description"]) == (question.title, question.sentence)


@pytest.mark.parametrize("widget", QUERIED, ids=lambda widget: widget["name"])
def test_every_field_of_a_widget_is_a_column_of_its_dataset(widget: dict[str, Any]) -> None:
    """A field of another name shows "no selected fields to visualize"."""
    (query,) = [one["query"] for one in widget["queries"]]
    fields = {field["name"]: field["expression"] for field in query["fields"]}
    assert fields == {column: f"`{column}`" for column in fields}
    assert fields.keys() <= QUESTIONS[query["datasetName"]].columns.keys()
    encodings = widget["spec"]["encodings"]
    encoded = encodings["columns"] if "columns" in encodings else encodings.values()
    assert {one["fieldName"] for one in encoded} == fields.keys()
    assert query["disaggregated"] is True, "the statements have already aggregated the rows"


def test_widgets_have_names_that_databricks_accepts_and_that_occur_once() -> None:
    names = Counter(widget["name"] for widget in WIDGETS)
    assert set(names.values()) == {1}
    assert not [name for name in names if not re.fullmatch(r"[A-Za-z0-9_-]{1,60}", name)]


@pytest.mark.parametrize("page", SHOWN["pages"], ids=lambda page: page["name"])
def test_no_widget_covers_another_and_no_cell_is_empty(page: dict[str, Any]) -> None:
    cells = Counter(
        (x, y)
        for position in (placed["position"] for placed in page["layout"])
        for x in range(position["x"], position["x"] + position["width"])
        for y in range(position["y"], position["y"] + position["height"])
    )
    assert set(cells.values()) == {1}
    rows = 1 + max(y for _, y in cells)
    assert cells.keys() == {(x, y) for x in range(WIDTH) for y in range(rows)}


@pytest.mark.parametrize("page", SHOWN["pages"], ids=lambda page: page["name"])
def test_each_feed_begins_with_its_name(page: dict[str, Any]) -> None:
    headings = [widget["multilineTextboxSpec"]["lines"] for widget in widgets(page) if "spec" not in widget]
    assert headings == [[f"## {feed.title.capitalize()}"] for feed in FEEDS.values()]


def test_a_feed_without_questions_about_its_orders_is_on_the_other_page_only() -> None:
    pages = {page["displayName"]: widgets(page) for page in dashboard([ODD])["pages"]}
    assert pages["Orders"] == []
    assert pages["Pipeline"]


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_names_tables_only_and_no_parameter_that_it_does_not_declare(name: str) -> None:
    """Catalog and schema come from the bundle's target."""
    dataset = DATASETS[name]
    statement = re.sub(r"'[^']*'", "", text(dataset))
    declared = {parameter["keyword"] for parameter in dataset.get("parameters", [])}
    assert set(re.findall(r"(?<!:):([a-z_]+)", statement)) == declared
    assert declared <= {"changes_since"}
    prefix = QUESTIONS[name].feed.table_prefix
    assert not re.search(rf"[.`]{prefix}_", text(dataset))
    assert ("current_timestamp()" in statement) == (":now" in QUESTIONS[name].statement)


def test_changes_are_read_from_a_time_that_vacuum_spares() -> None:
    (parameter,) = {str(p): p for dataset in SHOWN["datasets"] for p in dataset.get("parameters", [])}.values()
    values = parameter["defaultSelection"]["values"]
    assert parameter["dataType"] == values["dataType"] == "DATETIME"
    days = re.fullmatch(r"now-(\d)d/d", values["values"][0]["value"])
    assert days
    assert int(days[1]) < 7, "the start of that day is up to a day earlier"
