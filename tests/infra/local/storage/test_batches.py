"""Batch requests from the official client."""

from __future__ import annotations

import pytest
from google.cloud import storage

pytestmark = pytest.mark.servers


def test_a_batch_runs_each_call_and_reports_its_error(storage_client: storage.Client, bucket: storage.Bucket) -> None:
    for number in range(5):
        bucket.blob(f"n {number}%").upload_from_string("x")
    with storage_client.batch():
        for number in range(5):
            bucket.delete_blob(f"n {number}%")
    assert list(bucket.list_blobs()) == []
    with pytest.raises(Exception, match="No such object"), storage_client.batch():
        bucket.delete_blob("absent")
