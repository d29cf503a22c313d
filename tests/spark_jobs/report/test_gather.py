"""All answers of a folder of tables, without Spark."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from spark_jobs.contract.feeds import CUSTOMER_ORDERS, ORDER_TRACKING
from spark_jobs.queries.delta_folder import DeltaFolder
from spark_jobs.questions.catalog import questions_of
from spark_jobs.report.gather import answer_name, gather
from tests.released_tables import unpack_tables

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of order tracking that version 0.1.0 of the job wrote; none of customer orders."""
    return unpack_tables(tmp_path_factory.mktemp("tables"))


def test_every_question_is_asked_and_says_if_its_feed_has_no_tables(folder: Path) -> None:
    engine = DeltaFolder(str(folder))
    found = gather(engine, [ORDER_TRACKING, CUSTOMER_ORDERS], NOW, "here")

    for feed, one in zip((ORDER_TRACKING, CUSTOMER_ORDERS), found.feeds, strict=True):
        assert [answer.question for answer in one.answers] == questions_of(feed)
    tracking, customers = found.feeds
    (funnel,) = (answer for answer in tracking.answers if answer.question.name == "status_funnel")
    (counted,) = engine.rows("SELECT COUNT(*) AS n FROM orders_target")
    assert sum(row[2] for row in funnel.rows) == counted["n"] > 0
    assert tracking.versions["orders_target"] == engine.version("orders_target")
    assert tracking.last_merged is not None
    assert tracking.last_merged < NOW
    assert all("no run has created the tables" in answer.missing for answer in customers.answers)
    assert set(customers.versions.values()) == {None}
    assert customers.last_merged is None


def test_only_order_trackings_answers_have_short_names() -> None:
    assert answer_name(ORDER_TRACKING, "waiting") == "waiting"
    assert answer_name(CUSTOMER_ORDERS, "waiting") == "customer_orders.waiting"
