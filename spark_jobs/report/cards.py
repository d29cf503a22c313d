"""What a page has of each answer: as many rows as fit, some of them in a table, and a chart of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spark_jobs.questions.answers import Answer
from spark_jobs.questions.catalog import ColumnType
from spark_jobs.report.charts import Drawing, draw
from spark_jobs.report.gather import FeedAnswers, answer_name
from spark_jobs.report.values import as_json

SHOWN_ROWS = 50
_SECTIONS = {"orders": "Orders", "pipeline": "Pipeline"}
_KINDS = {"bar": "Bar chart", "line": "Line chart", "heatmap": "Heat map"}


@dataclass(frozen=True)
class Card:
    """``kept``: the rows that the page has, ``rows``: those in the table. Of what happens over time these are the latest,
    otherwise the first. ``shown`` says which.
    """

    name: str
    answer: Answer
    kept: list[tuple[Any, ...]]
    rows: list[tuple[Any, ...]]
    shown: str
    drawing: Drawing | None

    @property
    def columns(self) -> list[tuple[int, str, ColumnType]]:
        """Index in a row, name and type of the table's columns. ``shown`` has the total."""
        columns = self.answer.question.columns.items()
        return [(at, name, kind) for at, (name, kind) in enumerate(columns) if name != "total"]

    @property
    def latest_last(self) -> bool:
        return _is_over_time(self.answer)

    @property
    def wide(self) -> bool:
        """A table alone gets the page's whole width."""
        return bool(self.rows) and self.drawing is None

    @property
    def alternative(self) -> str:
        """What a screen reader says instead of the chart."""
        question = self.answer.question
        return f"{_KINDS[question.chart.kind]}: {question.title}. {question.sentence} The table below has the numbers."

    def as_json(self) -> dict[str, Any]:
        """``total`` and ``missing`` are there only if they say something."""
        question = self.answer.question
        found: dict[str, Any] = {
            "title": question.title,
            "columns": list(question.columns),
            "rows": [[as_json(value) for value in row] for row in self.kept],
        }
        if self.answer.total > len(self.kept):
            found["total"] = self.answer.total
        if self.answer.missing:
            found["missing"] = self.answer.missing
        return found


@dataclass(frozen=True)
class Section:
    """The cards about the orders or the pipeline of a feed. ``id`` is unique on the page."""

    id: str
    title: str
    cards: Sequence[Card]
    empty: Sequence[Card]
    """Those without rows."""

    @property
    def all(self) -> list[Card]:
        return [*self.cards, *self.empty]


def sections_of(feed: FeedAnswers, limit: int) -> list[Section]:
    """With at most ``limit`` rows per answer."""
    found = []
    for section, title in _SECTIONS.items():
        cards = [card_of(answer, limit) for answer in feed.answers if answer.question.section == section]
        if cards:
            found.append(
                Section(
                    f"{feed.feed.name}-{section}", title, [c for c in cards if c.rows], [c for c in cards if not c.rows]
                )
            )
    return found


def card_of(answer: Answer, limit: int) -> Card:
    """With at most ``limit`` rows."""
    question, total = answer.question, answer.total
    over_time = _is_over_time(answer)
    kept = answer.rows[-limit:] if over_time else answer.rows[:limit]
    rows = kept[-SHOWN_ROWS:] if over_time else kept[:SHOWN_ROWS]
    noun = "row" if total == 1 else "rows"
    shown = f"{total:,} {noun}"
    if len(rows) < total:
        shown = f"{'Last' if over_time else 'First'} {len(rows):,} of {total:,} {noun}"
    return Card(answer_name(question.feed, question.name), answer, kept, rows, shown, draw(question, kept))


def _is_over_time(answer: Answer) -> bool:
    question = answer.question
    return question.columns.get(question.chart.x) == "date"
