"""Google's Pub/Sub emulator as a process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from infra.local.services.process import ServerProcess
from infra.local.services.pubsub import emulator_command, find_emulator
from spark_jobs.store.java import find_java
from tests.free_port import free_port


@contextmanager
def running_emulator(port: int | None = None) -> Iterator[str]:
    """Yields its address, host:port. Without gcloud's emulator, the test is skipped."""
    found = find_emulator()
    if found is None:
        pytest.skip("gcloud's Pub/Sub emulator isn't installed here")
    port = port or free_port()
    with ServerProcess(emulator_command(found, find_java().home, port), ready_prefix="INFO: Server started"):
        yield f"127.0.0.1:{port}"
