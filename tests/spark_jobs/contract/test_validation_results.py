"""Judgements, outcomes and run parameters: what is passed on about a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.outcomes import Outcome
from spark_jobs.contract.parameters import RunParameters
from spark_jobs.contract.validation_results import ValidationResult, too_many_bad_rows
from spark_jobs.contract.violations import MAX_VALUE_LENGTH, RULES, Violation, shorten

NOON_IN_TOKYO = datetime(2026, 2, 1, 12, tzinfo=timezone(timedelta(hours=9)))


@pytest.mark.parametrize(
    ("rows", "bad", "ratio", "too_many"),
    [(10, 1, 0.1, False), (10, 2, 0.1, True), (0, 0, 0.0, False), (1, 1, 1.0, False), (1, 1, 0.0, True)],
)
def test_the_ratio_itself_is_tolerable(rows: int, bad: int, ratio: float, too_many: bool) -> None:
    assert (too_many_bad_rows(rows, bad, ratio) is not None) is too_many


def test_only_faults_of_the_whole_file_reject() -> None:
    row_fault, file_fault = Violation("bad_date", "m", 1), Violation("encoding", "m")
    assert ValidationResult(violations=(row_fault,)).rejecting is None
    assert ValidationResult(violations=(file_fault, row_fault)).rejecting is file_fault


@given(st.text(max_size=200))
def test_a_shown_value_is_short_and_can_forge_no_line(text: str) -> None:
    shown = shorten(text)
    assert shown.isprintable()
    assert len(shown) <= 10 * MAX_VALUE_LENGTH
    assert not text.isprintable() or len(shown) <= MAX_VALUE_LENGTH


def test_every_rule_speaks_to_the_sender() -> None:
    for code, rule in RULES.items():
        assert rule.code == code
        assert rule.title
        assert rule.example
        assert rule.remedy.endswith(".")


def test_a_message_names_the_file_whole_and_its_attributes_stay_small() -> None:
    outcome = Outcome(FileId("b", "source/" + "é" * 500, 7), "merged", "order_tracking", NOON_IN_TOKYO, rows=3, inserted=0)
    body = json.loads(outcome.as_message())
    assert FileId.parse(body["file"]) == outcome.file
    assert (body["outcome"], body["rows"], body["inserted"], body["updated"]) == ("merged", 3, 0, None)
    assert body["at"] == "2026-02-01T03:00:00+00:00"
    assert outcome.attributes() == {"outcome": "merged", "feed": "order_tracking"}


def test_job_parameters_are_texts_and_empty_means_not_set() -> None:
    told = RunParameters("b", "source/", "archive/", "rejected/", "", 0.1, None).as_job_parameters()
    assert all(type(value) is str for value in told.values())
    assert (told["outcome_topic"], told["not_before"]) == ("", "")
    assert float(told["max_bad_row_ratio"]) == 0.1
    later = RunParameters("b", "s/", "a/", "r/", "t", 0.1, NOON_IN_TOKYO).as_job_parameters()
    assert datetime.fromisoformat(later["not_before"]) == NOON_IN_TOKYO.astimezone(UTC)
