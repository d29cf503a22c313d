"""Answers to every question, made up from the types of their columns, with texts as strangers may send them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from spark_jobs.contract.feeds import FEEDS
from spark_jobs.questions.answers import Answer
from spark_jobs.questions.catalog import ColumnType, Question, questions_of
from spark_jobs.report.gather import FeedAnswers, Gathered

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HOSTILE = (
    "<img src=x onerror=\"document.title='pwned'\">",
    "</script><script>document.title='pwned'</script>",
    "<!--<script>",
    "\u2028alert(1)//\u2029",
    "{{ 7 * 7 }} {% raw %}",
    "javascript:document.title='pwned'",
    "'; drop table orders_target --",
    "source/" + "long" * 60 + ".csv",
)


def value(kind: ColumnType, row: int, column: int) -> Any:
    match kind:
        case "text":
            return HOSTILE[(row + column) % len(HOSTILE)]
        case "time":
            return NOW - timedelta(hours=row, microseconds=row * 1001)
        case "date":
            return date(2026, 11, 1) + timedelta(days=row)
        case "flag":
            return (True, False, None)[row % 3]
    return (row * 1234, Decimal("12345678901234567890.10") + row, row + 0.123456789, None)[(row + column) % 4]


def answer(question: Question, rows: int) -> Answer:
    kinds = list(question.columns.items())
    made = [
        tuple(rows if name == "total" else value(kind, row, column) for column, (name, kind) in enumerate(kinds))
        for row in range(rows)
    ]
    return Answer(question, made)


def counts(found: Answer) -> Answer:
    """The same with a number in every column of numbers, as the facts need it."""
    kinds = list(found.question.columns.values())
    rows = [tuple(7 if k == "number" else v for k, v in zip(kinds, row, strict=True)) for row in found.rows]
    return replace(found, rows=rows)


def gathered(rows: int = 8) -> Gathered:
    feeds = []
    for feed in FEEDS.values():
        answers = [answer(question, rows) for question in questions_of(feed)]
        answers = [counts(one) if one.question.name in ("waiting", "rejected_files") else one for one in answers]
        feeds.append(FeedAnswers(feed, answers, {f"{feed.table_prefix}_target": 7}, NOW - timedelta(minutes=5)))
    return Gathered(NOW, "/tables/<b>here</b>", feeds)
