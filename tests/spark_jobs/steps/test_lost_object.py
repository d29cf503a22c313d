"""Found by `make chaos`: a run that loses its file to the sender and then dies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.spark_jobs.harness import Crash, JobHarness, row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_a_file_that_was_logged_and_deleted_before_it_was_announced_is_announced(
    spark: SparkSession, tmp_path: Path
) -> None:
    """The run dies just after the log's line, and the sender deletes the object: its outcome is published all the same."""
    harness = JobHarness(spark, tmp_path)
    file = harness.day(1, row("T1")).file

    def die(step: str) -> None:
        if step == "recorded":
            raise Crash

    with pytest.raises(Crash):
        harness.ingest(die)
    harness.store.delete(file.name)
    harness.day(2, row("T2"))
    harness.ingest()
    assert harness.log()[str(file)]["outcome"] == "merged"
    assert (str(file), "merged") in [(str(outcome.file), outcome.kind) for outcome in harness.announcer.outcomes]


def test_a_suspended_run_that_merges_a_file_settled_as_superseded_and_dies_leaves_a_merged_line(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Run A has staged the file and is suspended; it is overwritten; run B settles it; A merges it and dies."""
    harness = JobHarness(spark, tmp_path)
    file = harness.day(1, row("T1", "2026-01-05 10:00:00")).file

    def suspended(step: str) -> None:
        if step == "staging done":
            harness.day(1, row("T2"))
            harness.ingest()
        if step == "merged":
            raise Crash

    with pytest.raises(Crash):
        harness.ingest(suspended)
    harness.day(3, row("T3"))
    harness.ingest()
    assert "T1" in harness.target()
    assert harness.log()[str(file)]["outcome"] == "merged"
