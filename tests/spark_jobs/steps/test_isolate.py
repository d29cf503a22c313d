"""A file that keeps failing is worked on alone and rejected; an outage rejects nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import spark_jobs.steps.ingest
import spark_jobs.steps.isolate
from spark_jobs.steps.stage import stage
from tests.spark_jobs.harness import Crash, JobHarness, row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture
def harness(spark: SparkSession, tmp_path: Path) -> JobHarness:
    return JobHarness(spark, tmp_path)


def failing(monkeypatch: pytest.MonkeyPatch, fails: Callable[[list[str]], BaseException | None]) -> list[list[str]]:
    """Let staging fail by the names in the batch; answers with the batches that were tried."""
    tried: list[list[str]] = []

    def doubtful(spark: Any, tables: Any, batch: Any, *rest: Any) -> Any:
        names = [waiting.file.name for waiting in batch.files]
        tried.append(names)
        if error := fails(names):
            raise error
        return stage(spark, tables, batch, *rest)

    monkeypatch.setattr(spark_jobs.steps.ingest, "stage", doubtful)
    monkeypatch.setattr(spark_jobs.steps.isolate, "stage", doubtful)
    return tried


def poisoned(names: list[str]) -> BaseException | None:
    return RuntimeError("no reader can read this") if any("01_13" in name for name in names) else None


def test_a_file_that_fails_alone_while_others_succeed_is_rejected_with_the_reason(
    harness: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = harness.day(13, row("P1")).file
    good = [harness.day(day, row(f"T{day}")).file for day in (1, 2)]
    failing(monkeypatch, poisoned)
    harness.ingest()
    log = harness.log()
    assert [log[str(file)]["outcome"] for file in good] == ["merged", "merged"]
    assert log[str(poison)]["outcome"] == "rejected"
    assert "run_failure" in log[str(poison)]["reason"] and "no reader can read this" in log[str(poison)]["reason"]
    assert "run_failure" in json.loads(harness.store.content(log[str(poison)]["report"]))["counts"]
    assert harness.store.names("source/") == []
    assert set(harness.target()) == {"T1", "T2"}


def test_an_outage_rejects_nothing_however_long_it_lasts(harness: JobHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.day(1, row("T1"))
    harness.ingest()
    waiting = [harness.day(2, row("T2")).file.name, harness.day(3, row("T3")).file.name]
    with monkeypatch.context() as patch:
        failing(patch, lambda names: RuntimeError("the tables can't be reached"))
        for _ in range(3):
            with pytest.raises(RuntimeError):
                harness.ingest()
    assert harness.store.names("source/") == waiting
    harness.ingest()
    harness.assert_right()
    assert set(harness.target()) == {"T1", "T2", "T3"}


def test_without_a_file_known_to_be_good_nothing_is_rejected(harness: JobHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    name = harness.day(13, row("P1")).file.name
    failing(monkeypatch, poisoned)
    with pytest.raises(RuntimeError):
        harness.ingest()
    assert harness.store.names() == [name]


def test_a_file_that_kills_the_process_every_time_is_rejected_in_the_end_and_never_blocks_others(
    harness: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.day(1, row("T1"))
    harness.ingest()
    killer = harness.day(13, row("P1")).file
    failing(monkeypatch, lambda names: Crash() if poisoned(names) else None)
    for _ in range(2):
        with pytest.raises(Crash):
            harness.ingest()
    harness.day(4, row("T4"))  # the other is a suspect by now: what comes later overtakes it
    for _ in range(2):
        with pytest.raises(Crash):
            harness.ingest()
        assert "T4" in harness.target()
    harness.ingest()
    assert harness.log()[str(killer)]["outcome"] == "rejected"
    assert harness.store.names("source/") == []


def test_a_file_that_fails_behind_its_merge_is_never_rejected(harness: JobHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows are in the target: the log must come to say merged."""
    harness.day(1, row("T1"))
    harness.ingest()
    file = harness.day(2, row("T2")).file

    def fails(*args: Any) -> Any:
        raise RuntimeError("the log can't be written")

    with monkeypatch.context() as patch:
        patch.setattr(spark_jobs.steps.ingest, "record", fails)
        with pytest.raises(RuntimeError):
            harness.ingest()
    harness.ingest()
    assert harness.log()[str(file)]["outcome"] == "merged"
    harness.assert_right()
