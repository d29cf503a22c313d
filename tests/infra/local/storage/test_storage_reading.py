"""Reading: media, headers, ranges, checksums, listings in pages."""

from __future__ import annotations

import base64
import hashlib

import google_crc32c
import httpx
import pytest
from google.cloud import storage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.local.services.process import ServerProcess

pytestmark = pytest.mark.servers

DATA = bytes(range(256)) * 10_000


def test_checksums_and_headers(storage_server: ServerProcess, bucket: storage.Bucket) -> None:
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
def test_ranges(bucket: storage.Bucket, header: str, expected: bytes) -> None:
    blob = bucket.blob("x")
    blob.upload_from_string(DATA)
    answer = httpx.get(blob.media_link, headers={"Range": header})
    assert (answer.status_code, answer.content) == (206, expected)
    start = int(answer.headers["content-range"].split()[1].split("-")[0])
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(expected) - 1}/{len(DATA)}"


def test_ranges_of_nothing_and_no_ranges(bucket: storage.Bucket) -> None:
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


NAMES = st.text(st.sampled_from("ab/é\U0010ffff"), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.sets(NAMES, max_size=10),
    prefix=st.sampled_from(["", "a", "a/", "/", "b"]),
    delimiter=st.sampled_from(["", "/", "a", "b/"]),
    page=st.integers(1, 4),
    offsets=st.tuples(st.sampled_from(["", "a/", "b"]), st.sampled_from(["", "b", "é"])),
    trailing=st.booleans(),
)
def test_listing_agrees_with_a_plain_reading(
    bucket: storage.Bucket,
    names: set[str],
    prefix: str,
    delimiter: str,
    page: int,
    offsets: tuple[str, str],
    trailing: bool,
) -> None:
    """Whatever the page size, all pages together are what the definition says, in name order, each page in bounds."""
    for present in {blob.name for blob in bucket.list_blobs()} ^ names:
        if present in names:
            bucket.blob(present).upload_from_string(b"")
        else:
            bucket.blob(present).delete()
    listed = bucket.list_blobs(
        prefix=prefix,
        delimiter=delimiter or None,
        page_size=page,
        start_offset=offsets[0] or None,
        end_offset=offsets[1] or None,
        include_trailing_delimiter=trailing,
    )
    items: list[str] = []
    for found in listed.pages:
        batch = [blob.name for blob in found]
        assert len(batch) <= page
        items += batch
    assert (items, listed.prefixes) == _expected(names, prefix, delimiter, offsets, trailing)


def _expected(
    names: set[str], prefix: str, delimiter: str, offsets: tuple[str, str], trailing: bool
) -> tuple[list[str], set[str]]:
    items, prefixes = [], set()
    for name in sorted(names):
        if not name.startswith(prefix) or name < offsets[0] or (offsets[1] and name >= offsets[1]):
            continue
        rest = name[len(prefix) :]
        if delimiter and delimiter in rest:
            common = prefix + rest.split(delimiter)[0] + delimiter
            prefixes.add(common)
            if not (trailing and name == common):
                continue
        items.append(name)
    return items, prefixes


def test_globs_and_unknown_tokens(storage_server: ServerProcess, bucket: storage.Bucket) -> None:
    for name in ("a.csv", "b.txt", "d/a.csv", "d/e/a.csv"):
        bucket.blob(name).upload_from_string(b"")
    for glob, expected in (
        ("*.csv", ["a.csv"]),
        ("**.csv", ["a.csv", "d/a.csv", "d/e/a.csv"]),
        ("d/*/?.csv", ["d/e/a.csv"]),
        ("[ab].{csv,txt}", ["a.csv", "b.txt"]),
    ):
        assert [blob.name for blob in bucket.list_blobs(match_glob=glob)] == expected
    answer = httpx.get(f"{storage_server.url}/storage/v1/b/{bucket.name}/o", params={"pageToken": "!"})
    assert answer.status_code == 400
