"""File histories: how files are found in the bucket. What the tables contribute is tested in test_file_view.py."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from spark_jobs.cloud.ports import StoredFile
from spark_jobs.contract.file_ids import FileId
from spark_jobs.operator.file_history import Found, describe_state, find, with_entry
from spark_jobs.settings import BucketLayout, IngestSettings, SettingsError
from spark_jobs.store.ingest_log import LogEntry
from tests.fakes.dependencies import BUCKET, GOOD, NAME
from tests.spark_jobs.operator.conftest import LiveBucket

if TYPE_CHECKING:
    pass

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
