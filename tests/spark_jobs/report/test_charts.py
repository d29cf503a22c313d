"""Specifications of charts: valid by Vega-Lite's schema, and true to the rows."""

from __future__ import annotations

from datetime import date
from typing import Any

import altair
import pytest

from spark_jobs.contract.feeds import CUSTOMER_ORDERS, FEEDS, ORDER_TRACKING
from spark_jobs.questions.catalog import Question, question_named, questions_of
from spark_jobs.report.charts import MAX_BARS, draw
from tests.spark_jobs.report.made_up import HOSTILE, answer

ALL = [question for feed in FEEDS.values() for question in questions_of(feed)]
DRAWN = [question for question in ALL if question.chart.kind != "none"]


def named(question: Question) -> str:
    return f"{question.feed.name}-{question.name}"


@pytest.mark.parametrize("rows", [1, 40])
@pytest.mark.parametrize("question", DRAWN, ids=named)
def test_every_chart_is_valid_and_has_no_strangers_text_in_an_expression(question: Question, rows: int) -> None:
    drawing = draw(question, answer(question, rows).rows)
    assert drawing

    assert altair.SCHEMA_VERSION.startswith("v6."), "the version of the specifications"
    altair.Chart.from_dict({**drawing.spec, "data": {"values": []}}, validate=True)

    def expressions(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [str(part[key]) for key in ("calculate", "filter", "expr", "labelExpr", "test", "signal") if key in part]
            return own + [found for value in part.values() for found in expressions(value)]
        return [found for value in part for found in expressions(value)] if isinstance(part, list) else []

    assert not [text for text in expressions(drawing.spec) if any(hostile in text for hostile in HOSTILE)]


@pytest.mark.parametrize("question", ALL, ids=named)
def test_without_rows_there_is_no_chart(question: Question) -> None:
    assert draw(question, []) is None


@pytest.mark.parametrize("question", ALL, ids=named)
def test_no_chart_stacks_amounts_of_different_currencies(question: Question) -> None:
    assert not (question.chart.kind == "bar" and question.chart.color == "currency" and question.unit == "amount")


def test_days_without_files_leave_a_gap() -> None:
    question = question_named(ORDER_TRACKING, "files_by_day")
    rows = [(date(2026, 1, day), "merged", 1, 10, 0) for day in (1, 2, 10)]

    assert domain(question, rows) == [f"2026-01-{day:02d}" for day in range(1, 11)]


def test_a_single_day_week_or_month_does_not_fill_the_chart() -> None:
    day = question_named(ORDER_TRACKING, "files_by_day")
    week = question_named(ORDER_TRACKING, "lead_time")
    month = question_named(CUSTOMER_ORDERS, "returning_customers")

    assert domain(day, [(date(2026, 1, 3), "merged", 1, 1, 0)])[::6] == ["2025-12-28", "2026-01-03"]
    assert domain(week, [(date(2026, 1, 5), "median", 1, 1)])[-2:] == ["2025-12-29", "2026-01-05"]
    assert domain(month, [(date(2026, 3, 1), "new", 1, 1)]) == [
        *("2025-09-01", "2025-10-01", "2025-11-01", "2025-12-01", "2026-01-01", "2026-02-01", "2026-03-01")
    ]


def domain(question: Question, rows: list[tuple[Any, ...]]) -> Any:
    drawing = draw(question, rows)
    assert drawing
    return drawing.spec["encoding"]["x"]["scale"]["domain"]


def test_a_bar_that_is_drawn_has_all_of_its_parts() -> None:
    """The limit counts bars, not rows: a stacked bar never lacks a color."""
    question = question_named(CUSTOMER_ORDERS, "top_products")
    rows = [(currency, 1, f"P{n}", f"product {n}", n, n) for currency in ("EUR", "USD") for n in range(MAX_BARS + 5)]
    drawing = draw(question, rows)

    assert drawing
    assert [rows[at][3] for at in drawing.rows] == [f"product {n}" for n in range(MAX_BARS)] * 2


def test_outcomes_have_the_same_color_wherever_they_are_drawn() -> None:
    question = question_named(ORDER_TRACKING, "files_by_day")
    rows = [(date(2026, 1, 1), outcome, 1, 1, 0) for outcome in ("superseded", "merged", "rejected", "new")]
    drawing = draw(question, rows)

    assert drawing
    assert [(one.label, one.color) for one in drawing.legend] == [
        *(("superseded", "quiet"), ("merged", "good"), ("rejected", "bad"), ("new", "series-4"))
    ]
    assert drawing.spec["encoding"]["color"]["scale"]["range"][1] == "var(--good)"


def test_a_sentence_stands_above_its_bar_and_few_files_have_whole_numbers() -> None:
    question = question_named(ORDER_TRACKING, "rejected_files")
    short = draw(question, [("bad", 2, None, "f")])
    long = draw(question, [("the header has no column tracking_num", 2, None, "f")])

    assert short and long
    assert len(short.spec["layer"]) == 2
    assert len(long.spec["layer"]) == 3
    assert long.spec["encoding"]["y"]["axis"] is None
    assert long.spec["layer"][0]["encoding"]["x"]["axis"]["values"] == [0, 1, 2]
