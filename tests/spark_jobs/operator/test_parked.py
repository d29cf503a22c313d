"""Parked files in `status`: attempts, next try and last error."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from spark_jobs.batches import Attempts
from spark_jobs.cloud.ports import FailedRun
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.violations import shorten
from spark_jobs.operator.parked import last_error, parked_file

AT = datetime(2026, 2, 1, 12, tzinfo=UTC)
FILE = FileId("orders-data", "source/order_tracking_2026_01_31.csv", 7)
LONG = FileId("orders-data", "source/" + "folder/" * 20 + "order_tracking_2026_01_31.csv", 7)


def attempts(count: int) -> Attempts:
    return Attempts(times=tuple(AT + timedelta(hours=hour) for hour in range(count)), total=count)


def test_a_file_is_parked_after_its_second_attempt_and_shown_with_its_next_try() -> None:
    assert parked_file(FILE, attempts(1), None) is None
    parked = parked_file(FILE, attempts(2), None)
    assert parked is not None
    assert (parked.attempts, parked.last_attempt, parked.next_try) == (2, AT + timedelta(hours=1), AT + timedelta(hours=2))
    assert parked.last_error == "see the log of the run that began at 2026-02-01 13:00:00 UTC"


def test_only_runs_that_failed_since_the_last_attempt_are_asked_for_the_error() -> None:
    asked = []

    def failed_runs(since: datetime) -> list[FailedRun]:
        asked.append(since)
        return [FailedRun(1, AT, f"RunFailed: the parked file {FILE} failed again: ValueError: no reader")]

    parked = parked_file(FILE, attempts(2), failed_runs)
    assert parked is not None and parked.last_error == "ValueError: no reader"
    assert asked == [AT + timedelta(hours=1)]


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        (f"the parked file {FILE} failed again: ValueError: x", "ValueError: x"),
        (f"{FILE}: the parked file failed again: ValueError: x; other: the file failed: y", "ValueError: x"),
        (f"a#1: the file failed: y; {FILE}: the file failed: ValueError: x", "ValueError: x"),
        (f"{FILE}8: the parked file failed again: ValueError: x", None),
        ("2 files do not balance", None),
    ],
)
def test_the_error_is_the_one_that_names_the_file(reason: str, error: str | None) -> None:
    assert last_error(FILE, [FailedRun(1, AT, reason)]) == error


def test_the_latest_run_counts_and_a_shortened_id_is_recognized() -> None:
    runs = [FailedRun(n, AT + timedelta(hours=n), f"{shorten(str(LONG))}: the file failed: error {n}") for n in (2, 3, 1)]
    assert last_error(LONG, runs) == "error 3"
