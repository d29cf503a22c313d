"""Range requests, the official client's chunked reads, and the headers and checksums of a download."""

from __future__ import annotations

import base64
import hashlib

import google_crc32c
import httpx
import pytest
from google.cloud import storage

from infra.local.services.process import ServerProcess

pytestmark = pytest.mark.servers


DATA = bytes(range(256)) * 10_000


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", DATA[:1]),
        ("bytes=5-9", DATA[5:10]),
        (f"bytes={len(DATA) - 1}-", DATA[-1:]),
        (f"bytes=1048570-{1 << 21}", DATA[1048570 : (1 << 21) + 1]),
        ("bytes=0-999999999", DATA),
        ("bytes=-7", DATA[-7:]),
        ("bytes=-999999999", DATA),
    ],
)
def test_a_range_returns_exactly_its_bytes(bucket: storage.Bucket, header: str, expected: bytes) -> None:
    blob = bucket.blob("x")
    blob.upload_from_string(DATA)
    answer = httpx.get(blob.media_link, headers={"Range": header})
    assert (answer.status_code, answer.content) == (206, expected)
    start = int(answer.headers["content-range"].split()[1].split("-")[0])
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(expected) - 1}/{len(DATA)}"


def test_unsatisfiable_ranges_are_416_and_invalid_ones_are_ignored(bucket: storage.Bucket) -> None:
    blob = bucket.blob("x")
    blob.upload_from_string(b"12345")
    answer = httpx.get(blob.media_link, headers={"Range": "bytes=5-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */5"
    assert answer.json()["error"]["errors"][0]["reason"] == "requestedRangeNotSatisfiable"
    for ignored in ("bytes=3-1", "lines=1-2", "bytes=0-1,3-4"):
        assert httpx.get(blob.media_link, headers={"Range": ignored}).content == b"12345"
    empty = bucket.blob("empty")
    empty.upload_from_string(b"")
    assert empty.download_as_bytes() == b""
    assert httpx.get(empty.media_link, headers={"Range": "bytes=0-"}).status_code == 416


def test_the_client_reads_in_chunks_and_by_generation(bucket: storage.Bucket) -> None:
    blob = bucket.blob("x")
    blob.upload_from_string(DATA)
    assert bucket.blob("x", chunk_size=1 << 18).download_as_bytes() == DATA
    with bucket.blob("x").open("rb", chunk_size=1 << 18) as file:
        assert file.read() == DATA
    assert bucket.blob("x", generation=blob.generation).download_as_bytes(start=10, end=19) == DATA[10:20]


def test_a_download_has_checksums_and_version_headers(storage_server: ServerProcess, bucket: storage.Bucket) -> None:
    blob = bucket.blob("data.csv")
    blob.upload_from_string(DATA, content_type="text/csv")
    assert blob.md5_hash == base64.b64encode(hashlib.md5(DATA).digest()).decode()
    assert blob.crc32c == base64.b64encode(google_crc32c.value(DATA).to_bytes(4, "big")).decode()
    answer = httpx.get(blob.media_link)
    assert answer.content == DATA
    assert answer.headers["content-type"] == "text/csv"
    assert answer.headers["x-goog-generation"] == str(blob.generation)
    assert answer.headers["x-goog-metageneration"] == "1"
    assert answer.headers["x-goog-hash"] == f"crc32c={blob.crc32c},md5={blob.md5_hash}"
    assert answer.headers["etag"] == blob.etag
