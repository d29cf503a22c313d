"""The questions: SQL files with a header, in ``sql/pipeline`` (asked of every feed) and ``sql/FEED`` (of that feed).

A file is named ``NN_NAME.sql``, numbered in the order of the page, and begins with its header, one item a line::

    -- title: Files per day
    -- sentence: Files by the day on which they were finished, and by outcome.
    -- unit: files
    -- chart: bar x=day y=files color=outcome
    -- columns: day date, outcome text, files number

The text is in the dialect of `Engine`. ``{target}`` and the other names in `TABLES` stand for the feed's tables, ``:now``
is the time of the question, ``:changes_since`` the earliest time from which the change feed is read. Every answer is
bounded: by days, by groups, or by a LIMIT with a column ``total`` that says how many rows there are. Its rows have one
order, and amounts of different currencies are never added.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, cast, get_args

from spark_jobs.contract.feed import Feed

ColumnType = Literal["text", "number", "time", "date", "flag"]
ChartKind = Literal["bar", "line", "heatmap", "none"]

TABLES = ("target", "rejected_rows", "ingest_log", "attempts")
_FOLDER = Path(__file__).parent / "sql"
_HEADER = re.compile(r"-- (\w+): (.+)\n")
_ITEMS = ("title", "sentence", "unit", "chart", "columns")


class HeaderError(ValueError):
    """A question's header is not as described above; the message names the file."""


@dataclass(frozen=True)
class Chart:
    """``x``, ``y`` and ``color`` are names of columns; ``color`` may be empty."""

    kind: ChartKind
    x: str = ""
    y: str = ""
    color: str = ""


@dataclass(frozen=True)
class Question:
    """One question about one feed. ``section``: ``pipeline`` or ``orders``; ``columns``: names and types of the answer;
    ``statement``: the SQL, with the feed's tables."""

    name: str
    feed: Feed
    section: Literal["pipeline", "orders"]
    title: str
    sentence: str
    unit: str
    chart: Chart
    columns: dict[str, ColumnType]
    statement: str


def questions_of(feed: Feed) -> list[Question]:
    """All questions about a feed, those about the orders first, in the order of the page."""
    return [*_questions(feed, feed.name, "orders"), *_questions(feed, "pipeline", "pipeline")]


def _questions(feed: Feed, folder: str, section: Literal["pipeline", "orders"]) -> list[Question]:
    return [_question(feed, section, path.name, _text(path)) for path in sorted((_FOLDER / folder).glob("*.sql"))]


@cache
def _text(path: Path) -> str:
    return path.read_text("utf-8")


def _question(feed: Feed, section: Literal["pipeline", "orders"], file: str, text: str) -> Question:
    header: dict[str, str] = {}
    at = 0
    while found := _HEADER.match(text, at):
        header[found[1]] = found[2].strip()
        at = found.end()
    if tuple(header) != _ITEMS:
        raise HeaderError(f"{file}: the header must be {', '.join(_ITEMS)}, one a line, not {', '.join(header) or 'empty'}")
    columns = _columns(file, header["columns"])
    return Question(
        name=file.removesuffix(".sql").partition("_")[2],
        feed=feed,
        section=section,
        title=header["title"],
        sentence=header["sentence"],
        unit=header["unit"],
        chart=_chart(file, header["chart"], columns),
        columns=columns,
        statement=_with_tables(feed, text[at:]),
    )


def _columns(file: str, listed: str) -> dict[str, ColumnType]:
    columns = dict(one.split() for one in listed.split(","))
    if unknown := set(columns.values()) - set(get_args(ColumnType)):
        raise HeaderError(f"{file}: columns have the types {', '.join(get_args(ColumnType))}, not {', '.join(unknown)}")
    return cast("dict[str, ColumnType]", columns)


def _chart(file: str, text: str, columns: dict[str, ColumnType]) -> Chart:
    kind, *channels = text.split()
    if kind not in get_args(ChartKind):
        raise HeaderError(f"{file}: a chart is one of {', '.join(get_args(ChartKind))}, not {kind}")
    named = dict(one.split("=", 1) for one in channels)
    if missing := set(named.values()) - set(columns):
        raise HeaderError(f"{file}: the chart shows {', '.join(sorted(missing))}, which is no column of the answer")
    return Chart(cast("ChartKind", kind), **named)


def _with_tables(feed: Feed, text: str) -> str:
    for table in TABLES:
        text = text.replace(f"{{{table}}}", f"{feed.table_prefix}_{table}")
    return text


def question_named(feed: Feed, name: str) -> Question:
    """Raises LookupError, which lists the feed's questions."""
    found: Sequence[Question] = questions_of(feed)
    for question in found:
        if question.name == name:
            return question
    raise LookupError(
        f"there is no question {name!r}; the questions about {feed.title} are {', '.join(q.name for q in found)}"
    )
