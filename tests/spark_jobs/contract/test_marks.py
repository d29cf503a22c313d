"""Accepted marks are valid only if well-formed, plausible, on the generation that they name and not set by an upload."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.feeds import FEEDS
from spark_jobs.contract.marks import (
    ACCEPTED_AT_KEY,
    ARRIVAL_KEY,
    MARK_KEY,
    REPLAY_FOLDER,
    AcceptedMark,
    accepted_at,
    arrival_of,
    noted_arrival,
)
from spark_jobs.contract.validation_results import ValidationResult

CREATED = datetime(2026, 2, 1, 12, tzinfo=UTC)
MARK = AcceptedMark.of(ValidationResult("customer_orders", rows=10, bad_rows=1, splittable=True), 7, CREATED)
SIZE = 400
generations = st.integers(0, 2**63 - 1)
arrivals = st.just("") | st.datetimes(
    datetime(2001, 1, 1), datetime(2100, 1, 1), timezones=st.timezones() | st.just(UTC)
).map(datetime.isoformat)
results = st.builds(
    lambda feed, bad, good, partial, splittable: ValidationResult(
        feed, bad + good, bad, partial=partial, splittable=splittable
    ),
    st.sampled_from([*FEEDS, "x" * 63]),
    st.integers(0, SIZE // 2),
    st.integers(0, SIZE // 2),
    st.booleans(),
    st.booleans(),
)


@given(results, arrivals, generations, generations)
def test_a_mark_is_read_back_on_its_generation_and_void_on_any_other(
    result: ValidationResult, arrival: str, generation: int, other: int
) -> None:
    mark = replace(AcceptedMark.of(result, generation), arrival=arrival)
    assert AcceptedMark.valid_on(generation, 2, SIZE, mark.as_metadata()) == mark
    if other != generation:
        assert AcceptedMark.valid_on(other, 2, SIZE, mark.as_metadata()) is None


def test_a_mark_is_void_on_the_metageneration_of_the_upload() -> None:
    """Senders may set metadata with an upload, but they may not update it."""
    assert AcceptedMark.valid_on(7, 2, SIZE, MARK.as_metadata()) == MARK
    assert AcceptedMark.valid_on(7, 1, SIZE, MARK.as_metadata()) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"rows": SIZE + 1},
        {"rows": 10**30},
        {"bad_rows": 11},
        {"contract_version": 10**30},
        {"arrival": "yesterday"},
        {"arrival": "2026-02-01T12:00:00"},
        {"arrival": "0001-01-01T00:00:00+14:00"},
        {"arrival": "9999-12-31T23:59:59-14:00"},
        {"arrival": "1970-01-01T00:00:00+00:00"},
        {"arrival": " " * 2000},
    ],
)
def test_a_mark_with_values_that_are_impossible_for_the_object_is_void(wrong: dict[str, Any]) -> None:
    assert AcceptedMark.valid_on(7, 2, SIZE, replace(MARK, **wrong).as_metadata()) is None


def test_the_arrival_in_the_mark_of_an_archived_file_stays_readable() -> None:
    """The move made a new object, on which the mark is void."""
    moved = CREATED + timedelta(days=1)
    assert noted_arrival(7, moved, MARK.as_metadata()) == CREATED
    assert noted_arrival(8, moved, MARK.as_metadata()) is None
    assert noted_arrival(7, moved, {}) is None
    assert noted_arrival(7, moved, replace(MARK, arrival="x").as_metadata()) == moved
    assert noted_arrival(7, CREATED - timedelta(1), MARK.as_metadata()) == CREATED - timedelta(1)


def test_when_a_file_was_accepted_stays_readable_and_is_no_part_of_the_mark() -> None:
    at = CREATED + timedelta(seconds=3)
    metadata = MARK.as_metadata(at)
    assert accepted_at(7, metadata) == at
    assert accepted_at(8, metadata) is None, "a copy's metadata is about another object"
    assert accepted_at(7, MARK.as_metadata()) is None
    assert accepted_at(7, metadata | {ACCEPTED_AT_KEY: "<script>"}) is None
    assert AcceptedMark.valid_on(7, 2, SIZE, metadata) == MARK
    assert metadata[MARK_KEY] == MARK.as_metadata()[MARK_KEY], "an older wheel must still accept the mark"


def test_a_mark_holds_the_result_of_validation() -> None:
    assert (MARK.generation, MARK.contract_version, MARK.rows, MARK.bad_rows) == (7, CONTRACT_VERSION, 10, 1)
    assert (MARK.partial, MARK.splittable, MARK.feed) == (False, True, "customer_orders")


def test_a_mark_of_version_2_names_no_feed_and_means_order_tracking() -> None:
    """Files that the last version accepted are still waiting when this one starts."""
    old = {"generation": 7, "contract_version": 2, "rows": 10, "bad_rows": 1, "partial": False, "splittable": True}
    for more in ({}, {"arrival": CREATED.isoformat()}):
        mark = AcceptedMark.valid_on(7, 2, SIZE, {MARK_KEY: json.dumps(old | more)})
        assert mark is not None
        assert (mark.contract_version, mark.feed, mark.rows) == (2, "order_tracking", 10)


@pytest.mark.parametrize(
    "text",
    ["", "x", "null", "[]", "{}", "7", '{"generation": 7}', "[" * 8000, json.dumps({"a": "b"}), "\ud800"]
    + [
        json.dumps(vars(MARK) | wrong)
        for wrong in ({"generation": "7"}, {"rows": -1}, {"rows": 1.5}, {"partial": 0}, {"rows": True})
    ]
    + [
        json.dumps(vars(MARK) | wrong)
        for wrong in ({"extra": 1}, {"splittable": None}, {"arrival": 3}, {"generation": 7.0}, {"feed": None})
    ],
)
def test_a_malformed_mark_is_void(text: str) -> None:
    assert AcceptedMark.valid_on(7, 2, SIZE, {MARK_KEY: text}) is None


@pytest.mark.parametrize("metadata", [None, {}, {"other": "x"}])
def test_without_the_key_there_is_no_mark(metadata: dict[str, str] | None) -> None:
    assert AcceptedMark.valid_on(7, 2, SIZE, metadata) is None


def arrival(name: str, carried: str | None) -> datetime:
    return arrival_of(name, "source/", CREATED, {} if carried is None else {ARRIVAL_KEY: carried})


def test_a_replayed_copy_keeps_the_original_arrival() -> None:
    earlier = CREATED - timedelta(days=30)
    assert arrival(f"source/{REPLAY_FOLDER}x/a.csv", earlier.isoformat()) == earlier


def test_outside_the_replay_folder_an_arrival_in_the_metadata_is_ignored() -> None:
    assert arrival("source/a.csv", (CREATED - timedelta(days=30)).isoformat()) == CREATED


@pytest.mark.parametrize(
    "carried",
    [
        None,
        "",
        "yesterday",
        "2026-01-01T00:00:00",
        (CREATED + timedelta(1)).isoformat(),
        CREATED.isoformat(),
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_an_implausible_arrival_in_the_metadata_is_ignored(carried: str | None) -> None:
    assert arrival(f"source/{REPLAY_FOLDER}x/a.csv", carried) == CREATED
