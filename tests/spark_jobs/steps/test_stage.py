"""The version of the stage that a batch merges is the one that its last write made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.spark_jobs.harness import JobHarness, csv, row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_a_second_write_without_rows_does_not_find_the_first_ones_commit(spark: SparkSession, tmp_path: Path) -> None:
    """The only file with rows is overwritten while it is staged, and another run empties the stage in between."""
    harness = JobHarness(spark, tmp_path)
    old = harness.day(1, row("OLD"))
    harness.upload("order_tracking_2026_01_02.csv", csv())
    first = [True]

    def other_run(step: str) -> None:
        if step == "staged" and first:
            first.clear()
            harness.store.upload(old.file.name, csv(row("NEW")))
            harness.spark.sql(f"INSERT OVERWRITE {harness.tables.stage} SELECT * FROM {harness.tables.stage} WHERE false")

    harness.ingest(other_run)
    assert harness.target() == {}
    assert sorted(line["outcome"] for line in harness.log().values()) == ["merged", "superseded"]


def test_a_file_whose_content_encoding_was_set_after_it_was_accepted_is_rejected(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Readers would disagree about its bytes; the others in its batch load."""
    harness = JobHarness(spark, tmp_path)
    encoded = harness.day(1, row("T1"))
    harness.day(2, row("T2"))
    held = harness.store.objects[encoded.file.bucket, encoded.file.name]
    stored = replace(held.stored, content_encoding="gzip", metageneration=held.stored.metageneration + 1)
    harness.store.objects[encoded.file.bucket, encoded.file.name] = replace(held, stored=stored)
    harness.ingest()
    line = harness.log()[str(encoded.file)]
    assert line["outcome"] == "rejected" and line["reason"].startswith("content_encoding: ")
    assert set(harness.target()) == {"T2"}
    assert len(harness.store.names("rejected/")) == 2
