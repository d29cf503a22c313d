"""Range requests, the official client's chunked reads, and the headers and checksums of a download."""

from __future__ import annotations

import base64
import gzip
import hashlib
from typing import Any

import google_crc32c
import httpx
import pytest
from google.auth.credentials import AnonymousCredentials
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


TEXT = b"order_id,status\n" * 100_000
GZIPPED = gzip.compress(TEXT)


def gzipped(bucket: storage.Bucket, cache_control: Any = None, data: Any = GZIPPED) -> storage.Blob:
    blob = bucket.blob("x.csv")
    blob.content_encoding = "gzip"
    blob.cache_control = cache_control
    blob.upload_from_string(data, content_type="text/csv")
    return blob


def fetch(blob: storage.Blob, **headers: str) -> tuple[httpx.Response, bytes]:
    """The response and its body as it was sent."""
    with httpx.stream("GET", blob.media_link, headers=headers) as answer:
        return answer, b"".join(answer.iter_raw())


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0", "deflate, gzip; q=0.0"])
def test_a_reader_that_does_not_accept_gzip_gets_the_whole_object_decompressed(
    bucket: storage.Bucket, accepted: str
) -> None:
    blob = gzipped(bucket)
    for requested in ({}, {"Range": "bytes=5-9"}, {"Range": "bytes=99999999-"}):
        answer, body = fetch(blob, **{"Accept-Encoding": accepted}, **requested)
        assert (answer.status_code, body) == (200, TEXT)
        absent = ("content-encoding", "content-length", "content-range", "accept-ranges")
        assert [name for name in absent if name in answer.headers] == []
        assert answer.headers["warning"] == "214 UploadServer gunzipped"
        assert answer.headers["x-guploader-response-body-transformations"] == "gunzipped"
        assert answer.headers["x-goog-stored-content-encoding"] == "gzip"
        assert answer.headers["x-goog-stored-content-length"] == str(blob.size)
        assert answer.headers["x-goog-hash"] == f"crc32c={blob.crc32c},md5={blob.md5_hash}", "of the stored bytes"
        assert answer.headers["content-type"] == "text/csv"


@pytest.mark.parametrize("accepted", ["gzip", "GZIP", "deflate, gzip;q=0.5, br"])
def test_a_reader_that_accepts_gzip_gets_the_stored_bytes(bucket: storage.Bucket, accepted: str) -> None:
    blob = gzipped(bucket)
    answer, body = fetch(blob, **{"Accept-Encoding": accepted})
    assert (answer.status_code, body) == (200, GZIPPED)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-length"] == str(blob.size)
    assert "warning" not in answer.headers
    part, some = fetch(blob, **{"Accept-Encoding": accepted, "Range": "bytes=2-9"})
    assert (part.status_code, some) == (206, body[2:10])


def test_no_transform_and_data_that_is_not_gzip_are_served_as_stored(bucket: storage.Bucket) -> None:
    for made in ({"cache_control": "public, no-transform"}, {"data": b"plain"}, {"data": b""}):
        blob = gzipped(bucket, **made)
        answer, body = fetch(blob, **{"Accept-Encoding": "identity"})
        assert answer.status_code == 200
        assert answer.headers["content-length"] == str(blob.size) == str(len(body))
        assert "warning" not in answer.headers
    plain = bucket.blob("plain")
    plain.upload_from_string(GZIPPED, content_type="application/gzip")
    assert fetch(plain, **{"Accept-Encoding": "identity"})[1] == GZIPPED, "without Content-Encoding"


def test_the_client_downloads_a_gzipped_object_in_all_ways(storage_server: ServerProcess, bucket: storage.Bucket) -> None:
    """By itself it accepts gzip, and decompresses what it gets unless the download is raw. Decompressed by the server, the
    bytes do not match the stored object's checksum, as in the real service."""
    blob = gzipped(bucket)
    assert blob.download_as_bytes() == TEXT
    assert blob.download_as_bytes(raw_download=True) == GZIPPED
    with_identity = storage.Client(
        project="local",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": storage_server.url},
        extra_headers={"accept-encoding": "identity"},
    )
    blob = with_identity.bucket(bucket.name).get_blob("x.csv")
    assert blob.download_as_bytes(checksum=None) == TEXT
    assert blob.download_as_bytes(checksum=None, start=5, end=9) == TEXT, "a range is ignored"


def test_a_damaged_gzip_object_breaks_the_connection(bucket: storage.Bucket) -> None:
    for damaged in (GZIPPED[:-9], GZIPPED[:-8] + bytes(8)):
        with pytest.raises(httpx.RemoteProtocolError):
            fetch(gzipped(bucket, data=damaged), **{"Accept-Encoding": "identity"})
    two_members = gzipped(bucket, data=gzip.compress(b"header\n") + GZIPPED)
    assert fetch(two_members, **{"Accept-Encoding": "identity"})[1] == b"header\n" + TEXT
