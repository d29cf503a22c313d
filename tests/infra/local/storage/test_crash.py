"""kill -9 under load: objects are complete or absent, acknowledged changes are kept, and no orphaned files remain."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from pathlib import Path

import httpx
import pytest
from google.cloud import storage

from infra.local.services.process import ServerProcess
from tests.storage_fixtures import client_for, storage_process

pytestmark = pytest.mark.servers


def content(name: str, version: int) -> bytes:
    return f"{name}:{version};".encode() * (1 + version * 997 % 20_000)


class Writers:
    """Upload, overwrite and move objects until the server is gone; record what was acknowledged."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answered: dict[str, int] = {}  # name -> the last acknowledged generation
        self.unsure: set[str] = set()  # names with an unanswered request
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(4)]

    def _run(self, number: int) -> None:
        with httpx.Client(base_url=self.url, timeout=5) as http, contextlib.suppress(httpx.HTTPError):
            for version in range(10_000):
                name = f"w{number}-{version % 5}"
                self._write(http, name, version)
                if version % 3 == 0:
                    self._move(http, name, f"moved-{name}")

    def _write(self, http: httpx.Client, name: str, version: int) -> None:
        self.unsure.add(name)
        url = f"/upload/storage/v1/b/load/o?uploadType=media&name={name}"
        self.answered[name] = int(http.post(url, content=content(name, version)).json()["generation"])
        self.unsure.discard(name)

    def _move(self, http: httpx.Client, name: str, to: str) -> None:
        self.unsure |= {name, to}
        answer = http.post(f"/storage/v1/b/load/o/{name}/moveTo/o/{to}").json()
        self.answered[to] = int(answer["generation"])
        del self.answered[name]
        self.unsure -= {name, to}


def check(server: ServerProcess, writers: Writers, data_dir: Path) -> int:
    blobs: dict[str, storage.Blob] = {blob.name: blob for blob in client_for(server.url).list_blobs("load")}
    for name, blob in blobs.items():
        data = blob.download_as_bytes()  # the client compares the checksum
        origin, version = data.split(b";")[0].decode().split(":")
        assert name.removeprefix("moved-") == origin
        assert data == content(origin, int(version))
    for name, generation in writers.answered.items():
        if name not in writers.unsure:
            assert blobs[name].generation == generation
    files = {path.name for path in (data_dir / "objects").iterdir()}
    assert files == {str(blob.generation) for blob in blobs.values()}, "no orphaned and no missing files"
    assert not list((data_dir / "uploads").iterdir())
    return max(int(blob.generation) for blob in blobs.values())


def test_kill_9_under_load(tmp_path: Path) -> None:
    server = storage_process(tmp_path, "--bucket", "load")
    newest = 0
    with server:
        for pause in (0.25, 0.5, 0.4):
            writers = Writers(server.url)
            for thread in writers.threads:
                thread.start()
            while not writers.answered:  # on a busy machine the first answer takes longer than the pause
                time.sleep(0.01)
            time.sleep(pause)
            server.kill()
            for thread in writers.threads:
                thread.join()
            server.start()
            assert writers.answered
            latest = check(server, writers, tmp_path)
            assert latest > newest
            newest = latest


def test_kill_9_loses_no_generation_of_a_versioned_bucket(tmp_path: Path) -> None:
    server = storage_process(tmp_path, "--bucket", "load")
    with server:
        httpx.patch(f"{server.url}/storage/v1/b/load", json={"versioning": {"enabled": True}}).raise_for_status()
        answered: set[int] = set()
        for pause in (0.3, 0.5):
            writers = [threading.Thread(target=_replace, args=(server.url, number, answered)) for number in range(4)]
            for thread in writers:
                thread.start()
            while not answered:
                time.sleep(0.01)
            time.sleep(pause)
            server.kill()
            for thread in writers:
                thread.join()
            server.start()
            blobs = list(client_for(server.url).list_blobs("load", versions=True))
            generations = {blob.generation for blob in blobs}
            assert answered <= generations
            assert {path.name for path in (tmp_path / "objects").iterdir()} == {str(found) for found in generations}
            for name, own in itertools.groupby(blobs, key=lambda blob: blob.name):
                assert all(blob.time_deleted for blob in list(own)[:-1]), f"{name} has two live generations"
            for blob in blobs:
                assert blob.download_as_bytes() == content(blob.name, 7)


def _replace(url: str, number: int, answered: set[int]) -> None:
    """Replace and delete objects until the server is gone. A deletion without a generation loses none."""
    with httpx.Client(base_url=url, timeout=5) as http, contextlib.suppress(httpx.HTTPError):
        for version in range(10_000):
            name = f"v{number}-{version % 3}"
            query = {"uploadType": "media", "name": name}
            answer = http.post("/upload/storage/v1/b/load/o", params=query, content=content(name, 7))
            answered.add(int(answer.json()["generation"]))
            if version % 4 == 0:
                http.delete(f"/storage/v1/b/load/o/{name}").raise_for_status()
