"""Accepted marks: believed only whole, and only on the generation that they name."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.marks import ARRIVAL_KEY, MARK_KEY, REPLAY_FOLDER, AcceptedMark, arrival_of
from spark_jobs.contract.validation_results import ValidationResult

CREATED = datetime(2026, 2, 1, 12, tzinfo=UTC)
MARK = AcceptedMark.of(ValidationResult(rows=10, bad_rows=1, splittable=True), 7, CREATED)
numbers = st.integers(0, 2**63 - 1)


@given(st.builds(AcceptedMark, numbers, numbers, numbers, numbers, st.booleans(), st.booleans(), st.text()), numbers)
def test_a_mark_is_read_back_on_its_generation_and_void_on_any_other(mark: AcceptedMark, other: int) -> None:
    assert AcceptedMark.valid_on(mark.generation, mark.as_metadata()) == mark
    if other != mark.generation:
        assert AcceptedMark.valid_on(other, mark.as_metadata()) is None


def test_a_mark_tells_what_was_judged() -> None:
    assert (MARK.generation, MARK.contract_version, MARK.rows, MARK.bad_rows) == (7, CONTRACT_VERSION, 10, 1)
    assert (MARK.partial, MARK.splittable) == (False, True)


@pytest.mark.parametrize(
    "text",
    ["", "x", "null", "[]", "{}", "7", '{"generation": 7}', "[" * 8000, json.dumps({"a": "b"}), "\ud800"]
    + [
        json.dumps(vars(MARK) | wrong)
        for wrong in ({"generation": "7"}, {"rows": -1}, {"rows": 1.5}, {"partial": 0}, {"rows": True})
    ]
    + [
        json.dumps(vars(MARK) | wrong)
        for wrong in ({"extra": 1}, {"splittable": None}, {"arrival": 3}, {"generation": 7.0})
    ],
)
def test_a_broken_mark_is_no_mark(text: str) -> None:
    assert AcceptedMark.valid_on(7, {MARK_KEY: text}) is None


@pytest.mark.parametrize("metadata", [None, {}, {"other": "x"}])
def test_no_mark(metadata: dict[str, str] | None) -> None:
    assert AcceptedMark.valid_on(7, metadata) is None


def arrival(name: str, carried: str | None) -> datetime:
    return arrival_of(name, "source/", CREATED, {} if carried is None else {ARRIVAL_KEY: carried})


def test_a_replay_brings_its_arrival_along() -> None:
    earlier = CREATED - timedelta(days=30)
    assert arrival(f"source/{REPLAY_FOLDER}x/a.csv", earlier.isoformat()) == earlier


def test_elsewhere_a_carried_arrival_is_void() -> None:
    assert arrival("source/a.csv", (CREATED - timedelta(days=30)).isoformat()) == CREATED


@pytest.mark.parametrize(
    "carried", [None, "", "yesterday", "2026-01-01T00:00:00", (CREATED + timedelta(1)).isoformat(), CREATED.isoformat()]
)
def test_an_arrival_that_cannot_be_one_is_void(carried: str | None) -> None:
    assert arrival(f"source/{REPLAY_FOLDER}x/a.csv", carried) == CREATED
