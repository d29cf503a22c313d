"""What an operator asks first, in four figures, taken from the answers about all feeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from spark_jobs.questions.answers import Answer
from spark_jobs.report.gather import Gathered, answer_name
from spark_jobs.report.values import as_moment

RECENT = timedelta(hours=24)
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


@dataclass(frozen=True)
class Fact:
    """``answer``: the name of the answer that has the details. ``attention``: somebody should look at it."""

    label: str
    value: str
    detail: str
    answer: str
    attention: bool = False


def facts_of(gathered: Gathered) -> list[Fact]:
    """What waits, what was rejected, when rows were last merged, and which files need a look."""
    return [_waiting(gathered), _rejected(gathered), _merged(gathered), _noted(gathered)]


def _waiting(gathered: Gathered) -> Fact:
    answers = _answers(gathered, "waiting")
    since = [row["since"] for row in _rows(answers) if row["since"]]
    detail = f"the oldest for {_span(gathered.at - min(since))}" if since else "nothing waits"
    return Fact("Waiting files", f"{sum(answer.total for answer in answers):,}", detail, _with_rows(answers))


def _rejected(gathered: Gathered) -> Fact:
    answers = _answers(gathered, "rejected_files")
    files = sum(row["files"] for row in _rows(answers))
    latest = max((row["latest"] for row in _rows(answers)), default=None)
    detail = f"the latest {_span(gathered.at - latest)} ago" if latest else "no file"
    recent = latest is not None and gathered.at - latest <= RECENT
    return Fact("Rejected files", f"{files:,}", detail, _with_rows(answers), attention=recent)


def _merged(gathered: Gathered) -> Fact:
    merged = max((one.last_merged for one in gathered.feeds if one.last_merged), default=None)
    value = f"{_span(gathered.at - merged)} ago" if merged else "never"
    detail = as_moment(merged) if merged else "no file has been merged yet"
    return Fact("Last merge", value, detail, _with_rows(_answers(gathered, "files_by_day")))


def _noted(gathered: Gathered) -> Fact:
    answers = _answers(gathered, "notes")
    unbalanced = sum(row["balanced"] is False for row in _rows(answers))
    detail = f"{unbalanced:,} of them don't balance" if unbalanced else "no file is unbalanced"
    noted = sum(answer.total for answer in answers)
    return Fact("Files with a note", f"{noted:,}", detail, _with_rows(answers), attention=unbalanced > 0)


def _answers(gathered: Gathered, question: str) -> list[Answer]:
    """Of all feeds."""
    return [answer for answer in gathered if answer.question.name == question]


def _rows(answers: list[Answer]) -> Iterator[dict[str, Any]]:
    for answer in answers:
        for row in answer.rows:
            yield dict(zip(answer.question.columns, row, strict=True))


def _with_rows(answers: list[Answer]) -> str:
    """Where to read on: the first of the answers that has rows."""
    found = next((answer for answer in answers if answer.rows), answers[0] if answers else None)
    return answer_name(found.question.feed, found.question.name) if found else ""


def _span(time: timedelta) -> str:
    """In one or two words, as people say it."""
    seconds = max(0, int(time.total_seconds()))
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR} h"
    return f"{seconds // _DAY} days"
