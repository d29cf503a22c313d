"""Resumable uploads: in chunks, of unknown size, interrupted, repeated, across a server crash, cancelled."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import storage

from infra.local.services.process import ServerProcess
from tests.storage_fixtures import client_for, storage_process

pytestmark = pytest.mark.servers

KIB = 1024
DATA = os.urandom(1_000_000)


def begin(server: ServerProcess, bucket: storage.Bucket, name: str = "x", **query: Any) -> str:
    answer = httpx.post(
        f"{server.url}/upload/storage/v1/b/{bucket.name}/o",
        params={"uploadType": "resumable", "name": name, **query},
        json={"metadata": {"k": "v"}, "contentType": "text/csv"},
    )
    assert answer.status_code == 200
    return answer.headers["location"]


def send(url: str, start: int, data: bytes, total: int | str) -> httpx.Response:
    return httpx.put(url, content=data, headers={"Content-Range": f"bytes {start}-{start + len(data) - 1}/{total}"})


def ask(url: str, total: int | str = "*") -> httpx.Response:
    return httpx.put(url, headers={"Content-Range": f"bytes */{total}"})


def test_chunks_status_queries_and_completion(storage_server: ServerProcess, bucket: storage.Bucket) -> None:
    url = begin(storage_server, bucket)
    first = ask(url)
    assert first.status_code == 308
    assert "range" not in first.headers
    answer = send(url, 0, DATA[: 256 * KIB], "*")
    assert (answer.status_code, answer.headers["range"]) == (308, f"bytes=0-{256 * KIB - 1}")
    assert ask(url, len(DATA)).headers["range"] == f"bytes=0-{256 * KIB - 1}"
    again = send(url, 0, DATA[: 512 * KIB], "*")
    assert again.headers["range"] == f"bytes=0-{512 * KIB - 1}", "bytes that are already stored are skipped"
    assert send(url, 600 * KIB, DATA[600 * KIB :], len(DATA)).status_code == 503, "a gap"
    assert bucket.get_blob("x") is None
    done = send(url, 512 * KIB, DATA[512 * KIB :], len(DATA))
    assert done.status_code == 200
    blob = bucket.get_blob("x")
    assert (blob.metadata, blob.content_type) == ({"k": "v"}, "text/csv")
    assert blob.download_as_bytes() == DATA
    repeated = ask(url, len(DATA))
    assert repeated.json()["generation"] == done.json()["generation"], "the client may have missed the response"


def test_a_client_that_asks_for_200_instead_of_308_gets_it(storage_server: ServerProcess, bucket: storage.Bucket) -> None:
    answer = httpx.put(begin(storage_server, bucket), headers={"Content-Range": "bytes */*", "X-GUploader-No-308": "yes"})
    assert (answer.status_code, answer.headers["x-http-status-code-override"]) == (200, "308")


def test_the_official_client_in_chunks_of_unknown_total(bucket: storage.Bucket) -> None:
    class Stream(io.BytesIO):
        def seekable(self) -> bool:
            return False

    bucket.blob("x", chunk_size=256 * KIB).upload_from_file(Stream(DATA))
    assert bucket.blob("x").download_as_bytes() == DATA
    with bucket.blob("y").open("wb", chunk_size=256 * KIB) as file:
        file.write(DATA)
    assert bucket.blob("y").download_as_bytes() == DATA
    bucket.blob("z", chunk_size=256 * KIB).upload_from_file(io.BytesIO(b""), size=0)
    assert bucket.blob("z").download_as_bytes() == b""


@pytest.mark.parametrize("fault", [{"action": "status", "status": 503}, {"action": "reset"}])
@pytest.mark.parametrize("phase", ["before", "after"])
def test_the_official_client_retries_after_faults(
    storage_server: ServerProcess, bucket: storage.Bucket, fault: dict[str, object], phase: str
) -> None:
    """Also if the server handled the request and only its response was lost."""
    rule = {"method": "PUT", "path_regex": f"/upload/.*{bucket.name}.*upload_id", "times": 1, "phase": phase, **fault}
    httpx.post(f"{storage_server.url}/_local/faults", json=rule).raise_for_status()
    bucket.blob("x", chunk_size=256 * KIB).upload_from_file(io.BytesIO(DATA), size=len(DATA))
    assert bucket.blob("x").download_as_bytes() == DATA


def test_bytes_that_arrive_before_a_disconnect_are_kept(storage_server: ServerProcess, bucket: storage.Bucket) -> None:
    url = begin(storage_server, bucket)

    def broken() -> object:
        yield DATA[: 400 * KIB]
        raise ConnectionError("the sender died")

    with pytest.raises(ConnectionError):
        httpx.put(
            url,
            content=broken(),  # type: ignore[arg-type]
            headers={"Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}", "Content-Length": str(len(DATA))},
        )
    arrived = int(ask(url).headers["range"].split("-")[1]) + 1
    assert 0 < arrived <= 400 * KIB
    assert send(url, arrived, DATA[arrived:], len(DATA)).status_code == 200
    assert bucket.blob("x").download_as_bytes() == DATA


def test_a_session_survives_kill_9(tmp_path: Path) -> None:
    """After the restart, the session continues where its bytes end, with correct checksums."""
    server = storage_process(tmp_path, "--bucket", "orders-data")
    with server:
        bucket = client_for(server.url).bucket("orders-data")
        url = begin(server, bucket, ifGenerationMatch=0)
        send(url, 0, DATA[: 300 * KIB], len(DATA))
        server.kill()
        old = server.url
        server.start()
        url = url.replace(old, server.url)
        bucket = client_for(server.url).bucket("orders-data")
        assert ask(url).headers["range"] == f"bytes=0-{300 * KIB - 1}"
        assert bucket.get_blob("x") is None
        assert send(url, 300 * KIB, DATA[300 * KIB :], len(DATA)).status_code == 200
        server.kill()
        server.start()
        blob = client_for(server.url).bucket("orders-data").get_blob("x")
        assert blob.download_as_bytes() == DATA


def test_cancelled_unknown_and_invalid_requests(storage_server: ServerProcess, bucket: storage.Bucket) -> None:
    url = begin(storage_server, bucket)
    send(url, 0, DATA[: 256 * KIB], "*")
    assert httpx.delete(url).status_code == 499
    assert ask(url).status_code == 410
    assert httpx.put(url + "x", content=b"1").status_code == 404
    url = begin(storage_server, bucket)
    assert httpx.put(url, content=b"1", headers={"Content-Range": "bytes nonsense"}).status_code == 400
    assert send(url, 0, b"12345", 3).status_code == 400
    assert bucket.get_blob("x") is None


def test_a_wrong_checksum_is_refused(storage_server: ServerProcess, bucket: storage.Bucket) -> None:
    """Checksums are validated, no matter how the client sends them."""
    url = begin(storage_server, bucket)
    answer = httpx.put(url, content=b"data", headers={"X-Goog-Hash": "crc32c=AAAAAA=="})
    assert answer.status_code == 400
    assert "CRC32C" in answer.json()["error"]["message"]
    blob = bucket.blob("x")
    blob.md5_hash = "AAAAAAAAAAAAAAAAAAAAAA=="
    with pytest.raises(BadRequest, match="MD5"):
        blob.upload_from_string("data")
    upload = f"{storage_server.url}/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=x"
    assert httpx.post(upload, content=b"1", headers={"x-goog-hash": "md5=AAAAAAAAAAAAAAAAAAAAAA=="}).status_code == 400
    assert bucket.get_blob("x") is None
    blob = bucket.blob("fine")
    blob.upload_from_string(DATA, checksum="crc32c")
    assert blob.download_as_bytes(checksum="crc32c") == DATA
