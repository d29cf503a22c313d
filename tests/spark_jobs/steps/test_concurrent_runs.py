"""Two runs at once on the same bucket and tables: correct, whatever their commits do to each other."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from spark_jobs.steps.ingest import ingest
from tests.spark_jobs.harness import JobHarness, row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


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
        except BaseException as error:  # noqa: BLE001 - reported by the main thread
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
