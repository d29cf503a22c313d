"""The local stack as a real process that tests start, stop and kill."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from google.cloud import storage

from infra.local.folder import Addresses, StackFolder
from infra.local.services.process import ServerProcess
from infra.local.uploads import connect

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 900.0  # the first start on a machine installs Spark
MARK = "ORDER_TRACKING_TEST_MARK"
T = TypeVar("T")


def until(what: Callable[[], T], describe: str, seconds: float = 60.0) -> T:
    """Poll until the result is true and return it; fail the test after ``seconds``."""
    end = time.monotonic() + seconds
    while not (answer := what()):
        if time.monotonic() > end:
            pytest.fail(f"not in {seconds:g} s: {describe}")
        time.sleep(0.05)
    return answer


class RunningStack:
    """`python -m infra.local up` on one folder. It can be started again after it has ended or was killed."""

    def __init__(self, data_dir: Path, *options: str) -> None:
        self.folder = StackFolder(data_dir)
        self.mark = secrets.token_hex(16)
        self._options = options
        self.process = self._process()

    def _process(self) -> ServerProcess:
        ports = [f"--{name}-port=0" for name in ("storage", "jobs", "function", "sweep", "console", "pubsub")]
        command = [sys.executable, "-m", "infra.local", "up", f"--data-dir={self.folder.root}", *ports, *self._options]
        return ServerProcess(
            command, cwd=ROOT, env={MARK: self.mark}, ready_timeout=START_SECONDS, ready_prefix="ready", stop_timeout=30
        )

    def start(self) -> RunningStack:
        self.process = self._process()
        self.process.start()
        return self

    @property
    def addresses(self) -> Addresses:
        found = self.folder.running()
        assert found, "no stack is running"
        return found

    @property
    def client(self) -> storage.Client:
        return connect(self.addresses.storage)

    @property
    def bucket(self) -> storage.Bucket:
        return self.client.bucket(self.addresses.bucket)

    def names(self, prefix: str = "") -> list[str]:
        return [blob.name for blob in self.client.list_blobs(self.addresses.bucket, prefix=prefix)]

    def events(self) -> dict[str, Any]:
        return dict(httpx.get(f"{self.addresses.storage}/_local/events").raise_for_status().json())

    def set_events(self, **settings: Any) -> None:
        httpx.put(f"{self.addresses.storage}/_local/events", json=settings).raise_for_status()

    def log(self, name: str) -> str:
        return (self.folder.logs / f"{name}.log").read_text()

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`python -m infra.local WORDS`, on this folder."""
        full = [sys.executable, "-m", "infra.local", *words, f"--data-dir={self.folder.root}"]
        return subprocess.run(full, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to `up` only."""
        os.kill(self.process.pid, number)

    def wait(self, seconds: float = 40.0) -> int:
        until(lambda: not self.process.running(), "`up` has ended", seconds)
        status = self.process.returncode()
        assert status is not None
        return status

    def stop(self) -> None:
        self.process.stop()

    def processes(self) -> dict[int, str]:
        """The live processes that this stack has started: pid -> command line (Linux)."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes()
                about = (folder / "environ").read_bytes() + command
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:  # it has just ended, or belongs to another user
                continue
            ours = self.mark.encode() in about or str(self.folder.root).encode() in about
            if ours and state != "Z" and int(folder.name) != os.getpid():
                found[int(folder.name)] = command.replace(b"\0", b" ").decode("utf-8", "replace")
        return found

    def assert_nothing_left(self, seconds: float = 20.0) -> None:
        until(lambda: not self.processes(), "no process of the stack is left", seconds)
