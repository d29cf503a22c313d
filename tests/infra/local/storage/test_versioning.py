"""Buckets with object versioning: which generations are kept, and how they are listed, read, deleted and restored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import httpx
import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound, PreconditionFailed
from google.cloud import storage
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from infra.local.services.process import ServerProcess

pytestmark = pytest.mark.servers


@pytest.fixture
def versioned(bucket: storage.Bucket) -> storage.Bucket:
    bucket.versioning_enabled = True
    bucket.patch()
    return bucket


def upload(bucket: storage.Bucket, name: str, data: str) -> int:
    blob = bucket.blob(name)
    blob.upload_from_string(data)
    return int(blob.generation)


def listed(bucket: storage.Bucket, **options: Any) -> list[tuple[str, int, bool]]:
    """Name, generation, and whether it is live."""
    return [(blob.name, blob.generation, blob.time_deleted is None) for blob in bucket.list_blobs(**options)]


def test_replaced_and_deleted_generations_stay_and_only_a_listing_with_versions_has_them(versioned: storage.Bucket) -> None:
    first, second = upload(versioned, "x", "1"), upload(versioned, "x", "2")
    assert listed(versioned) == [("x", second, True)]
    versioned.delete_blob("x")
    assert listed(versioned) == []
    assert versioned.get_blob("x") is None
    assert listed(versioned, versions=True) == [("x", first, False), ("x", second, False)]

    old = versioned.get_blob("x", generation=first)
    assert old.time_created < old.time_deleted
    assert old.download_as_bytes() == b"1"
    assert versioned.blob("x", generation=second).download_as_bytes(start=0, end=0) == b"2"
    assert httpx.get(old.media_link).headers["x-goog-generation"] == str(first)


def test_a_noncurrent_generation_is_restored_by_copy_and_by_rewrite(versioned: storage.Bucket) -> None:
    first = upload(versioned, "x", "1")
    blob = versioned.blob("x")
    blob.metadata = {"a": "1"}
    blob.patch()
    second = upload(versioned, "x", "2")

    restored = versioned.copy_blob(versioned.blob("x"), versioned, source_generation=first)
    assert restored.generation > second
    assert versioned.blob("x").download_as_bytes() == b"1"
    live = versioned.get_blob("x")
    assert (live.metadata, live.metageneration, live.time_deleted) == ({"a": "1"}, 1, None)

    target = versioned.blob("y")
    target.rewrite(versioned.blob("x", generation=second))
    assert target.download_as_bytes() == b"2"
    generations = [(first, False), (second, False), (restored.generation, True)]
    assert listed(versioned, versions=True, prefix="x") == [("x", *generation) for generation in generations]


def test_a_deletion_that_names_the_generation_is_permanent(versioned: storage.Bucket) -> None:
    first, second = upload(versioned, "x", "1"), upload(versioned, "x", "2")
    versioned.delete_blob("x", generation=second)
    assert listed(versioned, versions=True) == [("x", first, False)], "the older one does not become live"
    versioned.delete_blob("x", generation=first)
    assert listed(versioned, versions=True) == []
    for generation in (first, second):
        with pytest.raises(NotFound):
            versioned.delete_blob("x", generation=generation)
        with pytest.raises(NotFound):
            versioned.blob("x", generation=generation).download_as_bytes()


def test_every_way_to_create_or_remove_an_object_keeps_the_replaced_generation(versioned: storage.Bucket) -> None:
    source = upload(versioned, "source", "new")
    kept = []
    for name in ("upload", "resumable", "copy", "rewrite", "compose", "move"):
        kept.append((name, upload(versioned, name, "old"), False))
    blob = versioned.blob("source")
    upload(versioned, "upload", "new")
    with versioned.blob("resumable", chunk_size=256 * 1024).open("wb") as file:
        file.write(b"new")
    versioned.copy_blob(blob, versioned, "copy")
    versioned.blob("rewrite").rewrite(blob)
    versioned.blob("compose").compose([blob])
    versioned.move_blob(blob, "move")

    noncurrent = [found for found in listed(versioned, versions=True) if not found[2]]
    assert noncurrent == sorted([*kept, ("source", source, False)])
    for name, generation, _ in kept:
        assert versioned.blob(name).download_as_bytes() == b"new"
        assert versioned.blob(name, generation=generation).download_as_bytes() == b"old"


def test_the_metadata_of_a_noncurrent_generation_can_be_changed(versioned: storage.Bucket) -> None:
    first, second = upload(versioned, "x", "1"), upload(versioned, "x", "2")
    old = versioned.get_blob("x", generation=first)
    deleted = old.time_deleted
    old.metadata = {"a": "1"}
    old.patch(if_metageneration_match=1)
    assert (old.metageneration, old.generation, old.time_deleted) == (2, first, deleted)
    assert versioned.get_blob("x").metadata is None
    assert listed(versioned) == [("x", second, True)]
    with pytest.raises(PreconditionFailed):
        versioned.blob("x", generation=first).reload(if_metageneration_match=1)


def test_generation_conditions_are_about_the_live_generation(
    storage_server: ServerProcess, versioned: storage.Bucket
) -> None:
    first = upload(versioned, "x", "1")
    versioned.delete_blob("x")
    second = versioned.blob("x")
    second.upload_from_string("2", if_generation_match=0)  # a noncurrent generation is no object
    with pytest.raises(PreconditionFailed):
        versioned.blob("x").upload_from_string("3", if_generation_match=first)
    url = f"{storage_server.url}/storage/v1/b/{versioned.name}/o/x"
    for live, status in ((second.generation, 200), (first, 412), (0, 412)):
        assert httpx.get(url, params={"generation": first, "ifGenerationMatch": live}).status_code == status
    assert httpx.delete(url, params={"generation": first, "ifGenerationMatch": 0}).status_code == 412
    with pytest.raises(PreconditionFailed):
        versioned.copy_blob(second, versioned, "y", source_generation=first, if_source_generation_match=first)
    assert listed(versioned, versions=True) == [("x", first, False), ("x", second.generation, True)]


def test_disabling_keeps_what_there_is_and_keeps_no_more(versioned: storage.Bucket) -> None:
    first = upload(versioned, "x", "1")
    upload(versioned, "x", "2")
    versioned.versioning_enabled = False
    versioned.patch()
    assert not versioned.client.get_bucket(versioned.name).versioning_enabled
    third = upload(versioned, "x", "3")
    second_is_gone = [("x", first, False), ("x", third, True)]
    assert [found for found in listed(versioned, versions=True) if found in second_is_gone] == second_is_gone
    versioned.delete_blob("x")
    assert ("x", third, True) not in listed(versioned, versions=True)
    assert ("x", third, False) not in listed(versioned, versions=True)
    assert versioned.blob("x", generation=first).download_as_bytes() == b"1"


def test_a_bucket_with_only_noncurrent_generations_is_not_empty(versioned: storage.Bucket) -> None:
    upload(versioned, "x", "1")
    versioned.delete_blob("x")
    assert list(versioned.list_blobs()) == []
    with pytest.raises(Conflict, match="not empty"):
        versioned.delete()
    versioned.delete(force=True)  # the client deletes all generations first
    assert not versioned.exists()


def test_pages_and_prefixes_of_a_listing_with_versions(versioned: storage.Bucket) -> None:
    generations = {name: [upload(versioned, name, str(n)) for n in range(3)] for name in ("a/x", "a/y", "b")}
    versioned.delete_blob("b")
    expected = [(name, generation) for name in sorted(generations) for generation in generations[name]]
    for page_size in (1, 2, 3, 100):
        found = versioned.list_blobs(versions=True, page_size=page_size)
        assert [(blob.name, blob.generation) for page in found.pages for blob in page] == expected
    found = versioned.list_blobs(versions=True, delimiter="/", page_size=1)
    assert [(blob.name, blob.generation) for blob in found] == [("b", generation) for generation in generations["b"]]
    assert found.prefixes == {"a/"}


def test_bucket_settings_are_patched_and_replaced(storage_server: ServerProcess, bucket: storage.Bucket) -> None:
    before = bucket.metageneration or 1
    bucket.labels = {"a": "1", "b": "2"}
    bucket.storage_class = "NEARLINE"
    bucket.patch()
    url = f"{storage_server.url}/storage/v1/b/{bucket.name}"
    patched = httpx.patch(url, json={"labels": {"a": None, "c": "3"}, "metageneration": "77"}).json()
    assert (patched["labels"], patched["storageClass"]) == ({"b": "2", "c": "3"}, "NEARLINE")
    assert int(patched["metageneration"]) == before + 2
    replaced = httpx.put(url, json={"labels": {"d": "4"}}).json()
    assert (replaced["labels"], replaced["storageClass"]) == ({"d": "4"}, "STANDARD")
    with pytest.raises(PreconditionFailed):
        bucket.patch(if_metageneration_match=1)
    with pytest.raises(BadRequest, match="versioning"):
        bucket.client._patch_resource(f"/b/{bucket.name}", {"versioning": {"enabled": "yes"}})
    with pytest.raises(NotFound):
        bucket.client.bucket("no-such-bucket").patch()


@dataclass
class Versions:
    """Contents by generation; `live` is the last one unless it was deleted."""

    contents: dict[int, bytes] = field(default_factory=dict)
    live: int | None = None


NAMES = st.sampled_from(["a", "b"])
DATA = st.binary(max_size=9)


class VersionedStorage(RuleBasedStateMachine):
    http: ClassVar[httpx.Client]
    bucket: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.names = {"a": Versions(), "b": Versions()}
        self.keeps = True
        self.enable(True)
        for item in self.http.get(self.url(), params={"versions": "true"}).json().get("items", []):
            self.http.delete(self.url(item["name"]), params={"generation": item["generation"]})

    def url(self, name: str | None = None) -> str:
        return f"/storage/v1/b/{self.bucket}/o" + (f"/{name}" if name else "")

    def made(self, name: str, answer: httpx.Response, data: bytes) -> None:
        versions = self.names[name]
        self.gone(name)
        versions.live = int(answer.raise_for_status().json()["generation"])
        versions.contents[versions.live] = data

    def gone(self, name: str) -> None:
        versions = self.names[name]
        if versions.live is not None and not self.keeps:
            del versions.contents[versions.live]
        versions.live = None

    @rule(enabled=st.booleans())
    def enable(self, enabled: bool) -> None:
        url = f"/storage/v1/b/{self.bucket}"
        self.http.patch(url, json={"versioning": {"enabled": enabled}}).raise_for_status()
        self.keeps = enabled

    @rule(name=NAMES, data=DATA)
    def upload(self, name: str, data: bytes) -> None:
        query = {"uploadType": "media", "name": name}
        self.made(name, self.http.post(f"/upload{self.url()}", params=query, content=data), data)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        status = self.http.delete(self.url(name)).status_code
        assert status == (404 if self.names[name].live is None else 204)
        self.gone(name)

    @rule(name=NAMES, which=st.integers(0, 9))
    def delete_a_generation(self, name: str, which: int) -> None:
        versions = self.names[name]
        if versions.contents:
            generation = sorted(versions.contents)[which % len(versions.contents)]
            assert self.http.delete(self.url(name), params={"generation": generation}).status_code == 204
            del versions.contents[generation]
            versions.live = None if versions.live == generation else versions.live

    @rule(name=NAMES, to=NAMES, which=st.integers(0, 9))
    def copy_a_generation(self, name: str, to: str, which: int) -> None:
        contents = self.names[name].contents
        if contents:
            generation = sorted(contents)[which % len(contents)]
            url = f"{self.url(name)}/copyTo/b/{self.bucket}/o/{to}"
            self.made(to, self.http.post(url, params={"sourceGeneration": generation}), contents[generation])

    @rule(name=NAMES)
    def move(self, name: str) -> None:
        versions, target = self.names[name], "b" if name == "a" else "a"
        if versions.live is not None:
            data = versions.contents[versions.live]
            self.made(target, self.http.post(f"{self.url(name)}/moveTo/o/{target}"), data)
            self.gone(name)

    @invariant()
    def the_same_generations(self) -> None:
        query = {"versions": "true", "maxResults": 1000}
        items = self.http.get(self.url(), params=query).json().get("items", [])
        assert [(item["name"], int(item["generation"]), "timeDeleted" not in item) for item in items] == [
            (name, generation, generation == versions.live)
            for name, versions in sorted(self.names.items())
            for generation in sorted(versions.contents)
        ]
        live = self.http.get(self.url()).json().get("items", [])
        assert {item["name"]: int(item["generation"]) for item in live} == {
            name: versions.live for name, versions in self.names.items() if versions.live is not None
        }

    def teardown(self) -> None:
        for name, versions in self.names.items():
            for generation, data in versions.contents.items():
                query = {"alt": "media", "generation": generation}
                assert self.http.get(self.url(name), params=query).content == data


def test_any_sequence_of_changes_with_versioning(storage_server: ServerProcess, versioned: storage.Bucket) -> None:
    with httpx.Client(base_url=storage_server.url, trust_env=False) as http:
        machine = type("OnThisBucket", (VersionedStorage,), {"http": http, "bucket": versioned.name})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
