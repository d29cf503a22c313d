"""Requests about one object: what patch and update change, which metadata and contents a copy has, what is refused."""

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


@pytest.mark.parametrize("verb", ["copy", "rewrite", "move"])
def test_copies_keep_the_metadata(bucket: storage.Bucket, blob: storage.Blob, verb: str) -> None:
    blob.metadata = {"a": "5"}
    blob.patch()
    if verb == "copy":
        bucket.copy_blob(blob, bucket, "made")
    elif verb == "rewrite":
        bucket.blob("made").rewrite(blob)
    else:
        bucket.move_blob(blob, "made")
    made = bucket.get_blob("made")
    assert made.metadata == blob.metadata
    assert (made.content_type, made.cache_control) == ("text/csv", "no-store")
    assert (made.metageneration, made.crc32c, made.md5_hash) == (1, blob.crc32c, blob.md5_hash)
    assert made.generation > blob.generation
    assert made.time_created > blob.time_created


@pytest.mark.parametrize("verb", ["copyTo", "rewriteTo"])
def test_a_body_with_metadata_replaces_all_metadata(
    storage_server: ServerProcess, bucket: storage.Bucket, blob: storage.Blob, verb: str
) -> None:
    url = f"{storage_server.url}/storage/v1{blob.path}/{verb}/b/{bucket.name}/o/made"
    httpx.post(url, json={"contentType": "a/b", "metadata": {"z": "26"}}).raise_for_status()
    made = bucket.get_blob("made")
    assert (made.metadata, made.content_type, made.cache_control) == ({"z": "26"}, "a/b", None)
    assert bucket.get_blob("source").metadata == {"a": "1", "b": "2"}


def test_a_copy_can_go_to_another_bucket(
    storage_client: storage.Client, bucket: storage.Bucket, blob: storage.Blob
) -> None:
    other = storage_client.create_bucket(bucket.name + "-2")
    bucket.copy_blob(blob, other, "made")
    blob.delete()
    assert other.blob("made").download_as_bytes() == b"x"


def test_compose_keeps_no_metadata(bucket: storage.Bucket, blob: storage.Blob) -> None:
    made = bucket.blob("made")
    made.compose([blob, blob])
    made.reload()
    assert made.download_as_bytes() == b"xx"
    assert made.metadata is None
    assert (made.component_count, made.md5_hash) == (2, None)
    with pytest.raises(BadRequest):
        bucket.blob("many").compose([blob] * 33)
