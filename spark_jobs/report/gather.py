"""Asks all questions about some feeds, and notes what the answers were made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from spark_jobs.contract.feed import Feed
from spark_jobs.queries.engine import Engine, NoTable
from spark_jobs.questions.answers import Answer, ask
from spark_jobs.questions.catalog import TABLES, questions_of


@dataclass(frozen=True)
class FeedAnswers:
    """``answers``: about the orders first, in the order of the page. ``versions``: of each table, by its full name, when
    the questions were asked; None if there is no such table. ``last_merged`` (aware): None if no file has been merged.
    """

    feed: Feed
    answers: Sequence[Answer]
    versions: Mapping[str, int | None]
    last_merged: datetime | None


@dataclass(frozen=True)
class Gathered:
    """All that a page shows. ``at`` (aware): the time of the questions. ``place``: where the tables are, for people.
    ``missing``: sentences that say what could not be answered, or not fully, and why.
    """

    at: datetime
    place: str
    feeds: Sequence[FeedAnswers]
    missing: Sequence[str] = ()

    def __iter__(self) -> Iterator[Answer]:
        for one in self.feeds:
            yield from one.answers


def gather(engine: Engine, feeds: Sequence[Feed], now: datetime, place: str) -> Gathered:
    """Ask all questions about each feed at ``now`` (aware)."""
    found = []
    for feed in feeds:
        # Before the questions: whatever is committed meanwhile is in an answer, but never the other way round.
        versions = {table: engine.version(table) for table in (f"{feed.table_prefix}_{name}" for name in TABLES)}
        answers = [ask(engine, question, now) for question in questions_of(feed)]
        found.append(FeedAnswers(feed, answers, versions, _last_merged(engine, feed)))
    return Gathered(now, place, found)


def answer_name(feed: Feed, question: str) -> str:
    """What an answer is called outside of its feed. The names of order tracking's are the questions' own."""
    return question if feed.name == "order_tracking" else f"{feed.name}.{question}"


def _last_merged(engine: Engine, feed: Feed) -> datetime | None:
    statement = f"SELECT MAX(logged_at) AS merged FROM {feed.table_prefix}_ingest_log WHERE outcome = :outcome"  # noqa: S608
    try:
        (row,) = engine.rows(statement, {"outcome": "merged"})
    except NoTable:
        return None
    return cast("datetime | None", row["merged"])
