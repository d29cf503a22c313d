"""Every verb with every precondition: 2xx if it holds; otherwise 304 (reads with NotMatch) or 412."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from google.api_core.exceptions import PreconditionFailed
from google.cloud import storage

from infra.local.services.process import ServerProcess

pytestmark = pytest.mark.servers

Query = dict[str, Any]


@dataclass
class Api:
    """The raw JSON API, to check exact status codes."""

    http: httpx.Client
    bucket: str

    def path(self, name: str) -> str:
        return f"/storage/v1/b/{self.bucket}/o/{quote(name, safe='')}"

    def put(self, name: str, data: bytes = b"bytes", **query: Any) -> httpx.Response:
        query = {"uploadType": "media", "name": name, **query}
        return self.http.post(f"/upload/storage/v1/b/{self.bucket}/o", params=query, content=data)

    def get(self, name: str, **query: Any) -> httpx.Response:
        return self.http.get(self.path(name), params=query)


@pytest.fixture(scope="module")
def http(storage_server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=storage_server.url, trust_env=False) as client:
        yield client


@pytest.fixture
def api(http: httpx.Client, bucket: storage.Bucket) -> Api:
    return Api(http, bucket.name)


def _resumable(api: Api, name: str, query: Query) -> httpx.Response:
    begun = api.http.post(f"/upload/storage/v1/b/{api.bucket}/o", params={"uploadType": "resumable", "name": name, **query})
    if begun.status_code != 200:
        return begun
    return api.http.put(begun.headers["location"], content=b"resumed")


def _multipart(api: Api, name: str, query: Query) -> httpx.Response:
    body = (
        b'--xx\r\nContent-Type: application/json\r\n\r\n{"name": "%s"}\r\n'
        b"--xx\r\nContent-Type: text/plain\r\n\r\nparts\r\n--xx--" % name.encode()
    )
    return api.http.post(
        f"/upload/storage/v1/b/{api.bucket}/o",
        params={"uploadType": "multipart", **query},
        content=body,
        headers={"content-type": "multipart/related; boundary=xx"},
    )


Verb = Callable[[Api, str, Query], httpx.Response]

READS: dict[str, Verb] = {
    "get": lambda api, name, query: api.get(name, **query),
    "media": lambda api, name, query: api.get(name, alt="media", **query),
    "download": lambda api, name, query: api.http.get("/download" + api.path(name), params=query),
}
CHANGES: dict[str, Verb] = {
    "patch": lambda api, name, query: api.http.patch(api.path(name), params=query, json={"metadata": {"a": "b"}}),
    "update": lambda api, name, query: api.http.put(api.path(name), params=query, json={"contentType": "a/b"}),
    "delete": lambda api, name, query: api.http.delete(api.path(name), params=query),
}
WRITES: dict[str, Verb] = {
    "upload media": lambda api, name, query: api.put(name, b"new", **query),
    "upload multipart": _multipart,
    "upload resumable": _resumable,
    "copy": lambda api, name, query: api.http.post(f"{api.path('source')}/copyTo/b/{api.bucket}/o/{name}", params=query),
    "rewrite": lambda api, name, query: api.http.post(
        f"{api.path('source')}/rewriteTo/b/{api.bucket}/o/{name}", params=query
    ),
    "move": lambda api, name, query: api.http.post(f"{api.path('source')}/moveTo/o/{name}", params=query),
    "compose": lambda api, name, query: api.http.post(
        f"{api.path(name)}/compose", params=query, json={"sourceObjects": [{"name": "source"}]}
    ),
}
ALL: dict[str, Verb] = {**READS, **CHANGES, **WRITES}
NOT_WRITES: dict[str, Verb] = {**READS, **CHANGES}
CONDITIONS = ("ifGenerationMatch", "ifGenerationNotMatch", "ifMetagenerationMatch", "ifMetagenerationNotMatch")


def _value(found: dict[str, Any], condition: str, same: bool) -> int:
    field = "metageneration" if "Meta" in condition else "generation"
    return int(found[field]) + (0 if same else 1)


@pytest.mark.parametrize(("verb", "condition"), itertools.product(ALL, CONDITIONS))
def test_conditions_on_an_existing_object(api: Api, verb: str, condition: str) -> None:
    """A failed condition changes nothing; a condition that holds has no effect."""
    call = ALL[verb]
    api.put("source", b"source")
    before = api.put("there").json()
    negative = "Not" in condition
    refused = call(api, "there", {condition: _value(before, condition, same=negative)})
    assert refused.status_code == (304 if negative and verb in READS else 412)
    if refused.status_code == 412:
        assert refused.json()["error"]["errors"][0]["reason"] == "conditionNotMet"
    assert api.get("there").json() == before
    assert api.get("source").status_code == 200
    allowed = call(api, "there", {condition: _value(before, condition, same=not negative)})
    assert allowed.status_code in {200, 204}
    if verb in WRITES:
        assert int(api.get("there").json()["generation"]) > int(before["generation"])


@pytest.mark.parametrize("verb", WRITES)
def test_generation_zero_means_that_no_object_exists(api: Api, verb: str) -> None:
    """ifGenerationMatch=0 only creates; ifGenerationNotMatch=0 only replaces."""
    api.put("source")
    assert WRITES[verb](api, "new", {"ifGenerationNotMatch": 0}).status_code == 412
    assert WRITES[verb](api, "new", {"ifMetagenerationMatch": 1}).status_code == 412
    assert WRITES[verb](api, "new", {"ifGenerationMatch": 0}).status_code == 200
    api.put("source")
    assert WRITES[verb](api, "new", {"ifGenerationMatch": 0}).status_code == 412
    assert WRITES[verb](api, "new", {"ifGenerationNotMatch": 0}).status_code == 200


@pytest.mark.parametrize("verb", NOT_WRITES)
def test_a_missing_object_is_404_with_any_condition(api: Api, verb: str) -> None:
    for condition in CONDITIONS:
        assert NOT_WRITES[verb](api, "absent", {condition: 7}).status_code == 404


@pytest.mark.parametrize("verb", NOT_WRITES)
def test_a_generation_that_is_not_live_is_404(api: Api, verb: str) -> None:
    old = api.put("there").json()["generation"]
    live = api.put("there").json()["generation"]
    assert NOT_WRITES[verb](api, "there", {"generation": old}).status_code == 404
    assert NOT_WRITES[verb](api, "there", {"generation": live}).status_code in {200, 204}


@pytest.mark.parametrize(("verb", "condition"), itertools.product(("copy", "rewrite", "move"), CONDITIONS))
def test_conditions_on_the_source_of_a_copy(api: Api, verb: str, condition: str) -> None:
    source = api.put("source").json()
    parameter = condition.replace("if", "ifSource", 1)
    negative = "Not" in condition
    wrong = {parameter: _value(source, condition, same=negative)}
    assert WRITES[verb](api, "copied", wrong).status_code == 412
    assert api.get("copied").status_code == 404
    right = {parameter: _value(source, condition, same=not negative)}
    assert WRITES[verb](api, "copied", right).status_code == 200
    assert api.get("source").status_code == (404 if verb == "move" else 200)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions_on_a_component_of_a_compose(api: Api, condition: str) -> None:
    source = api.put("source").json()
    negative = "Not" in condition
    for same, status in ((negative, 412), (not negative, 200)):
        component = {"name": "source", "objectPreconditions": {condition: str(_value(source, condition, same))}}
        body = {"sourceObjects": [component]}
        assert api.http.post(f"{api.path('made')}/compose", json=body).status_code == status


def test_a_condition_that_fails_during_a_resumable_upload_is_detected(api: Api) -> None:
    """Another writer creates the object between start and end of the upload."""
    query: Query = {"uploadType": "resumable", "name": "raced", "ifGenerationMatch": 0}
    begun = api.http.post(f"/upload/storage/v1/b/{api.bucket}/o", params=query)
    api.put("raced", b"the other")
    assert api.http.put(begun.headers["location"], content=b"mine").status_code == 412
    assert api.get("raced", alt="media").content == b"the other"


def test_a_condition_that_is_not_a_number_is_400(api: Api) -> None:
    answer = api.put("x", ifGenerationMatch="seven")
    assert answer.status_code == 400
    assert "ifGenerationMatch" in answer.json()["error"]["message"]


def test_etag_headers_work_as_conditions(api: Api) -> None:
    tag = api.put("there").json()["etag"]
    url = api.path("there")
    assert api.http.get(url, headers={"If-None-Match": tag}).status_code == 304
    assert api.http.get(url, headers={"If-Match": '"other"'}).status_code == 412
    assert api.http.get(url, headers={"If-Match": f'"{tag}"'}).status_code == 200


def test_buckets_have_metageneration_conditions(api: Api) -> None:
    url = f"/storage/v1/b/{api.bucket}"
    assert api.http.get(url, params={"ifMetagenerationMatch": 9}).status_code == 412
    assert api.http.get(url, params={"ifMetagenerationNotMatch": 1}).status_code == 304
    assert api.http.delete(url, params={"ifMetagenerationMatch": 9}).status_code == 412
    assert api.http.delete(url, params={"ifMetagenerationMatch": 1}).status_code == 204


def test_the_official_client_raises_precondition_failed(bucket: storage.Bucket) -> None:
    blob = bucket.blob("x")
    blob.upload_from_string("1", if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        bucket.blob("x").upload_from_string("2", if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        bucket.move_blob(blob, "y", if_source_generation_match=blob.generation + 1)
    with pytest.raises(PreconditionFailed):
        bucket.delete_blob("x", if_generation_match=blob.generation + 1)
    moved = bucket.move_blob(blob, "y", if_source_generation_match=blob.generation, if_generation_match=0)
    assert moved.generation > blob.generation
    assert [found.name for found in bucket.list_blobs()] == ["y"]
