"""The questions' files and their headers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import CUSTOMER_ORDERS, FEEDS, ORDER_TRACKING
from spark_jobs.questions import catalog
from spark_jobs.questions.catalog import Chart, HeaderError, question_named, questions_of

ROOT = Path(__file__).resolve().parents[3]
PIPELINE = ["waiting", "rejected_files", "files_by_day", "bad_rows", "latency", "retries", "notes", "ties", "replays"]
ORDERS = ["status_funnel", "lead_time", "stuck", "overdue", "late_updates", "regressions"]
HEADER = """\
-- title: Files
-- sentence: How many files there are.
-- unit: files
-- chart: bar x=day y=files
-- columns: day date, files number
SELECT CAST(logged_at AS DATE) AS day, COUNT(*) AS files FROM {ingest_log} GROUP BY 1
"""


def test_the_questions_about_order_tracking_have_the_names_that_the_page_promises() -> None:
    assert [question.name for question in questions_of(ORDER_TRACKING)] == [*ORDERS, *PIPELINE]


@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS)
def test_every_question_is_about_the_tables_of_its_feed(feed: Feed) -> None:
    for question in questions_of(feed):
        tables = re.findall(r"\w+_(?:target|ingest_log|attempts|rejected_rows)\b", question.statement)
        assert tables, question.name
        assert {table.startswith(f"{feed.table_prefix}_") for table in tables} == {True}
        assert "{" not in question.statement
        assert question.sentence.endswith(".")


def test_the_pipeline_is_asked_about_in_every_feed() -> None:
    for feed in FEEDS.values():
        assert [one.name for one in questions_of(feed) if one.section == "pipeline"] == PIPELINE


def test_every_answer_is_bounded_and_in_one_order() -> None:
    """A column ``total`` exactly where a LIMIT cuts off rows that are listed one by one."""
    for feed in FEEDS.values():
        for question in questions_of(feed):
            assert "ORDER BY" in question.statement.rpartition(")")[2], question.name
            if "total" in question.columns:
                assert re.search(r"LIMIT \d+\s*$", question.statement), question.name


def test_amounts_are_never_added_across_currencies() -> None:
    money = [one for one in questions_of(CUSTOMER_ORDERS) if "amount" in one.columns or "revenue" in one.columns]
    assert len(money) == 4
    for question in money:
        assert "currency" in question.columns
        assert question.chart.y not in ("amount", "revenue") or question.chart.kind == "line", "bars would be stacked"


def test_a_header_becomes_a_question(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalog, "_FOLDER", tmp_path)
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "10_many_files.sql").write_text(HEADER)
    question = question_named(CUSTOMER_ORDERS, "many_files")
    assert (question.title, question.unit, question.section) == ("Files", "files", "pipeline")
    assert question.chart == Chart("bar", "day", "files")
    assert question.columns == {"day": "date", "files": "number"}
    assert question.statement.startswith("SELECT ")
    assert "FROM customer_orders_ingest_log GROUP" in question.statement


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "-- unit: files\n",
            "",
            "the header must be title, sentence, unit, chart, columns, one a line, not title, sentence",
        ),
        ("files number", "files count", "columns have the types text, number, time, date, flag, not count"),
        ("bar x", "pie x", "a chart is one of bar, line, heatmap, none, not pie"),
        ("y=files", "y=rows", "the chart shows rows, which is no column of the answer"),
    ],
)
def test_a_wrong_header_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, old: str, new: str, message: str) -> None:
    monkeypatch.setattr(catalog, "_FOLDER", tmp_path)
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "10_wrong.sql").write_text(HEADER.replace(old, new))
    with pytest.raises(HeaderError, match=f"^10_wrong.sql: {message}"):
        questions_of(ORDER_TRACKING)


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(LookupError, match="there is no question 'nope'; the questions about order tracking are status_"):
        question_named(ORDER_TRACKING, "nope")


def test_the_page_lists_every_question_with_its_sentence() -> None:
    page = (ROOT / "docs" / "observability.md").read_text()
    missing = [
        f"| `{question.name}` | {question.sentence} |"
        for feed in FEEDS.values()
        for question in questions_of(feed)
        if f"| `{question.name}` | {question.sentence} |" not in page
    ]
    assert missing == []
    listed = re.findall(r"^\| `(\w+)` \| ", page.partition("## Questions")[2].partition("\n## ")[0], re.M)
    assert sorted(listed) == sorted({question.name for feed in FEEDS.values() for question in questions_of(feed)})
