"""The AI/BI dashboard as Databricks serializes it (`.lvdash.json`): a dataset for each question about each feed, and the
pages Orders and Pipeline, on which one feed follows the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from infra.dashboards.widgets import Json, chart, heading, table
from spark_jobs.contract.feed import Feed
from spark_jobs.questions.catalog import Question, questions_of

WIDTH = 6
"""Columns of a page's grid."""
_HEADING_HEIGHT, _QUESTION_HEIGHT = 1, 6
_PAGES = {"orders": "Orders", "pipeline": "Pipeline"}
_NOW = re.compile(r"(?<!:):now\b")

# table_changes() takes literals, which a parameter becomes and an expression does not. Six days: the value is the start of
# the day, and VACUUM may have removed what is older than seven.
CHANGES_SINCE: Json = {
    "displayName": "Changes since",
    "keyword": "changes_since",
    "dataType": "DATETIME",
    "defaultSelection": {"values": {"dataType": "DATETIME", "values": [{"value": "now-6d/d"}]}},
}


def dashboard(feeds: Iterable[Feed]) -> Json:
    """The whole dashboard. Its tables have no catalog and schema: the bundle sets those of its target."""
    asked = [(feed, questions_of(feed)) for feed in feeds]
    return {
        "datasets": [_dataset(question) for _, questions in asked for question in questions],
        "pages": [
            {"name": name, "displayName": title, "pageType": "PAGE_TYPE_CANVAS", "layout": list(_layout(name, asked))}
            for name, title in _PAGES.items()
        ],
    }


def dataset_name(question: Question) -> str:
    """Unique in the dashboard."""
    return f"{question.feed.name}-{question.name}"


def _dataset(question: Question) -> Json:
    statement = _NOW.sub("current_timestamp()", question.statement).strip()
    dataset: Json = {
        "name": dataset_name(question),
        "displayName": f"{question.title} ({question.feed.title})",
        # Databricks joins the lines as they are.
        "queryLines": statement.splitlines(keepends=True),
    }
    return dataset | ({"parameters": [CHANGES_SINCE]} if ":changes_since" in statement else {})


def _layout(section: str, asked: list[tuple[Feed, list[Question]]]) -> Iterator[Json]:
    """Below each feed's heading, each question has a row: its chart with the numbers beside it, or the numbers alone."""
    y = 0
    for feed, questions in asked:
        shown = [question for question in questions if question.section == section]
        if not shown:
            continue
        yield _placed(heading(f"{section}-{feed.name}", feed.title.capitalize()), 0, y, WIDTH, _HEADING_HEIGHT)
        y += _HEADING_HEIGHT
        for question in shown:
            dataset, left = dataset_name(question), 0
            if question.chart.kind != "none":
                left = WIDTH // 2
                yield _placed(chart(f"{dataset}-chart", dataset, question), 0, y, left, _QUESTION_HEIGHT)
            yield _placed(table(f"{dataset}-table", dataset, question), left, y, WIDTH - left, _QUESTION_HEIGHT)
            y += _QUESTION_HEIGHT


def _placed(widget: Json, x: int, y: int, width: int, height: int) -> Json:
    return {"widget": widget, "position": {"x": x, "y": y, "width": width, "height": height}}
