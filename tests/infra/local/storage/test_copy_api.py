"""copyTo, rewriteTo, moveTo and compose: which metadata and contents the new object has."""

from __future__ import annotations

import httpx
import pytest
from google.api_core.exceptions import BadRequest
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
