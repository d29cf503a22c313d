"""One load passes through few modules, so that a newcomer can follow it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from tests.spark_jobs.harness import JobHarness, row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MOST = 15
STEPS = {"archive", "ingest", "merge", "parking", "record", "run", "settle", "stage", "take"}
NOT_COUNTED = (
    "spark_jobs.contract",  # the reference, which the function runs as well
    "spark_jobs.cloud",  # ports and their adapters; tests replace the adapters
    "spark_jobs.settings",
    "spark_jobs.dependencies",
    "spark_jobs.batches",  # types only
)


@contextmanager
def modules_called() -> Iterator[set[str]]:
    """Fills in the modules of spark_jobs whose functions run within the block, in this thread and in threads it starts."""
    called: set[str] = set()

    def profile(frame: FrameType, event: str, _argument: Any) -> None:
        # Code that dataclasses and named tuples generate has no file; a module's own code is not a function.
        if event == "call" and frame.f_code.co_name != "<module>" and not frame.f_code.co_filename.startswith("<"):
            name = str(frame.f_globals.get("__name__", ""))
            if name.startswith("spark_jobs.") and not name.startswith(NOT_COUNTED):
                called.add(name)

    before, before_in_threads = sys.getprofile(), threading.getprofile()
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield called
    finally:
        sys.setprofile(before)
        threading.setprofile(before_in_threads)  # type: ignore[arg-type]


def test_a_load_of_one_clean_file_passes_through_few_modules(spark: SparkSession, tmp_path: Path) -> None:
    harness = JobHarness(spark, tmp_path)
    harness.day(1, row("T1"), row("T2"))
    harness.ingest()  # imports what is imported late
    harness.day(2, row("T1", "2026-01-02 10:00:00"), row("T3"))
    with modules_called() as modules:
        entries = harness.ingest()

    assert [entry.outcome for entry in entries] == ["merged"]
    harness.assert_right()
    listed = "\n".join(sorted(modules))
    assert {name.rpartition(".")[2] for name in modules if name.startswith("spark_jobs.steps.")} == STEPS, listed
    assert len(modules) <= MOST, f"{len(modules)} modules:\n{listed}"
