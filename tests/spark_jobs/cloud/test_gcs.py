"""One suite for the FileStore port: the fake, and the real adapter with Google's client against the storage server."""

from __future__ import annotations

import gzip
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from google.cloud import storage

from infra.local.services.process import ServerProcess
from spark_jobs.cloud import gcs
from spark_jobs.cloud.gcs import GcsFileStore
from spark_jobs.cloud.ports import AccessRefused, FileRefused, FileStore, NoLogin, StoredFile, TransientError
from spark_jobs.contract.file_ids import FileId
from tests.fakes.file_store import FakeFileStore
from tests.free_port import free_port

NAME = "source/order_tracking_2026_01_31.csv"
ODD = "source/a b/%2F#?é'\"&=+;.csv"


class Bucket(Protocol):
    """A bucket to test with: the port, and what senders do with the bucket."""

    name: str
    store: FileStore

    def upload(self, name: str, content: bytes, metadata: dict[str, str] | None = None, encoding: str = "") -> FileId: ...
    def delete(self, name: str) -> None: ...
    def content(self, name: str) -> bytes: ...


@dataclass
class FakeBucket:
    fake: FakeFileStore
    name: str = "orders-data"

    @property
    def store(self) -> FileStore:
        return self.fake

    def upload(self, name: str, content: bytes, metadata: dict[str, str] | None = None, encoding: str = "") -> FileId:
        return self.fake.upload(name, content, metadata=metadata, content_encoding=encoding).file

    def delete(self, name: str) -> None:
        self.fake.delete(name)

    def content(self, name: str) -> bytes:
        return self.fake.content(name)


@dataclass
class RealBucket:
    bucket: storage.Bucket
    store: FileStore

    @property
    def name(self) -> str:
        return str(self.bucket.name)

    def upload(self, name: str, content: bytes, metadata: dict[str, str] | None = None, encoding: str = "") -> FileId:
        blob = self.bucket.blob(name)
        blob.metadata = metadata or {}
        blob.content_encoding = encoding or None
        blob.upload_from_string(content, content_type="text/csv")
        return FileId(self.name, name, int(blob.generation))

    def delete(self, name: str) -> None:
        self.bucket.blob(name).delete()

    def content(self, name: str) -> bytes:
        return bytes(self.bucket.blob(name).download_as_bytes())


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.servers)])
def place(request: pytest.FixtureRequest) -> Bucket:
    if request.param == "fake":
        return FakeBucket(FakeFileStore(now=lambda: datetime.now(UTC)))
    bucket = request.getfixturevalue("bucket")
    return RealBucket(bucket, GcsFileStore(bucket.client))


def known(place: Bucket, name: str = NAME) -> StoredFile:
    stored = place.store.stat(place.name, name)
    assert stored is not None
    return stored


@pytest.mark.parametrize("name", [NAME, ODD])
def test_stat_returns_the_live_generation_with_its_size_creation_and_metadata(place: Bucket, name: str) -> None:
    file = place.upload(name, b"abc", {"carrier": "dhl"})
    stored = known(place, name)
    assert (stored.file, stored.metageneration, stored.size) == (file, 1, 3)
    assert dict(stored.metadata) == {"carrier": "dhl"}
    assert abs(datetime.now(UTC) - stored.created) < timedelta(minutes=1)


def test_stat_returns_none_if_there_is_no_object(place: Bucket) -> None:
    assert place.store.stat(place.name, NAME) is None


def test_listing_returns_the_objects_under_a_prefix_ordered_by_name(place: Bucket) -> None:
    for name in ("source/b", "source/a", "archive/c", "source/c/d"):
        place.upload(name, b"x")
    assert [s.file.name for s in place.store.list_files(place.name, "source/")] == ["source/a", "source/b", "source/c/d"]
    assert list(place.store.list_files(place.name, "nothing/")) == []


@pytest.mark.parametrize("name", [NAME, ODD])
def test_reading_returns_exactly_the_requested_generation(place: Bucket, name: str) -> None:
    first = place.upload(name, b"first")
    with place.store.open_file(first) as stream:
        assert stream is not None
        assert stream.read(2) + stream.read(100) + stream.read(100) == b"first"
    second = place.upload(name, b"second")
    with place.store.open_file(first) as stream:
        assert stream is None
    with place.store.open_file(second) as stream:
        assert stream is not None
        assert stream.read() == b"second"


def test_a_content_encoding_is_seen_by_stat_and_listing_and_stays_after_a_move(place: Bucket) -> None:
    file = place.upload(NAME, gzip.compress(b"abc"), encoding="gzip")
    place.upload("source/plain.csv", b"abc")
    assert known(place).content_encoding == "gzip"
    assert known(place, "source/plain.csv").content_encoding == ""
    assert [s.content_encoding for s in place.store.list_files(place.name, "source/")] == ["gzip", ""]
    assert place.store.move(file, "rejected/x.1")
    assert known(place, "rejected/x.1").content_encoding == "gzip"


@pytest.mark.parametrize("content", [gzip.compress(b"abc" * 1000), b"not compressed"], ids=["gzip", "mislabeled"])
def test_reading_gives_the_stored_bytes_of_an_object_with_a_content_encoding(place: Bucket, content: bytes) -> None:
    file = place.upload(NAME, content, encoding="gzip")
    with place.store.open_file(file) as stream:
        assert stream is not None
        assert stream.read() == content


@pytest.mark.servers
def test_a_large_object_with_a_content_encoding_is_read_to_its_last_stored_byte(bucket: storage.Bucket) -> None:
    """Ranges count stored bytes: counting decompressed ones, the reader stopped early, and without an error."""
    content = gzip.compress(random.Random(1).randbytes(9 * 1024 * 1024), compresslevel=1)
    assert len(content) > gcs.READ_CHUNK_BYTES
    real = RealBucket(bucket, GcsFileStore(bucket.client))
    file = real.upload(NAME, content, encoding="gzip")
    with real.store.open_file(file) as stream:
        assert stream is not None
        assert stream.read() == content


@pytest.mark.servers
@pytest.mark.parametrize("size", [9, 11])
def test_a_stream_that_does_not_have_the_objects_size_is_an_error(
    bucket: storage.Bucket, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    real = RealBucket(bucket, GcsFileStore(bucket.client))
    file = real.upload(NAME, b"0123456789")
    monkeypatch.setattr(storage.Blob, "size", size)
    with real.store.open_file(file) as stream:
        assert stream is not None
        with pytest.raises(TransientError, match="10 bytes were read of an object of"):
            stream.read()


@pytest.mark.parametrize("name", [NAME, ODD])
def test_a_range_of_a_file_is_that_of_exactly_its_generation(place: Bucket, name: str) -> None:
    first = place.upload(name, b"first")
    assert place.store.read_range(first, 0, 2) == b"fi"
    assert place.store.read_range(first, 0, 100) == b"first"
    assert place.store.read_range(first, 1, 2) == b"ir"
    assert place.store.read_range(first, -1, 1) == b"t"
    second = place.upload(name, b"second")
    assert place.store.read_range(first, 0, 2) is None
    assert place.store.read_range(second, 0, 2) == b"se"
    place.delete(name)
    assert place.store.read_range(second, 0, 2) is None


def test_a_range_of_an_empty_file_is_empty(place: Bucket) -> None:
    assert place.store.read_range(place.upload(NAME, b""), 0, 100) == b""


def test_a_move_never_replaces_another_object(place: Bucket) -> None:
    file = place.upload(NAME, b"new")
    place.upload("archive/x.1.csv", b"old")
    with pytest.raises(FileRefused, match="already at archive"):
        place.store.move(file, "archive/x.1.csv")
    assert place.store.read_range(file, 0, 3) == b"new"
    assert place.store.read_range(known(place, "archive/x.1.csv").file, 0, 3) == b"old"


def test_annotate_adds_metadata_and_increases_the_metageneration(place: Bucket) -> None:
    place.upload(NAME, b"x", {"carrier": "dhl"})
    before = known(place)
    assert place.store.annotate(before, {"mark": "1"})
    after = known(place)
    assert dict(after.metadata) == {"carrier": "dhl", "mark": "1"}
    assert after.metageneration == before.metageneration + 1
    assert after.file == before.file


def test_annotate_fails_if_the_metadata_changed_in_the_meantime(place: Bucket) -> None:
    place.upload(NAME, b"x")
    before = known(place)
    assert place.store.annotate(before, {"other": "1"})
    assert not place.store.annotate(before, {"mark": "1"})
    assert "mark" not in known(place).metadata


def test_annotate_fails_for_another_generation_and_for_a_deleted_object(place: Bucket) -> None:
    place.upload(NAME, b"x")
    before = known(place)
    place.upload(NAME, b"y")
    assert not place.store.annotate(before, {"mark": "1"})
    assert dict(known(place).metadata) == {}
    place.delete(NAME)
    assert not place.store.annotate(before, {"mark": "1"})


def test_write_creates_and_replaces(place: Bucket) -> None:
    place.store.write(place.name, "rejected/r.json", b"{}", "application/json")
    place.store.write(place.name, "rejected/r.json", b"[]", "application/json")
    assert place.content("rejected/r.json") == b"[]"


@pytest.mark.parametrize("name", [NAME, ODD])
def test_move_keeps_content_and_metadata_and_leaves_nothing_behind(place: Bucket, name: str) -> None:
    file = place.upload(name, b"abc", {"carrier": "dhl"})
    assert place.store.move(file, "archive/x.1.csv")
    assert place.store.stat(place.name, name) is None
    moved = known(place, "archive/x.1.csv")
    assert dict(moved.metadata) == {"carrier": "dhl"}
    assert moved.file.generation != file.generation
    assert place.content("archive/x.1.csv") == b"abc"


def test_move_is_idempotent(place: Bucket) -> None:
    file = place.upload(NAME, b"abc")
    assert place.store.move(file, "archive/x.1.csv")
    assert place.store.move(file, "archive/x.1.csv")


def test_move_never_moves_a_newer_generation(place: Bucket) -> None:
    first = place.upload(NAME, b"first")
    place.upload(NAME, b"second")
    assert not place.store.move(first, "archive/x.1.csv")
    assert place.content(NAME) == b"second"
    assert place.store.stat(place.name, "archive/x.1.csv") is None


def test_copy_creates_a_new_object_with_only_the_given_metadata(place: Bucket) -> None:
    file = place.upload("archive/x.1.csv", b"abc", {"mark": "old"})
    copied = place.store.copy(file, NAME, {"arrival": "2026"})
    assert copied == known(place).file
    assert dict(known(place).metadata) == {"arrival": "2026"}
    assert place.content(NAME) == place.content("archive/x.1.csv") == b"abc"


def test_copy_never_replaces_an_object(place: Bucket) -> None:
    file = place.upload("archive/x.1.csv", b"old")
    place.upload(NAME, b"new")
    assert not place.store.copy(file, NAME, {})
    assert place.content(NAME) == b"new"


def test_copy_of_a_missing_generation_does_nothing(place: Bucket) -> None:
    file = place.upload("archive/x.1.csv", b"old")
    place.upload("archive/x.1.csv", b"newer")
    assert not place.store.copy(file, NAME, {})
    assert place.store.stat(place.name, NAME) is None


def test_without_a_login_the_first_call_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    store = GcsFileStore.connect()
    with pytest.raises(NoLogin, match="default credentials were not found"):
        store.stat("b", NAME)
    with pytest.raises(NoLogin), store.open_file(FileId("b", NAME, 1)):
        pass


def test_a_caller_who_waits_can_shorten_the_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(TransientError, match=r"Timeout of 0\.1s exceeded"):
        GcsFileStore.connect(retry_seconds=0.1).stat("b", NAME)


@pytest.fixture
def short_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries are limited to what a test can wait for."""
    monkeypatch.setitem(gcs._CALL, "retry", gcs.DEFAULT_RETRY.with_timeout(2.0).with_delay(0.05, 0.2, 2.0))
    monkeypatch.setitem(gcs._CALL, "timeout", (1.0, 1.0))


def fault(server: ServerProcess, **order: Any) -> None:
    httpx.post(f"{server.url}/_local/faults", json=order).raise_for_status()


@pytest.mark.servers
@pytest.mark.usefixtures("short_retries")
class TestOutages:
    """The real adapter against a server with injected faults."""

    @pytest.fixture
    def real(self, bucket: storage.Bucket, storage_server: ServerProcess) -> Any:
        yield RealBucket(bucket, GcsFileStore(bucket.client))
        httpx.delete(f"{storage_server.url}/_local/faults").raise_for_status()

    @pytest.mark.parametrize(
        "order", [{"action": "status", "status": 503}, {"action": "status", "status": 429}, {"action": "reset"}]
    )
    def test_a_short_outage_is_retried(self, real: RealBucket, storage_server: ServerProcess, order: Any) -> None:
        file = real.upload(NAME, b"abc")
        fault(storage_server, times=2, path_regex=".*/o.*", **order)
        assert known(real).file == file

    @pytest.mark.parametrize(
        "order", [{"action": "status", "status": 503}, {"action": "reset"}, {"action": "hang", "seconds": 30}]
    )
    def test_a_long_outage_is_a_transient_error(self, real: RealBucket, storage_server: ServerProcess, order: Any) -> None:
        real.upload(NAME, b"abc")
        fault(storage_server, times=1000, path_regex=".*/o.*", **order)
        with pytest.raises(TransientError):
            real.store.stat(real.name, NAME)

    @pytest.mark.parametrize(("status", "expected"), [(401, NoLogin), (403, AccessRefused)])
    def test_a_refused_login_is_told_apart_from_an_outage(
        self, real: RealBucket, storage_server: ServerProcess, status: int, expected: type[TransientError]
    ) -> None:
        fault(storage_server, times=1, path_regex=".*/o.*", action="status", status=status)
        with pytest.raises(expected):
            list(real.store.list_files(real.name, "source/"))

    def test_a_move_whose_response_was_lost_counts_as_done(self, real: RealBucket, storage_server: ServerProcess) -> None:
        file = real.upload(NAME, b"abc")
        real.store.move(file, "archive/x.1.csv")
        fault(storage_server, times=1, method="POST", path_regex=".*moveTo.*", action="status", status=503)
        assert real.store.move(file, "archive/x.1.csv")

    def test_listing_a_missing_bucket_is_a_transient_error(self, real: RealBucket) -> None:
        with pytest.raises(TransientError):
            list(real.store.list_files("no-such-bucket", "source/"))

    def test_a_name_that_the_service_refuses_is_a_permanent_error_of_the_file(self, real: RealBucket) -> None:
        file = real.upload(NAME, b"abc")
        with pytest.raises(FileRefused):
            real.store.move(file, "rejected/" + "x" * 1100)
