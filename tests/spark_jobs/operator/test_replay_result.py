"""What replayed files changed: the result of each file, and the summary sentence."""

from __future__ import annotations

from typing import Any

import pytest

from spark_jobs.contract.file_ids import FileId
from spark_jobs.operator.replay_result import ReplayResult, replay_results, summary
from spark_jobs.settings import BucketLayout
from spark_jobs.store.ingest_log import LogEntry
from tests.fakes.dependencies import BUCKET, NAME, FakeDependencies
from tests.spark_jobs.operator.conftest import LiveBucket

LAYOUT = BucketLayout(BUCKET)
FILE = FileId(BUCKET, NAME, 7)


def entry(file: FileId, **fields: Any) -> LogEntry:
    at = FakeDependencies().clock()
    return LogEntry(file, fields.pop("outcome", "merged"), "batch", at, at, 1, **fields)


def test_a_file_that_is_neither_logged_nor_rejected_is_lost_and_unknown_counts_have_a_reason(bucket: LiveBucket) -> None:
    other = FileId(BUCKET, NAME, 8)
    note = "the change feed can't be read"
    found = replay_results([FILE, other], bucket.fake.store, LAYOUT, lambda _: [entry(other, rows=3, note=note)])
    assert found[FILE].outcome == "lost"
    assert (found[other].outcome, found[other].reason) == ("merged", note)


def test_a_rejected_file_is_read_from_its_report_without_the_log(bucket: LiveBucket) -> None:
    def no_log(_: object) -> list[LogEntry]:
        raise AssertionError("the log was read")

    file = bucket.rejected_file()
    (result,) = replay_results([file], bucket.fake.store, LAYOUT, no_log).values()
    assert (result.outcome, result.rows, result.rejected_rows) == ("rejected", 0, 0)
    assert result.reason is not None and "no column" in result.reason


def merged(inserted: int | None, updated: int | None, rejected_rows: int = 0) -> ReplayResult:
    return ReplayResult(FILE, "merged", 9, inserted, updated, 0, rejected_rows)


@pytest.mark.parametrize(
    ("results", "sentence"),
    [
        ([], "nothing changed: no file was copied"),
        ([merged(0, 0)], "nothing changed: the target already had every row, or a newer one"),
        ([merged(0, 0, 2)], "nothing changed: the target already had every valid row, or a newer one; 2 rows quarantined"),
        ([merged(2, 0), merged(0, 1000), merged(0, 10)], "3 files changed 1,012 rows (2 inserted, 1,010 updated)"),
        (
            [merged(1, 0), merged(0, 0), ReplayResult(FILE, "lost")],
            "1 file changed 1 row (1 inserted, 0 updated); 1 file lost",
        ),
        ([merged(None, None)], "unknown how many rows 1 file changed"),
        ([ReplayResult(FILE, "superseded")], "nothing changed: no file was merged; 1 file superseded"),
    ],
)
def test_the_summary_never_says_nothing_changed_if_that_is_unknown(results: list[ReplayResult], sentence: str) -> None:
    assert summary(results) == sentence
