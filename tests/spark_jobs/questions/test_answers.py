"""The answers about a morning's files, worked out by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import CUSTOMER_ORDERS, FEEDS, ORDER_TRACKING
from spark_jobs.queries.delta_folder import DeltaFolder
from spark_jobs.questions.answers import Answer, ask
from spark_jobs.questions.catalog import question_named, questions_of
from tests.spark_jobs.questions.story import LATELY, LONG_AGO, MONDAY, NOW, Story, days_ago, today

TODAY = NOW.date()


def answer(story: Story, name: str, feed: Feed = ORDER_TRACKING, now: datetime = NOW) -> Answer:
    return ask(DeltaFolder(str(story.folder)), question_named(feed, name), now)


def rows(story: Story, name: str, feed: Feed = ORDER_TRACKING) -> list[Any]:
    found = answer(story, name, feed)
    assert found.missing == ""
    return [tuple(pytest.approx(value) if isinstance(value, float) else value for value in row) for row in found.rows]


def test_a_funnel_counts_each_row_of_the_target_once_and_canceled_ones_apart(story: Story) -> None:
    found = rows(story, "status_funnel")
    assert found == [
        ("pending", "open", 3, 11),
        ("processing", "open", 1, 8),
        ("shipped", "open", 2, 7),
        ("in transit", "open", 1, 5),
        ("delivered", "delivered", 4, 4),
        ("canceled", "canceled", 1, None),
    ]
    (target,) = DeltaFolder(str(story.folder)).rows("SELECT COUNT(*) AS n FROM orders_target")
    assert sum(shipments for _, _, shipments, _ in found) == target["n"]


def test_lead_time_is_that_of_shipments_delivered_with_both_dates(story: Story) -> None:
    assert rows(story, "lead_time") == [(MONDAY, "median", 4.0, 3), (MONDAY, "p90", pytest.approx(5.6), 3)]


def test_open_shipments_without_an_update_are_stuck_and_then_expired(story: Story) -> None:
    assert rows(story, "stuck") == [
        ("pending", "expired", 1, NOW - timedelta(days=40), "T05"),
        ("shipped", "stuck", 1, NOW - timedelta(days=10), "T06"),
    ]


def test_a_passed_date_and_a_missing_date_are_told_apart(story: Story) -> None:
    assert rows(story, "overdue") == [
        ("date has passed, open", "shipped", 1, days_ago(2), "T06"),
        ("delivered, no date", "delivered", 1, None, "T04"),
    ]


def test_late_updates_leave_replays_out(story: Story) -> None:
    # Five rows are 10 hours old, five 22, one 238 and one 958; 2 of 17 were older than another row of their key.
    share = pytest.approx(100 * 2 / 17)
    assert rows(story, "late_updates") == [
        (TODAY, "p50", 22.0, 12, 17, share),
        (TODAY, "p95", pytest.approx(562.0), 12, 17, share),
    ]


def test_an_update_that_moved_a_shipment_backwards_comes_first(story: Story) -> None:
    found = rows(story, "regressions")
    assert [row[:4] for row in found] == [
        ("in transit", "shipped", "backwards", 1),
        ("order placed", "pending", "forwards", 1),
        ("processing", "processing", "unchanged", 1),
    ]
    (second,) = DeltaFolder(str(story.folder)).rows(
        "SELECT updated FROM orders_ingest_log WHERE file_id = :file", {"file": story.files["second"]}
    )
    assert sum(row[3] for row in found) == second["updated"]


def test_without_a_change_in_the_last_days_there_are_none(story: Story) -> None:
    found = answer(story, "regressions", now=NOW + timedelta(days=30))
    assert (found.rows, found.missing) == ([], "")


def test_files_that_were_taken_wait_until_they_are_logged(story: Story) -> None:
    assert rows(story, "waiting") == [
        (story.files["parked"], today(10, 50), "parked", 2, 2),
        (story.files["taken"], today(10, 55), "taken", 1, 2),
    ]


def test_a_rejected_file_has_the_sentence_for_its_sender(story: Story) -> None:
    ((reason, files, latest, file),) = rows(story, "rejected_files")
    assert (files, latest, file) == (1, today(10, 30), story.files["headless"])
    assert reason.startswith("the header ")


def test_files_and_rows_of_a_day_by_outcome(story: Story) -> None:
    assert rows(story, "files_by_day") == [(TODAY, "merged", 4, 29, 2), (TODAY, "rejected", 1, 0, 0)]


def test_bad_rows_by_code_and_column(story: Story) -> None:
    ((*counts, example),) = rows(story, "bad_rows")
    assert counts == ["unknown_status", "status", 2, 2, today(10, 40)]
    assert example.startswith("status must be one of ")


def test_latency_leaves_replays_out(story: Story) -> None:
    assert rows(story, "latency") == [(TODAY, "p50", 30.0, 3), (TODAY, "p95", pytest.approx(66.0), 3)]


def test_files_of_several_attempts(story: Story) -> None:
    assert rows(story, "retries") == [
        (story.files["parked"], 2, today(10, 50), today(10, 51), "waiting", 2),
        (story.files["second"], 2, today(10, 10), today(10, 11, 10), "merged", 2),
    ]


def test_a_file_that_does_not_balance_is_noted(story: Story) -> None:
    at = today(10, 20, 10)
    assert rows(story, "notes") == [(story.files["miscounted"], at, "merged", False, "the counts do not agree", 1)]


def test_ties(story: Story) -> None:
    assert rows(story, "ties") == [(story.files["second"], 2, 6, today(10, 11, 10), 1)]


def test_a_replay_says_what_it_changed(story: Story) -> None:
    original = story.files["first"].rpartition("#")[2]
    at = today(10, 40)
    assert rows(story, "replays") == [(story.files["replayed"], original, today(10), at, "merged", 11, 0, 0, 10, 1)]


def test_orders_by_status_never_add_currencies(story: Story) -> None:
    assert rows(story, "orders_by_status", CUSTOMER_ORDERS) == [
        ("pending", "EUR", 1, Decimal("2.00"), 5),
        ("pending", "USD", 1, Decimal("5.50"), 5),
        ("shipped", "EUR", 1, Decimal("20.00"), 5),
        ("delivered", "EUR", 2, Decimal("31.00"), 5),
        ("canceled", "USD", 1, Decimal("7.00"), 5),
    ]


def test_revenue_leaves_canceled_orders_out(story: Story) -> None:
    assert rows(story, "revenue", CUSTOMER_ORDERS) == [
        (LONG_AGO.date(), "EUR", 2, Decimal("31.00")),
        (LATELY.date(), "EUR", 2, Decimal("22.00")),
        (LATELY.date(), "USD", 1, Decimal("5.50")),
    ]


def test_orders_against_the_day_on_which_delivery_was_expected(story: Story) -> None:
    assert rows(story, "late_orders", CUSTOMER_ORDERS) == [
        ("open and late", 1, 5.0, 5, "O2"),
        ("delivered late", 1, 2.0, 2, "O1"),
        ("open and in time", 1, None, None, "O3"),
        ("delivered in time", 1, None, None, "O5"),
        ("no date expected", 1, None, None, "O6"),
    ]


def test_a_canceled_order_that_is_paid_for_is_counted(story: Story) -> None:
    assert rows(story, "payments", CUSTOMER_ORDERS) == [
        ("failed", "EUR", 1, Decimal("2.00"), 0, 4),
        ("pending", "USD", 1, Decimal("5.50"), 0, 4),
        ("paid", "EUR", 3, Decimal("51.00"), 0, 4),
        ("paid", "USD", 1, Decimal("7.00"), 1, 4),
    ]


def test_top_products_by_currency(story: Story) -> None:
    assert rows(story, "top_products", CUSTOMER_ORDERS) == [
        ("EUR", 1, "P-1", "Product P-1", 4, Decimal("40.00")),
        ("EUR", 2, "P-2", "Product P-2", 4, Decimal("13.00")),
        ("USD", 1, "P-3", "Product P-3", 1, Decimal("5.50")),
    ]


def test_a_customer_returns_in_a_later_month(story: Story) -> None:
    then, lately = (moment.date().replace(day=1) for moment in (LONG_AGO, LATELY))
    assert rows(story, "returning_customers", CUSTOMER_ORDERS) == [
        (then, "new", 2, 2),
        (lately, "new", 1, 1),
        (lately, "returning", 2, 2),
    ]


def test_a_total_says_how_many_rows_there_are(story: Story) -> None:
    assert [answer(story, name).total for name in ("waiting", "retries", "overdue", "stuck")] == [2, 2, 2, 2]


@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS)
def test_without_tables_an_answer_says_what_is_missing(tmp_path: Path, feed: Feed) -> None:
    for question in questions_of(feed):
        found = ask(DeltaFolder(str(tmp_path)), question, NOW)
        assert found.rows == []
        assert "no run has created the tables" in found.missing
        assert found.total == 0
