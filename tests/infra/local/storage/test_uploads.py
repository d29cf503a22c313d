"""Multipart uploads, as different clients write them."""

from __future__ import annotations

import httpx
import pytest
from google.cloud import storage

from infra.local.services.process import ServerProcess

pytestmark = pytest.mark.servers


@pytest.mark.parametrize(
    ("eol", "quote", "data"),
    [(b"\r\n", '"', b"--x\r\n-\r\n--x"), (b"\n", "'", b"a\r"), (b"\n", "", b"\n\n"), (b"\r\n", "", b"")],
)
def test_line_ends_and_boundary_quotes_of_different_clients_are_accepted(
    storage_server: ServerProcess, bucket: storage.Bucket, eol: bytes, quote: str, data: bytes
) -> None:
    """gcloud ends lines with LF and puts the boundary in single quotes; contents arrive unchanged."""
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


def test_an_incomplete_body_creates_no_object(storage_server: ServerProcess, bucket: storage.Bucket) -> None:
    answer = httpx.post(
        f"{storage_server.url}/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart",
        content=b'--x\r\n\r\n{"name": "x"}\r\n--x\r\n\r\nhalf',
        headers={"Content-Type": "multipart/related; boundary=x"},
    )
    assert answer.status_code == 400
    assert bucket.get_blob("x") is None


def test_a_multipart_body_that_would_take_much_memory_is_refused(
    storage_server: ServerProcess, bucket: storage.Bucket
) -> None:
    answer = httpx.post(
        f"{storage_server.url}/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart",
        content=bytes((64 << 20) + 1),
        headers={"Content-Type": "multipart/related; boundary=x"},
    )
    assert answer.status_code == 413
