"""Which attempts count, when a file is parked and when it is due: decided from the rows of the attempts table alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from spark_jobs.steps.parking import (
    ANNOUNCED,
    EXCUSED,
    RETRY,
    UNANNOUNCED,
    AttemptRow,
    attempts_of,
    is_parked,
    next_try,
    run_of,
)

FILE = "b/source/order_tracking_2026_01_01.csv#7"
NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)


def rows(*batches: str, start: datetime = NOON) -> list[AttemptRow]:
    """One row a minute."""
    return [AttemptRow(FILE, batch, 10 + at, start + timedelta(minutes=at)) for at, batch in enumerate(batches)]


def only(noted: list[AttemptRow]) -> tuple[int, bool]:
    """(attempts that count, parked)."""
    ((_, attempts),) = attempts_of(noted).items()
    return len(attempts.times), is_parked(attempts)


def test_a_file_that_two_runs_took_is_parked() -> None:
    assert only(rows("r1-1")) == (1, False)
    assert only(rows("r1-1", "r2-1")) == (2, True)


def test_the_batches_of_one_run_are_one_attempt() -> None:
    assert only(rows("r1-1", "r1-2", "r1-3")) == (1, False)
    ((_, attempts),) = attempts_of(rows("r1-1", "r1-2", "r2-1")).items()
    assert attempts.total == 3 and attempts.batches == ("r1-1", "r1-2", "r2-1")
    assert attempts.times[0] == NOON + timedelta(minutes=1)


def test_an_outage_does_not_count_and_a_retry_request_resets() -> None:
    assert only(rows("r1-1", f"{EXCUSED}r1", "r2-1", f"{EXCUSED}r2", "r3-1")) == (1, False)
    assert only(rows("r1-1", "r2-1", "r3-1", f"{RETRY}x")) == (0, False)
    assert only(rows("r1-1", "r2-1", f"{RETRY}x", "r3-1")) == (1, False)


def test_a_retry_request_puts_the_file_first_until_it_is_tried() -> None:
    ((_, attempts),) = attempts_of(rows("r1-1", "r2-1", f"{RETRY}x")).items()
    assert attempts.retry_requested
    ((_, tried),) = attempts_of(rows("r1-1", f"{RETRY}x", "r2-1")).items()
    assert not tried.retry_requested


def test_counting_of_changes_starts_at_the_first_attempt_whatever_became_of_it() -> None:
    ((_, attempts),) = attempts_of(rows("r1-1", f"{EXCUSED}r1", f"{RETRY}x", "r2-1")).items()
    assert attempts.first_version == 10 and attempts.first_at == NOON


def test_a_parked_file_is_due_after_an_hour_then_twice_as_long_at_most_a_day() -> None:
    pauses = []
    for count in range(2, 9):
        ((_, attempts),) = attempts_of(rows(*(f"r{n}-1" for n in range(count)))).items()
        pauses.append((next_try(attempts) - attempts.times[-1]) / timedelta(hours=1))
    assert pauses == [1, 2, 4, 8, 16, 24, 24]


def test_an_outcome_that_could_not_be_published_is_remembered_until_it_is() -> None:
    ((_, attempts),) = attempts_of(rows("r1-1", f"{UNANNOUNCED}r1")).items()
    assert attempts.unannounced and len(attempts.times) == 1
    ((_, attempts),) = attempts_of(rows("r1-1", f"{UNANNOUNCED}r1", f"{ANNOUNCED}r2")).items()
    assert not attempts.unannounced


def test_rows_of_the_first_version_of_the_table_count_by_their_second() -> None:
    assert run_of("20260101T000000-0123456789ab") == "20260101T000000"
