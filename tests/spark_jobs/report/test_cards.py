"""Which rows the page has, and which of them its tables show."""

from __future__ import annotations

from dataclasses import replace

from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.questions.catalog import question_named
from spark_jobs.report.cards import SHOWN_ROWS, card_of, sections_of
from tests.spark_jobs.report.made_up import answer, gathered


def test_the_first_rows_are_kept_and_of_days_the_latest() -> None:
    texts = answer(question_named(ORDER_TRACKING, "rejected_files"), 80)
    days = answer(question_named(ORDER_TRACKING, "latency"), 80)

    assert card_of(texts, 60).kept == texts.rows[:60]
    assert card_of(texts, 60).rows == texts.rows[:SHOWN_ROWS]
    assert card_of(texts, 60).shown == "First 50 of 80 rows"
    assert card_of(days, 60).kept == days.rows[-60:]
    assert card_of(days, 60).rows == days.rows[-SHOWN_ROWS:]
    assert card_of(days, 60).shown == "Last 50 of 80 rows"
    assert card_of(days, 60).as_json()["total"] == 80


def test_rows_that_the_question_left_out_are_counted_and_the_count_is_no_column() -> None:
    question = question_named(ORDER_TRACKING, "ties")
    found = card_of(replace(answer(question, 1), rows=[("f", 1, 2, None, 250)]), 60)

    assert found.shown == "First 1 of 250 rows"
    assert [name for _, name, _ in found.columns] == ["file", "ties", "rows", "logged_at"]
    assert found.as_json()["columns"][-1] == "total"


def test_answers_without_rows_come_last() -> None:
    feed = gathered(3).feeds[0]
    feed = replace(feed, answers=[replace(feed.answers[0], rows=[]), *feed.answers[1:]])
    orders, pipeline = sections_of(feed, 60)

    assert [card.name for card in orders.empty] == ["status_funnel"]
    assert [card.name for card in orders.all][-1] == "status_funnel"
    assert (orders.id, pipeline.id) == ("order_tracking-orders", "order_tracking-pipeline")
    assert not pipeline.empty
