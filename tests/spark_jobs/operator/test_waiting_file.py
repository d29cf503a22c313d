"""The waiting file that a command is about, by name, object name and file id."""

from __future__ import annotations

import pytest

from spark_jobs.operator.waiting_file import Refused, find_waiting
from spark_jobs.settings import BucketLayout
from tests.fakes.dependencies import BUCKET, GOOD, NAME
from tests.spark_jobs.operator.conftest import LiveBucket

LAYOUT = BucketLayout(BUCKET)


def test_a_waiting_file_can_be_named_in_three_ways(bucket: LiveBucket) -> None:
    stored = bucket.fake.store.upload(NAME, GOOD)
    for name in (NAME, NAME.removeprefix("source/"), str(stored.file)):
        assert find_waiting(bucket.fake.store, LAYOUT, name) == stored


@pytest.mark.parametrize("name", ["order_tracking_2026_01_30.csv", "", "source/", "rejected/x.csv"])
def test_a_file_that_is_not_in_the_source_folder_is_refused(bucket: LiveBucket, name: str) -> None:
    bucket.fake.store.upload(NAME, GOOD)
    bucket.fake.store.upload("source/", b"")
    with pytest.raises(Refused, match="is not in source/ of bucket orders-data"):
        find_waiting(bucket.fake.store, LAYOUT, name)


def test_an_overwritten_generation_is_refused_with_the_new_one(bucket: LiveBucket) -> None:
    old, new = (bucket.fake.store.upload(NAME, GOOD).file for _ in range(2))
    with pytest.raises(Refused, match=f"is no longer in source/: generation {new.generation} replaced it"):
        find_waiting(bucket.fake.store, LAYOUT, str(old))
