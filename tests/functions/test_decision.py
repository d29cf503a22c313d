"""The decision table of the function, row by row, as pure functions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from functions.decision import Ignore, Launch, Reject, Validate, decide_before_reading, ignore_by_name
from spark_jobs.cloud.ports import StoredFile
from spark_jobs.contract import CONTRACT_VERSION
from spark_jobs.contract.file_ids import FileId
from spark_jobs.contract.marks import AcceptedMark

NOW = datetime(2026, 2, 1, 6, 0, tzinfo=UTC)
FILE = FileId("orders-data", "source/order_tracking_2026_01_31.csv", 17)
STORED = StoredFile(FILE, metageneration=1, size=418, created=NOW)
MARK = AcceptedMark(17, CONTRACT_VERSION, rows=3, bad_rows=0, partial=False, splittable=True)


@pytest.mark.parametrize("name", ["archive/order_tracking_2026_01_31.csv", "sourcefile.csv", "x/source/a.csv"])
def test_an_object_outside_the_source_prefix_is_ignored(name: str) -> None:
    assert ignore_by_name(replace(FILE, name=name), "", "source/") == Ignore("outside_source")


def test_an_object_in_another_bucket_than_the_configured_one_is_ignored() -> None:
    assert ignore_by_name(FILE, "another-bucket", "source/") == Ignore("other_bucket")
    assert ignore_by_name(FILE, FILE.bucket, "source/") is None


@pytest.mark.parametrize("name", ["source/", "source/2026/"])
def test_a_folder_placeholder_is_ignored(name: str) -> None:
    assert ignore_by_name(replace(FILE, name=name), "", "source/") == Ignore("placeholder")


def test_a_file_under_the_source_prefix_is_processed() -> None:
    assert ignore_by_name(FILE, "", "source/") is None


def test_an_object_that_is_gone_is_ignored() -> None:
    assert decide_before_reading(FILE, None, NOW) == Ignore("gone")


@pytest.mark.parametrize("live", [18, 16])
def test_an_overwritten_generation_is_ignored_because_the_newer_one_has_its_own_event(live: int) -> None:
    assert decide_before_reading(FILE, replace(STORED, file=replace(FILE, generation=live)), NOW) == Ignore("overwritten")


def test_an_empty_object_is_ignored_and_reported_as_stale_after_a_day() -> None:
    empty = replace(STORED, size=0)
    assert decide_before_reading(FILE, empty, NOW + timedelta(hours=23)) == Ignore("empty")
    assert decide_before_reading(FILE, empty, NOW + timedelta(hours=25)) == Ignore("stale_empty")


def test_a_file_with_a_valid_mark_only_needs_a_run() -> None:
    assert decide_before_reading(FILE, replace(STORED, metageneration=2, metadata=MARK.as_metadata()), NOW) == Launch()


def test_a_mark_that_came_with_the_upload_is_void() -> None:
    """Metageneration 1: the sender set it."""
    forged = replace(STORED, metadata=MARK.as_metadata())
    assert decide_before_reading(FILE, forged, NOW) == Validate(forged)


@pytest.mark.parametrize(
    "mark",
    [
        replace(MARK, generation=16).as_metadata(),
        replace(MARK, contract_version=CONTRACT_VERSION + 1).as_metadata(),
        {"order-tracking-accepted": "yes"},
        {"order-tracking-accepted": '{"generation":17}'},
        replace(MARK, rows=-1).as_metadata(),
        replace(MARK, rows=10**30).as_metadata(),
        {},
    ],
    ids=["another generation's", "another contract's", "not JSON", "cut", "negative", "huge", "none"],
)
def test_a_file_with_an_invalid_mark_is_validated(mark: dict[str, str]) -> None:
    stored = replace(STORED, metageneration=2, metadata=mark)
    assert decide_before_reading(FILE, stored, NOW) == Validate(stored)


def test_a_content_encoding_rejects_the_file_before_it_is_read() -> None:
    decision = decide_before_reading(FILE, replace(STORED, content_encoding="gzip"), NOW)
    assert isinstance(decision, Reject)
    assert decision.violation.code == "content_encoding"
    assert decide_before_reading(FILE, replace(STORED, content_encoding="identity"), NOW) == Validate(
        replace(STORED, content_encoding="identity")
    )
