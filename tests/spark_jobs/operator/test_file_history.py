"""File histories: how files are found in the bucket, and how a key is explained. Without Spark; the tables' part is in
commands/test_status.py and commands/test_replay.py."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from spark_jobs.contract.feeds import ORDER_TRACKING
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.file_validation import CheckedRow
from spark_jobs.contract.records import Record
from spark_jobs.operator.file_history import Found, TargetRow, describe_state, explain, find, good_rows
from spark_jobs.settings import BucketLayout, IngestSettings, SettingsError
from tests.fakes.dependencies import BAD_HEADER, BUCKET, GOOD, HEADER, NAME
from tests.spark_jobs.operator.conftest import LiveBucket

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
        ([row(1)], target(OTHER), f"the target has the same content as row 1 of {FILE} (2026-01-31 10:00:00), from row 5"),
        ([row(1), row(2, address="a"), row(3, "T2", "b")], None, f"row 2 of {FILE}"),
    ],
    ids=["no row", "not merged", "won", "outranked", "identical", "newest of its rows"],
)
def test_a_key_is_explained(rows: list[CheckedRow], in_target: TargetRow | None, sentence: str) -> None:
    assert explain(rows, in_target, ORDER_TRACKING, FILE, "T1").sentence.startswith(sentence)
