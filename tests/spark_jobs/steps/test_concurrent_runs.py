"""Two runs at once on the same bucket and tables: correct, whatever their commits do to each other."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spark_jobs.cloud.ports import TransientError
from spark_jobs.steps.ingest import ingest
from spark_jobs.store.commit_retry import TRIES, commit_with_retry, is_conflict
from tests.fakes.announcer import FakeAnnouncer
from tests.fakes.file_store import FakeFileStore
from tests.spark_jobs.harness import JobHarness, row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

from spark_jobs.dependencies import Dependencies


def test_two_runs_at_once_end_as_one(spark: SparkSession, tmp_path: Path) -> None:
    """Both list the same files; both stage before either merges."""
    harness = JobHarness(spark, tmp_path)
    harness.day(1, *[row(f"K{n}") for n in range(50)])
    harness.day(2, *[row(f"K{n}", "2026-01-02 10:00:00", "shipped") for n in range(25, 75)], row("BAD", status="lost"))
    together = threading.Barrier(2, timeout=300)
    failed: list[BaseException] = []

    def meet(step: str) -> None:
        if step in {"taken", "staging done", "merged"}:
            together.wait()

    def one_run() -> None:
        try:
            # Time passes in the fake clock only: a pause between two tries takes none.
            ingest(harness.settings, harness.deps(meet), spark.newSession)
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            failed.append(error)
            together.abort()

    threads = [threading.Thread(target=one_run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
    harness.assert_right()
    assert len(harness.target()) == 75
    assert {line["outcome"] for line in harness.log().values()} == {"merged"}
    assert len(harness.rejected_rows()) == 1


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
def test_a_conflict_is_known_by_its_words_and_tried_again_after_a_pause(text: str) -> None:
    pauses: list[float] = []
    left = [RuntimeError(text), RuntimeError(text)]

    def commit() -> str:
        if left:
            raise left.pop()
        return "done"

    assert commit_with_retry("merge", deps(pauses), commit) == "done"
    assert len(pauses) == 2


def test_other_errors_are_not_tried_again() -> None:
    pauses: list[float] = []

    def commit() -> None:
        raise ValueError("no such column")

    with pytest.raises(ValueError, match="no such column"):
        commit_with_retry("merge", deps(pauses), commit)
    assert not pauses
    assert not is_conflict(ValueError("concurrent users of the table"))


def test_endless_conflicts_are_trouble_with_the_world_not_with_the_files() -> None:
    pauses: list[float] = []

    def commit() -> None:
        raise RuntimeError("ConcurrentAppendException")

    with pytest.raises(TransientError, match=f"{TRIES} times"):
        commit_with_retry("merge", deps(pauses), commit)
    assert len(pauses) == TRIES - 1
