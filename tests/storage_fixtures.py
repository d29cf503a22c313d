"""Fixtures with a real local storage server (a pytest plugin: `pytest_plugins = ["tests.storage_fixtures"]`).

`storage_server`: one process for the session, on a free port. `storage_client`: Google's client for it.
`bucket`: a new bucket for each test.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from infra.local.services.process import ServerProcess

ROOT = Path(__file__).resolve().parent.parent


def storage_process(data_dir: Path, *arguments: str, port: int = 0) -> ServerProcess:
    """A storage server that is not started yet: `with storage_process(tmp_path) as server: server.url`."""
    command = [sys.executable, "-m", "infra.local.storage", "--port", str(port), "--data-dir", str(data_dir)]
    return ServerProcess([*command, *arguments], cwd=ROOT, ready_timeout=30)


def client_for(url: str) -> storage.Client:
    """Google's client without credentials. It retries as it does against the real service."""
    return storage.Client(project="local", credentials=AnonymousCredentials(), client_options={"api_endpoint": url})


@pytest.fixture(scope="session")
def storage_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with storage_process(tmp_path_factory.mktemp("storage")) as server:
        yield server


@pytest.fixture(scope="session")
def storage_client(storage_server: ServerProcess) -> storage.Client:
    return client_for(storage_server.url)


@pytest.fixture
def bucket(storage_client: storage.Client) -> storage.Bucket:
    return storage_client.create_bucket(f"test-{secrets.token_hex(8)}")
