"""The headers and checksums of a download."""

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
