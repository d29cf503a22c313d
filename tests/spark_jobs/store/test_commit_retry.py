"""Commit retries: only conflicts are retried, with a pause and a limit."""

from __future__ import annotations

import pytest

from spark_jobs.cloud.ports import TransientError
from spark_jobs.dependencies import Dependencies
from spark_jobs.store.commit_retry import TRIES, commit_with_retry, is_conflict
from tests.fakes.announcer import FakeAnnouncer
from tests.fakes.file_store import FakeFileStore


def deps(pauses: list[float]) -> Dependencies:
    return Dependencies(FakeFileStore(), FakeAnnouncer(), sleep=pauses.append)


@pytest.mark.parametrize(
    "text",
    [
        "[DELTA_CONCURRENT_APPEND.WITHOUT_HINT] ConcurrentAppendException: Files were added to the root of the table",
        "(io.delta.exceptions.ConcurrentDeleteReadException) a file was deleted",
        "MetadataChangedException: The metadata of the Delta table has been changed by a concurrent update",
        "[DELTA_CONCURRENT_WRITE] ConcurrentWriteException: A concurrent transaction has written new data",
    ],
)
def test_a_conflict_is_recognized_by_its_text_and_retried_after_a_pause(text: str) -> None:
    pauses: list[float] = []
    errors = [RuntimeError(text), RuntimeError(text)]

    def commit() -> str:
        if errors:
            raise errors.pop()
        return "done"

    assert commit_with_retry("merge", deps(pauses), commit) == "done"
    assert len(pauses) == 2


def test_a_conflict_is_recognized_as_the_cause_of_another_error() -> None:
    error = ValueError("the write failed")
    error.__cause__ = RuntimeError("ConcurrentAppendException")
    assert is_conflict(error)


def test_other_errors_are_not_retried() -> None:
    pauses: list[float] = []

    def commit() -> None:
        raise ValueError("no such column")

    with pytest.raises(ValueError, match="no such column"):
        commit_with_retry("merge", deps(pauses), commit)
    assert not pauses
    assert not is_conflict(ValueError("concurrent users of the table"))


def test_endless_conflicts_are_a_transient_error_not_the_files_fault() -> None:
    pauses: list[float] = []

    def commit() -> None:
        raise RuntimeError("ConcurrentAppendException")

    with pytest.raises(TransientError, match=f"all {TRIES} tries conflicted"):
        commit_with_retry("merge", deps(pauses), commit)
    assert len(pauses) == TRIES - 1
