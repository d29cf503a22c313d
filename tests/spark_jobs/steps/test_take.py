"""Taking: what is read in which order, and which files make up the next batch."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from spark_jobs.batches import Attempts, LookupResult, WaitingFile
from spark_jobs.cloud.ports import StoredFile
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import AcceptedMark
from spark_jobs.settings import BucketLayout, IngestSettings
from spark_jobs.steps.take import choose
from tests.spark_jobs.harness import Crash, JobHarness, row

if TYPE_CHECKING:
    import pytest
    from pyspark.sql import SparkSession

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
SETTINGS = IngestSettings(BucketLayout("b"), warehouse="unused", max_batch_files=2, max_batch_bytes=100)


def waiting(name: str, size: int = 10) -> WaitingFile:
    file = FileId("b", f"source/{name}", 1)
    mark = AcceptedMark(1, CONTRACT_VERSION, 0, 0, False, True)
    return WaitingFile(StoredFile(file, 2, size, NOW), mark, NOW)


def names(files: list[WaitingFile], **attempts: Attempts) -> list[str]:
    known = LookupResult(set(), {FileId("b", f"source/{name}", 1): each for name, each in attempts.items()}, 0)
    return [w.file.name.removeprefix("source/") for w in choose(files, known, SETTINGS, NOW)]


def parked(hours_ago: float, times: int = 2) -> Attempts:
    last = NOW - timedelta(hours=hours_ago)
    return Attempts(times=tuple(last - timedelta(hours=n) for n in reversed(range(times))), total=times)


def test_a_batch_is_bounded_in_files_and_bytes_and_a_larger_file_comes_alone() -> None:
    assert names([waiting("a"), waiting("b"), waiting("c")]) == ["a", "b"]
    assert names([waiting("a", 60), waiting("b", 60)]) == ["a"]
    assert names([waiting("a", 600), waiting("b")]) == ["a"]


def test_parked_files_come_last_alone_and_only_when_they_are_due() -> None:
    files = [waiting("a"), waiting("b"), waiting("c")]
    assert names(files, a=parked(5), b=parked(5)) == ["c"]
    assert names(files[:2], a=parked(2), b=parked(3)) == ["b"], "the one that is due for longest"
    assert names(files[:2], a=parked(0.5), b=parked(1.5, times=3)) == []


def test_a_file_whose_retry_was_requested_comes_first() -> None:
    files = [waiting("a"), waiting("b"), waiting("c")]
    assert names(files, c=Attempts(total=5, retry_requested=True)) == ["c", "a"]


def test_what_another_run_merges_after_the_version_was_read_is_counted(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run merges while log and attempts are looked up, and dies: its rows are ours to count, not outranked."""
    from spark_jobs.steps import take

    harness = JobHarness(spark, tmp_path)
    harness.day(1, row("T0"))
    harness.ingest()
    file = harness.day(2, *[row(f"T{n}", "2026-01-02 10:00:00") for n in range(1, 11)]).file
    real, others = take.of_files, [True]

    def looked_up(*args: object) -> object:
        if others and others.pop():

            def die(step: str) -> None:
                if step == "merged":
                    raise Crash(step)

            with suppress(Crash):
                harness.ingest(die)
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(take, "of_files", looked_up)
    harness.ingest()
    line = harness.log()[str(file)]
    assert (line["inserted"], line["outranked"], line["balanced"]) == (10, 0, True)
