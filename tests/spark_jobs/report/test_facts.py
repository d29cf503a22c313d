"""The four figures on top of the page."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from spark_jobs.questions.answers import Answer
from spark_jobs.report.facts import Fact, facts_of
from spark_jobs.report.gather import Gathered
from tests.spark_jobs.report.made_up import NOW, gathered

MINUTE = timedelta(minutes=1)


def with_rows(question: str, *rows: tuple[Any, ...], merged: Any = None) -> Gathered:
    """No answers but these, about order tracking."""
    whole = gathered(0)
    first, *others = whole.feeds
    answers = [Answer(one.question, list(rows)) if one.question.name == question else one for one in first.answers]
    feeds = [replace(first, answers=answers, last_merged=merged), *(replace(one, last_merged=None) for one in others)]
    return replace(whole, feeds=feeds)


def fact(whole: Gathered, label: str) -> Fact:
    return next(one for one in facts_of(whole) if one.label == label)


def test_the_oldest_waiting_file_is_told_and_files_that_the_answer_leaves_out_are_counted() -> None:
    rows = [("f", NOW - age, "accepted", 0, 250) for age in (3 * MINUTE, 90 * MINUTE)]

    assert fact(with_rows("waiting", *rows), "Waiting files") == Fact(
        "Waiting files", "250", "the oldest for 1 h", "waiting", attention=False
    )


@pytest.mark.parametrize(("age", "attention"), [(timedelta(hours=23), True), (timedelta(hours=25), False)])
def test_a_rejection_of_the_last_day_needs_attention(age: timedelta, attention: bool) -> None:
    found = fact(
        with_rows("rejected_files", ("bad header", 2, NOW - age, "f"), ("empty", 1, NOW - 3 * age, "g")), "Rejected files"
    )

    assert (found.value, found.attention) == ("3", attention)
    assert found.detail == f"the latest {int(age / timedelta(hours=1))} h ago"


def test_the_last_merge_is_an_age_and_a_time() -> None:
    found = fact(with_rows("notes", merged=NOW - timedelta(days=3)), "Last merge")
    assert (found.value, found.detail) == ("3 days ago", "2026-11-22 12:00:00")
    assert fact(with_rows("notes"), "Last merge").value == "never"


def test_unbalanced_files_need_attention_and_mere_notes_do_not() -> None:
    noted = ("f", NOW, "merged", True, "overwritten", 2)
    unbalanced = ("g", NOW, "merged", False, None, 2)

    assert not fact(with_rows("notes", noted), "Files with a note").attention
    found = fact(with_rows("notes", unbalanced, noted), "Files with a note")
    assert (found.value, found.detail, found.attention) == ("2", "1 of them don't balance", True)
    assert found.answer == "notes"
