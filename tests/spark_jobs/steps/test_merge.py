"""Merge: newest wins by content alone, idempotent, whatever characters a key has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spark_jobs.store.tables import current_version
from tests.spark_jobs.harness import Crash, JobHarness, crash_at, csv, row

if TYPE_CHECKING:
    pass


def test_the_same_rows_again_and_again_make_no_commit_and_no_count(harness: JobHarness) -> None:

    rows = [row(f"K{n}", address="x") for n in range(5)]
    harness.day(1, *rows)
    harness.ingest()
    version = current_version(harness.spark, harness.tables.target)
    again = harness.day(1, *rows).file
    harness.ingest()
    assert current_version(harness.spark, harness.tables.target) == version
    assert harness.log()[str(again)]["outranked"] == 5
    harness.assert_right()


def test_one_key_inserted_twice_is_repaired_to_its_newest_row(harness: JobHarness) -> None:
    """What two runs at once can leave where the platform settles conflicts row by row."""
    harness.day(1, row("T1"), row("T2"))
    harness.ingest()
    columns = "order_num, tracking_num, status, address, last_update_timestamp, file_id, row_number, batch_id"

    def other_run() -> None:
        harness.spark.sql(
            f"INSERT INTO {harness.tables.target} ({columns}) VALUES "
            "('A1', 'T3', 'pending', NULL, TIMESTAMP'2026-01-01 00:00:00Z', 'b/n#1', 1, 'other'),"
            "('A1', 'T4', 'pending', NULL, TIMESTAMP'2026-01-09 00:00:00Z', 'b/n#1', 2, 'other')"
        )

    harness.day(2, row("T3"), row("T4"))
    staged_by_us = crash_at("merged")
    with pytest.raises(Crash):
        harness.ingest(staged_by_us)
    other_run()
    assert harness.spark.table(harness.tables.target).count() == 6
    harness.day(3, row("T9"))
    harness.ingest()
    target = harness.target()
    assert len(target) == 5
    assert target["T3"]["last_update_timestamp"].hour == 10
    assert target["T4"]["last_update_timestamp"].day == 9


HOSTILE = [
    "'",
    "\\",
    "\\'",
    "${spark.master}",
    "`",
    "--",
    "%",
    "é",
    "😀",
    "\u2028",
    "' OR '1'='1",
    "{x}",
    "$1",
    "a;b",
    "?",
    ":x",
]


def test_keys_of_any_characters_are_merged_not_interpreted(harness: JobHarness) -> None:
    for turn, status in enumerate(["pending", "shipped"]):
        for number, key in enumerate(HOSTILE):
            harness.upload(f"f{number}/order_tracking_2026_01_01.csv", csv(row(key, status=status, address=key)))
        harness.ingest(max_batch_files=[1000, 9][turn])
    harness.assert_right()
    assert {key: values["status"] for key, values in harness.target().items()} == dict.fromkeys(HOSTILE, "shipped")
