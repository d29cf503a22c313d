"""The target is a function of the set of merged files: repeats, batches and overwrites change nothing (for crashes:
`test_kill`)."""

from __future__ import annotations

import shutil
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.spark_jobs.harness import JobHarness, row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


KEYS = st.sampled_from(["T1", "T2", "T3", "é", "'"])
STAMPS = st.sampled_from(
    ["2026-01-01 10:00:00", "2026-01-01 11:00:00+01:00", "2026-01-02T10:00:00Z", "2026-01-01 10:00:00.5"]
)
STATUSES = st.sampled_from(["pending", "Shipped", "in_transit", "cancelled", "canceled"])
DATES = st.sampled_from(["", "2026-01-01", "2025-12-31"])
ROWS = st.builds(
    lambda key, stamp, status, address, order, received: f"{order},{key},{received},,{status},{address},{stamp}",
    KEYS, STAMPS, STATUSES, st.sampled_from(["", "a", "B", "é", "\U0001f600", "\uffff"]),
    st.sampled_from(["A1", "a1"]), DATES,
)  # fmt: skip
UPLOADS = st.lists(st.tuples(st.integers(1, 4), st.lists(ROWS, max_size=6)), min_size=3, max_size=6)
ROUNDS = st.tuples(
    UPLOADS,
    st.sampled_from([2, 3, 9]),
    st.sampled_from([0, 4 * 1024**2]),
)
MOMENTS = ("taken", "staged", "merged", "")
"""When the second half of a round's uploads arrives; after the run if empty."""


def any_row(rounds: list[Any]) -> bool:
    """Hypothesis begins with the simplest example: empty files."""
    return any(rows for uploads, *_ in rounds for _, rows in uploads)


def test_any_set_of_files_in_any_batches_overwritten_and_repeated_gives_the_oracles_target(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each example is two rounds of uploads; a name that comes again overwrites, during the run if that is in progress."""

    moments = cycle(MOMENTS)

    @settings(
        max_examples=2,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(ROUNDS, min_size=2, max_size=2).filter(any_row))
    def check(rounds: list[Any]) -> None:
        folder = tmp_path_factory.mktemp("files")
        harness = JobHarness(spark, folder)
        for uploads, batch_files, small in rounds:
            moment = next(moments)
            half = len(uploads) // 2
            for day, rows in uploads[:half]:
                harness.day(day, *rows)
            late = [uploads[half:]]

            def checkpoint(step: str, moment: str = moment, late: list[Any] = late) -> None:
                if step == moment and late:
                    for day, rows in late.pop():
                        harness.day(day, *rows)

            harness.ingest(checkpoint, max_batch_files=batch_files, small_batch_bytes=small)
            for pending in late:
                for day, rows in pending:
                    harness.day(day, *rows)
        harness.ingest()
        harness.assert_right()
        shutil.rmtree(folder)

    check()
    assert next(moments) == MOMENTS[0], "every moment came"


def test_another_runs_stage_never_mixes_with_ours(harness: JobHarness) -> None:
    """The stage is overwritten and vacuumed while the run reads it, just after its write."""
    mine = harness.day(1, row("T1"))
    others = [row("OTHER")]

    def other_run(step: str) -> None:
        if step == "staged" and others:
            others.clear()
            nothing = harness.spark.table(harness.tables.stage).where("false")
            nothing.writeTo(harness.tables.stage).option("userMetadata", "other").overwritePartitions()
            harness.spark.sql(f"INSERT OVERWRITE {harness.tables.stage} SELECT * FROM {harness.tables.stage} WHERE false")

    harness.ingest(other_run)
    assert set(harness.target()) == {"T1"}
    assert harness.log()[str(mine.file)]["inserted"] == 1
