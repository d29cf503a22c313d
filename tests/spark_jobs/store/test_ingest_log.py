"""Log lines survive being written and read, and look-ups find them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from spark_jobs.contract.file_ids import FileId
from spark_jobs.store.ingest_log import LogEntry, logged
from spark_jobs.store.tables import INGEST_LOG_COLUMNS, frame_of
from tests.spark_jobs.harness import JobHarness

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

AT = datetime(2026, 1, 31, 10, tzinfo=UTC)


def entry(generation: int, **fields: object) -> LogEntry:
    file = FileId("b", f"source/order_tracking_2026_01_0{generation}.csv", generation)
    return LogEntry(file, "merged", "batch", AT, AT + timedelta(minutes=generation), 1, rows=3, balanced=True, **fields)  # type: ignore[arg-type]


def test_a_line_has_a_value_for_every_column() -> None:
    row = dict(zip(INGEST_LOG_COLUMNS, entry(7, note="n").as_row(), strict=True))
    assert (row["file_id"], row["generation"], row["rows"], row["inserted"]) == (
        "b/source/order_tracking_2026_01_07.csv#7",
        7,
        3,
        None,
    )
    assert (row["balanced"], row["note"], row["logged_at"]) == (True, "n", AT + timedelta(minutes=7))


def test_the_outcome_of_a_line_has_the_same_facts() -> None:
    outcome = entry(7, inserted=1, updated=2, outranked=0, rejected_rows=0).as_outcome()
    assert (outcome.file.generation, outcome.kind, outcome.feed, outcome.at) == (
        7,
        "merged",
        "order_tracking",
        AT + timedelta(minutes=7),
    )
    assert (outcome.rows, outcome.inserted, outcome.updated, outcome.batch_id) == (3, 1, 2, "batch")


def test_lines_are_found_by_file(spark: SparkSession, tmp_path: Path) -> None:
    harness = JobHarness(spark, tmp_path)
    entries = [entry(generation, note=f"line {generation}") for generation in (1, 2, 3)]
    frame_of(spark, [one.as_row() for one in entries], INGEST_LOG_COLUMNS).writeTo(harness.tables.ingest_log).append()
    assert logged(spark, harness.tables, [entries[1].file, FileId("b", "other", 2)]) == [entries[1]]
