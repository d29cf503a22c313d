"""Metadata: what patch and update change, what copies carry along, what is refused."""

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


def test_patch_changes_what_it_names(blob: storage.Blob) -> None:
    """A null removes one key; generation and contents stay; metageneration and `updated` go up."""
    before = dict(blob._properties)
    blob.metadata = {"a": None, "c": "3"}
    blob.patch()
    assert blob.metadata == {"b": "2", "c": "3"}
    assert (blob.content_type, blob.cache_control) == ("text/csv", "no-store")
    assert (blob.metageneration, str(blob.generation)) == (2, before["generation"])
    assert blob._properties["updated"] >= before["updated"]
    assert blob._properties["etag"] != before["etag"]
    assert blob._properties["timeCreated"] == before["timeCreated"]


def test_update_replaces_all_of_it(storage_server: ServerProcess, blob: storage.Blob) -> None:
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


@pytest.mark.parametrize("verb", ["copy", "rewrite", "move"])
def test_copies_carry_metadata_along(bucket: storage.Bucket, blob: storage.Blob, verb: str) -> None:
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
def test_a_body_with_metadata_is_the_whole_new_metadata(
    storage_server: ServerProcess, bucket: storage.Bucket, blob: storage.Blob, verb: str
) -> None:
    url = f"{storage_server.url}/storage/v1{blob.path}/{verb}/b/{bucket.name}/o/made"
    httpx.post(url, json={"contentType": "a/b", "metadata": {"z": "26"}}).raise_for_status()
    made = bucket.get_blob("made")
    assert (made.metadata, made.content_type, made.cache_control) == ({"z": "26"}, "a/b", None)
    assert bucket.get_blob("source").metadata == {"a": "1", "b": "2"}


def test_between_buckets(storage_client: storage.Client, bucket: storage.Bucket, blob: storage.Blob) -> None:
    other = storage_client.create_bucket(bucket.name + "-2")
    bucket.copy_blob(blob, other, "made")
    blob.delete()
    assert other.blob("made").download_as_bytes() == b"x"


def test_compose_takes_nothing_along(bucket: storage.Bucket, blob: storage.Blob) -> None:
    made = bucket.blob("made")
    made.compose([blob, blob])
    made.reload()
    assert made.download_as_bytes() == b"xx"
    assert made.metadata is None
    assert (made.component_count, made.md5_hash) == (2, None)
    with pytest.raises(BadRequest):
        bucket.blob("many").compose([blob] * 33)


def test_what_is_refused(storage_server: ServerProcess, bucket: storage.Bucket, blob: storage.Blob) -> None:
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


@pytest.mark.parametrize(
    ("eol", "quote", "data"),
    [(b"\r\n", '"', b"--x\r\n-\r\n--x"), (b"\n", "'", b"a\r"), (b"\n", "", b"\n\n"), (b"\r\n", "", b"")],
)
def test_multipart_as_different_clients_write_it(
    storage_server: ServerProcess, bucket: storage.Bucket, eol: bytes, quote: str, data: bytes
) -> None:
    """gcloud ends lines with LF and puts the boundary in single quotes; contents come through to the byte."""
    head = [b"--==xyz==", b"Content-Type: application/json", b"", b'{"name": "x"}', b"--==xyz==", b"Content-Type: a/b", b""]
    body = eol.join([*head, data, b"--==xyz==--", b""])
    for size in (1, 7, len(body)):
        pieces = (body[at : at + size] for at in range(0, len(body), size))
        httpx.post(
            f"{storage_server.url}/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart",
            content=pieces,
            headers={"Content-Type": f"multipart/related; boundary={quote}==xyz=={quote}"},
        ).raise_for_status()
        blob = bucket.get_blob("x")
        assert (blob.download_as_bytes(), blob.content_type) == (data, "a/b")


def test_a_body_that_ends_too_soon_makes_nothing(storage_server: ServerProcess, bucket: storage.Bucket) -> None:
    answer = httpx.post(
        f"{storage_server.url}/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart",
        content=b'--x\r\n\r\n{"name": "x"}\r\n--x\r\n\r\nhalf',
        headers={"Content-Type": "multipart/related; boundary=x"},
    )
    assert answer.status_code == 400
    assert bucket.get_blob("x") is None


def test_batches(storage_client: storage.Client, bucket: storage.Bucket) -> None:
    for number in range(5):
        bucket.blob(f"n {number}%").upload_from_string("x")
    with storage_client.batch():
        for number in range(5):
            bucket.delete_blob(f"n {number}%")
    assert list(bucket.list_blobs()) == []
    with pytest.raises(Exception, match="No such object"), storage_client.batch():
        bucket.delete_blob("absent")
