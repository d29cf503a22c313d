"""Record: counts by file, from MERGE itself or from the change feed, and compared with those of the function."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from spark_jobs.batches import ChangedRows
from spark_jobs.steps.record import count_changed_rows
from spark_jobs.store.tables import current_version
from tests.spark_jobs.harness import Crash, JobHarness, at, crash_at, row

if TYPE_CHECKING:
    pass


def test_a_change_feed_that_is_gone_is_said_in_the_log_and_stops_nothing(harness: JobHarness) -> None:
    harness.day(1, row("T1"), row("T2"))
    harness.ingest()
    file = harness.day(2, row("T1", "2026-01-02 10:00:00")).file
    with pytest.raises(Crash):
        harness.ingest(crash_at("merged"))
    changes = list((harness.folder / "warehouse" / "orders_target" / "_change_data").iterdir())
    assert changes
    for path in changes:
        path.unlink()
    harness.ingest()
    line = harness.log()[str(file)]
    assert line["inserted"] is None and line["balanced"] is None and "change feed" in line["note"]
    assert harness.target() == harness.expected()


@pytest.mark.parametrize("others", [0, 1])
def test_what_merge_says_of_itself_is_what_the_change_feed_says(harness: JobHarness, others: int) -> None:
    """MERGE's counts are used if it made the only commit; with another commit in between, the change feed is queried."""
    harness.day(1, row("T1"), row("T2"), row("T3", "2026-01-09 10:00:00"))
    harness.ingest()
    file = harness.day(2, *[row(key, "2026-01-02 10:00:00") for key in ("T1", "T2", "T3", "T4")], row("T4")).file
    before = current_version(harness.spark, harness.tables.target)

    def meanwhile() -> None:
        for _ in range(others):
            harness.spark.sql(
                f"INSERT INTO {harness.tables.target} (tracking_num, file_id) VALUES ('X', 'another#1')"
            ).collect()

    with patch("spark_jobs.steps.record.count_changed_rows", wraps=count_changed_rows) as feed:
        (entry,) = harness.ingest(at("staging done", meanwhile))
    assert feed.call_count == others
    assert (entry.inserted, entry.updated, entry.outranked, entry.balanced) == (1, 2, 2, True)
    after = current_version(harness.spark, harness.tables.target)
    changed, _ = count_changed_rows(harness.run(), [file], before, after)
    assert changed == {file: ChangedRows(entry.inserted or 0, entry.updated or 0)}


def test_counts_that_differ_from_the_marked_ones_are_an_alarm(
    harness: JobHarness, caplog: pytest.LogCaptureFixture
) -> None:
    file = harness.day(1, row("T1"), rows=7).file
    harness.ingest()
    assert harness.log()[str(file)]["balanced"] is False
    assert any(record.levelname == "ERROR" and "does not balance" in record.message for record in caplog.records)
