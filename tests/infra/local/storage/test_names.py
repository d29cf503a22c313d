"""Object names that the real service accepts are stored unchanged; all others are refused."""

from __future__ import annotations

import httpx
import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import storage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.local.services.process import ServerProcess

pytestmark = pytest.mark.servers

ODD = [
    "a/b c.csv", "100%", "%2F", "a%252Fb", "what?#x", "../up", "a/../b", "a//b", "/first", "last/", "'\"`", "ünï/日本",
    "🦆", "a+b", "a&b=c;d", "tab\there", "nul\x00", "\x7f", "x" * 1024, "é" * 512, "o", "b/o/x/moveTo/o/y", ".", "...",
    "\\back", "~", "{}[]<>|^", "\u202eabc", "copyTo", " ", "*",
]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in ODD if name != "."])
def test_unusual_names_work_in_every_operation(bucket: storage.Bucket, name: str) -> None:
    blob = bucket.blob(name)
    blob.upload_from_string(name.encode(), content_type="text/plain")
    assert bucket.get_blob(name).name == name
    assert bucket.blob(name).download_as_bytes() == name.encode()
    assert [found.name for found in bucket.list_blobs(prefix=name)] == [name]
    bucket.copy_blob(blob, bucket, "copied " + name[:500])
    composed = bucket.blob("composed " + name[:500])
    composed.compose([blob])
    moved = bucket.move_blob(blob, "moved " + name[:500])
    assert moved.download_as_bytes() == name.encode()
    back = bucket.move_blob(moved, name)
    assert back.name == name
    back.metadata = {name[:100]: name}
    back.patch()
    assert bucket.get_blob(name).metadata == {name[:100]: name}
    back.delete()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1, max_size=200))
def test_any_text_can_be_a_name(bucket: storage.Bucket, name: str) -> None:
    if name in {".", ".."}:
        return
    bucket.blob(name).upload_from_string(b"x")
    assert bucket.get_blob(name).name == name
    assert name in [found.name for found in bucket.list_blobs(prefix=name)]
    bucket.blob(name).delete()


@pytest.mark.parametrize(
    "name", ["x" * 1025, "é" * 513, "line\nbreak", "carriage\rreturn", ".well-known/acme-challenge/x", "..", "."]
)
def test_names_that_the_service_refuses_are_400(storage_server: ServerProcess, bucket: storage.Bucket, name: str) -> None:
    bucket.blob("source").upload_from_string("x")
    with pytest.raises(BadRequest):
        bucket.blob(name).upload_from_string("x")
    if name not in {".", ".."}:  # HTTP clients normalize these away
        with pytest.raises(BadRequest):
            bucket.move_blob(bucket.blob("source"), name)
        with pytest.raises(BadRequest):
            bucket.copy_blob(bucket.blob("source"), bucket, name)
    assert [found.name for found in bucket.list_blobs()] == ["source"]


def test_invalid_utf8_and_an_unencoded_slash_are_refused(storage_server: ServerProcess, bucket: storage.Bucket) -> None:
    base = f"{storage_server.url}/storage/v1/b/{bucket.name}/o"
    assert httpx.get(f"{base}/%FF%FE").status_code == 400
    answer = httpx.get(f"{base}/source/x.csv")
    assert answer.status_code == 404
    assert "%2F" in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["UPPER", "x", "has space", "-dash", "a" * 64, ""])
def test_invalid_bucket_names_are_400(storage_server: ServerProcess, name: str) -> None:
    answer = httpx.post(f"{storage_server.url}/storage/v1/b", params={"project": "p"}, json={"name": name})
    assert answer.status_code == 400
