"""A poison file is parked, never rejected, and neither blocks other files nor wastes runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

import spark_jobs.steps.ingest
from spark_jobs.cloud.ports import TransientError
from spark_jobs.steps.parking import RETRY
from spark_jobs.steps.run import FilesFailed
from spark_jobs.steps.stage import stage
from spark_jobs.steps.take import note
from tests.spark_jobs.harness import Crash, JobHarness, row

if TYPE_CHECKING:
    pass

HOUR = 3600.0


def failing(monkeypatch: pytest.MonkeyPatch, error: Callable[[], BaseException]) -> list[list[str]]:
    """Staging fails for every batch that has the file of 13 January; the batches that were tried."""
    tried: list[list[str]] = []

    def poisoned(run: Any, batch: Any) -> Any:
        names = [waiting.file.name[-6:-4] for waiting in batch.files]
        tried.append(names)
        if "13" in names:
            raise error()
        return stage(run, batch)

    monkeypatch.setattr(spark_jobs.steps.ingest, "stage", poisoned)
    return tried


def test_a_poison_file_is_isolated_parked_and_tried_alone_at_growing_intervals(
    harness: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = harness.day(13, row("P1")).file
    for day in (12, 14):
        harness.day(day, row(f"T{day}"))
    tried = failing(monkeypatch, lambda: RuntimeError("no reader can read this"))
    with pytest.raises(FilesFailed, match=r"order_tracking_2026_01_13\.csv#\d+: the file failed: RuntimeError: no reader"):
        harness.ingest()
    assert set(harness.target()) == {"T12", "T14"}, "the others are done by the same run"
    with pytest.raises(FilesFailed):
        harness.ingest()
    del tried[:]
    assert harness.ingest() == [], "parked and not due: the run has nothing to do and succeeds"
    harness.day(15, row("T15"))
    harness.ingest()
    assert tried == [["15"]]
    harness.clock.advance(HOUR + 60)
    harness.day(16, row("T16"))
    with pytest.raises(FilesFailed, match="the parked file failed again"):
        harness.ingest()
    assert tried == [["15"], ["16"], ["13"]], "alone, after all others"
    harness.clock.advance(HOUR + 60)
    harness.ingest()
    assert len(tried) == 3, "the next pause is twice as long"
    assert str(poison) not in harness.log(), "only an operator rejects it"

    note(harness.run(), [poison], f"{RETRY}x", 0)
    monkeypatch.undo()
    harness.ingest()
    harness.assert_right()
    assert harness.log()[str(poison)]["outcome"] == "merged"


def test_runs_that_were_killed_park_a_file_and_an_outage_does_not(
    harness: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = harness.day(13, row("P1")).file
    tried = failing(monkeypatch, lambda: TransientError("Cloud Storage: 503"))
    for _ in range(3):
        with pytest.raises(TransientError):
            harness.ingest()
    monkeypatch.undo()
    tried = failing(monkeypatch, Crash)
    for _ in range(2):
        with pytest.raises(Crash):
            harness.ingest()
    harness.day(14, row("T14"))
    harness.ingest()
    assert tried[-1] == ["14"] and str(file) not in harness.log()
    monkeypatch.undo()
    harness.clock.advance(HOUR + 60)
    harness.ingest()
    harness.assert_right()
    assert set(harness.target()) == {"P1", "T14"}
