"""The rows of a file: how a key is explained, and ties."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.file_validation import CheckedRow
from spark_jobs.contract.records import Record
from spark_jobs.operator import file_rows
from spark_jobs.operator.file_history import Found
from spark_jobs.operator.file_rows import TargetRow, explain, good_rows
from spark_jobs.queries.delta_folder import DeltaFolder
from tests.fakes.dependencies import BAD_HEADER, BUCKET, HEADER, NAME
from tests.spark_jobs.harness import JobHarness, csv
from tests.spark_jobs.harness import row as line
from tests.spark_jobs.operator.conftest import LiveBucket

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

STAMP = datetime(2026, 1, 31, 10, tzinfo=UTC)
AT = "2026-01-31 10:00:00 UTC"
FILE = FileId(BUCKET, NAME, 7)


def test_good_rows_end_where_a_rejected_file_becomes_unreadable(bucket: LiveBucket) -> None:
    def numbers(content: bytes) -> list[int]:
        stored = bucket.fake.store.upload(NAME, content)
        return [row.number for row in good_rows(bucket.fake.store, ORDER_TRACKING, Found(stored.file, stored, STAMP))]

    good = b"A1,T1,,,shipped,,2026-01-31 10:00:00\n"
    assert numbers(HEADER + good + b"x\n" + good) == [1, 3]
    assert numbers(HEADER + good + b'A1,T2,,,shipped,"open') == [1]
    assert numbers(BAD_HEADER) == []


def values(key: str, address: str | None) -> tuple[Any, ...]:
    return ("A1", key, None, None, "shipped", address, STAMP)


def row(number: int, key: str = "T1", address: str | None = None) -> CheckedRow:
    return CheckedRow(number, cast("Record", None), values(key, address), ())


def target(file: str, address: str | None = None) -> TargetRow:
    return TargetRow(file, 5, values("T1", address), STAMP)


OTHER = f"{BUCKET}/source/other.csv#9"


@pytest.mark.parametrize(
    ("rows", "in_target", "sentence"),
    [
        ([], None, f"{FILE} has no valid row for tracking_num 'T1'; see orders_rejected_rows for its invalid rows"),
        ([row(1)], None, f"row 1 of {FILE} ({AT}) has not reached the target yet"),
        ([row(5)], target(str(FILE)), f"the target has row 5 of {FILE} ({AT})"),
        (
            [row(1)],
            target(OTHER, address="z"),
            f"row 1 of {FILE} ({AT}) was outranked by row 5 of {OTHER}",
        ),
        (
            [row(1)],
            target(OTHER),
            f"the target has the same content as row 1 of {FILE} ({AT}), from row 5",
        ),
        ([row(1), row(2, address="a"), row(3, "T2", "b")], None, f"row 2 of {FILE}"),
    ],
    ids=["no row", "not merged", "won", "outranked", "identical", "newest of its rows"],
)
def test_a_key_is_explained(rows: list[CheckedRow], in_target: TargetRow | None, sentence: str) -> None:
    assert explain(rows, in_target, ORDER_TRACKING, FILE, ("T1",)).sentence.startswith(sentence)


def test_only_rows_with_the_same_timestamp_and_other_content_tie(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing values differ from present ones, and rows are found beyond the first chunk."""
    monkeypatch.setattr(file_rows, "_CHUNK_ROWS", 2)
    harness = JobHarness(spark, tmp_path)
    kept = harness.day(1, line("T1", address="b"), line("T2"), line("T3"), line("T4", address="x"))
    harness.ingest()
    content = csv(
        line("T1", address="a"), line("T2"), line("T3", "2026-01-01 09:00:00", address="c"), line("T4"), line("T5")
    )
    stored = harness.store.upload("source/order_tracking_2026_01_02.csv", content)
    engine = DeltaFolder(harness.settings.warehouse)
    mine = Found(stored.file, stored, stored.created)
    found = list(file_rows.find_ties(engine, harness.store, ORDER_TRACKING, [mine]))
    assert [(tie.key, tie.row, tie.kept_row) for tie in found] == [("T1", 1, 1), ("T4", 4, 4)]
    assert {(tie.file, tie.kept_file) for tie in found} == {(str(stored.file), str(kept.file))}


def test_timestamps_of_rows_are_in_utc_with_all_their_digits() -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    assert file_rows.utc_text(datetime(2026, 1, 1, 2, 30, 0, 10, tzinfo=east)) == "2025-12-31 21:00:00.000010 UTC"
