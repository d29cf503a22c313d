"""File histories: how files are found in the bucket, how a key is explained, and ties. What the tables contribute is tested
in test_status.py and test_replay.py."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from spark_jobs.cloud.ports import StoredFile
from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.file_validation import CheckedRow
from spark_jobs.contract.records import Record
from spark_jobs.operator import file_history
from spark_jobs.operator.file_history import Found, TargetRow, describe_state, explain, find, good_rows, with_entry
from spark_jobs.queries.delta_folder import DeltaFolder
from spark_jobs.settings import BucketLayout, IngestSettings, SettingsError
from spark_jobs.store.ingest_log import LogEntry
from tests.fakes.dependencies import BAD_HEADER, BUCKET, GOOD, HEADER, NAME
from tests.spark_jobs.harness import JobHarness, csv
from tests.spark_jobs.harness import row as line
from tests.spark_jobs.operator.conftest import LiveBucket

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SETTINGS = IngestSettings(BucketLayout(BUCKET), warehouse="nowhere")
STAMP = datetime(2026, 1, 31, 10, tzinfo=UTC)
FILE = FileId(BUCKET, NAME, 7)


def files(bucket: LiveBucket, name: str) -> list[tuple[FileId, str]]:
    return [(one.file, one.stored.file.name) for one in find(bucket.fake.store, SETTINGS, name)]


def test_a_waiting_an_archived_and_a_rejected_generation_are_found_under_their_upload_ids(bucket: LiveBucket) -> None:
    store = bucket.fake.store
    archived = store.upload(NAME, GOOD).file
    bucket.archive(archived)()
    rejected = bucket.rejected_file()
    waiting = store.upload(NAME, GOOD).file
    expected = [
        (archived, f"archive/2026/01/31/order_tracking_2026_01_31.{archived.generation}.csv"),
        (rejected, f"rejected/order_tracking_2026_01_31.csv.{rejected.generation}"),
        (waiting, NAME),
    ]
    assert files(bucket, NAME) == files(bucket, "order_tracking_2026_01_31.csv") == expected
    assert files(bucket, expected[0][1]) == expected[:1]
    assert files(bucket, expected[1][1]) == expected[1:2]


def test_a_file_that_does_not_exist_is_one_sentence(bucket: LiveBucket) -> None:
    with pytest.raises(SettingsError, match="not waiting, not archived and not rejected"):
        find(bucket.fake.store, SETTINGS, NAME)


def test_the_state_names_the_reason_or_what_the_file_waits_for(bucket: LiveBucket) -> None:
    store = bucket.fake.store
    bucket.archive(store.upload(NAME, GOOD).file)()
    bucket.rejected_file()
    store.upload(NAME, GOOD)
    states = [describe_state(store, SETTINGS.layout, one) for one in find(store, SETTINGS, NAME)]
    assert states[0] == "merged and archived"
    assert states[1].startswith("rejected: the header has no column")
    assert states[2] == "waiting: not validated yet"


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
        ([row(1)], None, f"row 1 of {FILE} (2026-01-31 10:00:00) has not reached the target yet"),
        ([row(5)], target(str(FILE)), f"the target has row 5 of {FILE} (2026-01-31 10:00:00)"),
        ([row(1)], target(OTHER, address="z"), f"row 1 of {FILE} (2026-01-31 10:00:00) was outranked by row 5 of {OTHER}"),
        ([row(1, address="z")], target(OTHER), f"row 1 of {FILE} (2026-01-31 10:00:00) is newer than row 5 of {OTHER}"),
        ([row(1)], target(OTHER), f"the target has the same content as row 1 of {FILE} (2026-01-31 10:00:00), from row 5"),
        ([row(1), row(2, address="a"), row(3, "T2", "b")], None, f"row 2 of {FILE}"),
    ],
    ids=["no row", "not merged", "won", "outranked", "newer", "identical", "newest of its rows"],
)
def test_a_key_is_explained(rows: list[CheckedRow], in_target: TargetRow | None, sentence: str) -> None:
    assert explain(rows, in_target, ORDER_TRACKING, FILE, ("T1",)).sentence.startswith(sentence)


BASE = "order_tracking_2026_01_31"


def found(object_name: str, uploaded: str = f"source/{BASE}.csv") -> Found:
    stored = StoredFile(FileId(BUCKET, object_name, 99), 1, 1, STAMP)
    return Found(FileId(BUCKET, uploaded, 7), stored, STAMP)


def logged(name: str, generation: int = 7) -> LogEntry:
    return LogEntry(FileId(BUCKET, name, generation), "merged", "batch", STAMP, STAMP, 1)


@pytest.mark.parametrize(
    ("object_name", "logged_names", "match"),
    [
        (f"archive/2026/01/31/a/{BASE}.7.csv", ["source/b/", "source/a/"], "source/a/"),
        (f"archive/2026/01/31/{BASE}.7.csv", ["source/a/", "source/"], "source/"),
        (f"archive/2026/01/31/{BASE}.7.csv", ["source/a/"], "source/a/"),
        (f"archive/2026/01/31/b/{BASE}.7.csv", ["source/a/"], None),
        (f"archive/2026/01/31/{BASE}.7.csv", [], None),
    ],
    ids=["same folder", "no folder at upload", "lost folder", "other folder", "not logged"],
)
def test_an_archived_object_is_matched_with_its_log_line(
    object_name: str, logged_names: list[str], match: str | None
) -> None:
    entries = [logged(f"{folder}{BASE}.csv") for folder in logged_names] + [logged(f"source/{BASE}.csv", 8)]
    uploaded = object_name.replace("archive/2026/01/31/", "source/").replace(".7.csv", ".csv")
    entry = with_entry(found(object_name, uploaded), entries, SETTINGS).entry
    assert (entry.file.name if entry else None) == (f"{match}{BASE}.csv" if match else None)


def test_archived_objects_are_found_with_and_without_their_folder(bucket: LiveBucket) -> None:
    old = bucket.fake.store.upload(f"archive/2026/01/31/{BASE}.1.csv", GOOD).file.name
    new = bucket.fake.store.upload(f"archive/2026/01/31/a/{BASE}.2.csv", GOOD).file.name
    ids = [FileId(BUCKET, f"source/a/{BASE}.csv", generation) for generation in (1, 2)]
    assert files(bucket, f"a/{BASE}.csv") == [(ids[0], old), (ids[1], new)]
    assert files(bucket, f"{BASE}.csv") == [(FileId(BUCKET, f"source/{BASE}.csv", 1), old), (ids[1], new)]
    assert files(bucket, new) == [(ids[1], new)]


def test_only_rows_with_the_same_timestamp_and_other_content_tie(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing values differ from present ones, and rows are found beyond the first chunk."""
    monkeypatch.setattr(file_history, "_CHUNK_ROWS", 2)
    harness = JobHarness(spark, tmp_path)
    kept = harness.day(1, line("T1", address="b"), line("T2"), line("T3"), line("T4", address="x"))
    harness.ingest()
    content = csv(
        line("T1", address="a"), line("T2"), line("T3", "2026-01-01 09:00:00", address="c"), line("T4"), line("T5")
    )
    stored = harness.store.upload("source/order_tracking_2026_01_02.csv", content)
    engine = DeltaFolder(harness.settings.warehouse)
    mine = Found(stored.file, stored, stored.created)
    found = list(file_history.find_ties(engine, harness.store, ORDER_TRACKING, [mine]))
    assert [(tie.key, tie.row, tie.kept_row) for tie in found] == [("T1", 1, 1), ("T4", 4, 4)]
    assert {(tie.file, tie.kept_file) for tie in found} == {(str(stored.file), str(kept.file))}
