"""A run died, and the object is gone: no merged row is ever without its line in the log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.spark_jobs.harness import Crash, JobHarness, row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def crash_at(harness: JobHarness, step: str) -> None:
    def checkpoint(reached: str) -> None:
        if reached == step:
            raise Crash(step)

    with pytest.raises(Crash):
        harness.ingest(checkpoint)


def test_a_file_that_was_taken_and_is_gone_is_logged_as_merged_or_superseded(spark: SparkSession, tmp_path: Path) -> None:
    harness = JobHarness(spark, tmp_path)
    harness.settings = replace(harness.settings, max_bad_row_ratio=0.5)
    harness.day(1, row("T1"), row("T2", "2026-01-09 10:00:00"))
    harness.ingest()
    merged = harness.day(2, row("T1", "2026-01-02 10:00:00"), row("T2"), row("T3"), row("T4", status="lost"), partial=True)
    crash_at(harness, "merged")
    overwritten = harness.day(3, row("T5"))
    harness.store.delete(merged.file.name)
    crash_at(harness, "taken")
    harness.day(3, row("T6"))  # a newer generation
    harness.ingest()
    log = harness.log()
    line = log[str(merged.file)]
    assert (line["outcome"], line["inserted"], line["updated"], line["outranked"], line["rejected_rows"]) == (
        "merged",
        1,
        1,
        1,
        1,
    )
    assert line["rows"] == 4 and line["balanced"] and "bytes are gone" in line["note"]
    assert [number for file, number in harness.rejected_rows() if file == str(merged.file)] == [4]
    assert log[str(overwritten.file)]["outcome"] == "superseded"
    outcomes = {str(outcome.file): outcome.kind for outcome in harness.announcer.outcomes}
    assert outcomes[str(merged.file)] == "merged" and outcomes[str(overwritten.file)] == "superseded"
    assert set(harness.target()) == {"T1", "T2", "T3", "T6"}
    assert harness.target() == harness.expected()
    lines = len(log)
    harness.day(4, row("T7"))
    harness.ingest()
    assert len(harness.log()) == lines + 1, "settled once"
