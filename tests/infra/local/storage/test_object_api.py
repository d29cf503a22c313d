"""Requests about one object: what patch and update change, and which requests are refused."""

from __future__ import annotations

import gzip
import json

import httpx
import pytest
from google.api_core.exceptions import BadRequest, Conflict
from google.cloud import storage

from infra.local.services.process import ServerProcess

pytestmark = pytest.mark.servers


@pytest.fixture
def blob(bucket: storage.Bucket) -> storage.Blob:
    blob = bucket.blob("source")
    blob.metadata = {"a": "1", "b": "2"}
    blob.cache_control = "no-store"
    blob.upload_from_string("x", content_type="text/csv")
    return blob


def test_patch_changes_only_the_fields_in_the_body(blob: storage.Blob) -> None:
    """A null removes a key. Generation and contents stay the same; metageneration and `updated` increase."""
    before = dict(blob._properties)
    blob.metadata = {"a": None, "c": "3"}
    blob.patch()
    assert blob.metadata == {"b": "2", "c": "3"}
    assert (blob.content_type, blob.cache_control) == ("text/csv", "no-store")
    assert (blob.metageneration, str(blob.generation)) == (2, before["generation"])
    assert blob._properties["updated"] >= before["updated"]
    assert blob._properties["etag"] != before["etag"]
    assert blob._properties["timeCreated"] == before["timeCreated"]


def test_update_replaces_all_metadata(storage_server: ServerProcess, blob: storage.Blob) -> None:
    url = f"{storage_server.url}/storage/v1{blob.path}"
    shown = httpx.put(url, json={"contentType": "text/plain"}).json()
    assert shown["contentType"] == "text/plain"
    assert "metadata" not in shown
    assert "cacheControl" not in shown


def test_patch_by_method_override_and_gzip(storage_server: ServerProcess, blob: storage.Blob) -> None:
    """As Google's Java client sends it."""
    headers = {"X-HTTP-Method-Override": "PATCH", "Content-Encoding": "gzip"}
    body = gzip.compress(json.dumps({"metadata": {"a": "9"}}).encode())
    answer = httpx.post(f"{storage_server.url}/storage/v1{blob.path}", content=body, headers=headers)
    assert answer.json()["metadata"] == {"a": "9", "b": "2"}


def test_invalid_metadata_and_conflicting_buckets_are_refused(
    storage_server: ServerProcess, bucket: storage.Bucket, blob: storage.Blob
) -> None:
    blob.metadata = {"k": "x" * 9000}
    with pytest.raises(BadRequest, match="8192"):
        blob.patch()
    url = f"{storage_server.url}/storage/v1{blob.path}"
    assert httpx.patch(url, content=b"{not json").json()["error"]["errors"][0]["reason"] == "parseError"
    assert httpx.patch(url, json={"metadata": {"k": {"nested": 1}}}).status_code == 400
    assert httpx.patch(url, content=rb'{"metadata": {"k": "\ud800"}}').status_code == 400
    with pytest.raises(Conflict):
        bucket.delete()
    with pytest.raises(Conflict):
        bucket.client.create_bucket(bucket.name)
