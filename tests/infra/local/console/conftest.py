"""A console on a bucket in memory and on the tables that version 0.1.0 wrote; nothing here starts a process or Spark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from infra.local.console.app import Console, Sources
from spark_jobs.queries.delta_folder import DeltaFolder
from spark_jobs.settings import BucketLayout, IngestSettings
from tests.fakes.dependencies import BUCKET, FakeDependencies
from tests.spark_jobs.queries.conftest import folder

__all__ = ["folder"]
HOSTILE = "source/<img src=x onerror=alert(1)>\u2028`${1}`.csv"


class NoRuns:
    def latest(self, _now: object) -> list[Any]:
        return []


@dataclass
class RunningConsole:
    """``client`` sends requests as the console's own page does."""

    fake: FakeDependencies
    sources: Sources
    client: TestClient


@pytest.fixture
def console(folder: Path) -> Iterator[RunningConsole]:
    fake = FakeDependencies()
    settings = IngestSettings(BucketLayout(BUCKET), warehouse=str(folder))
    runs: Any = NoRuns()
    uploads: Any = UploadClient(fake)
    sources = Sources(settings, fake.store, DeltaFolder(str(folder)), runs, uploads, now=fake.clock)
    with TestClient(Console(sources).application(9004), base_url="http://127.0.0.1:9004") as client:
        yield RunningConsole(fake, sources, client)


@dataclass
class UploadClient:
    """As much of Google's client as an upload needs, on the fake bucket."""

    fake: FakeDependencies

    def bucket(self, _name: str) -> UploadClient:
        return self

    def blob(self, name: str) -> Any:
        return Blob(self.fake, name)


@dataclass
class Blob:
    fake: FakeDependencies
    name: str

    def upload_from_string(self, content: bytes, content_type: str) -> None:
        stored = self.fake.store.upload(self.name, content, content_type=content_type)
        self.bucket, self.generation = Named(BUCKET), stored.file.generation
        self.size, self.time_created = stored.size, stored.created


@dataclass
class Named:
    name: str
