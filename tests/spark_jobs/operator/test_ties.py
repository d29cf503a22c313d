"""Conflicting ties of a file with the target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spark_jobs.operator import ties
from spark_jobs.operator.file_history import Found
from tests.spark_jobs.harness import JobHarness, csv, row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_only_rows_with_the_same_timestamp_and_other_content_tie(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing values differ from present ones, and rows are found beyond the first chunk."""
    monkeypatch.setattr(ties, "_CHUNK_ROWS", 2)
    harness = JobHarness(spark, tmp_path)
    kept = harness.day(1, row("T1", address="b"), row("T2"), row("T3"), row("T4", address="x"))
    harness.ingest()
    content = csv(row("T1", address="a"), row("T2"), row("T3", "2026-01-01 09:00:00", address="c"), row("T4"), row("T5"))
    stored = harness.store.upload("source/order_tracking_2026_01_02.csv", content)
    found = list(ties.find_ties(spark, harness.store, harness.settings, [Found(stored.file, stored, stored.created)]))
    assert [(tie.key, tie.row, tie.kept_row) for tie in found] == [("T1", 1, 1), ("T4", 4, 4)]
    assert {(tie.file, tie.kept_file) for tie in found} == {(str(stored.file), str(kept.file))}
