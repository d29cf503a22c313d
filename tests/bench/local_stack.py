"""The local stack, fresh, for a benchmark: real servers, functions-framework, the built wheel in its own processes."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from infra.local.folder import StackFolder
from infra.local.services.definitions import Settings
from infra.local.services.ports import ANY_PORTS
from infra.local.services.stack import Stack
from infra.local.uploads import PREFIX, connect
from tests.bench.figures import work_folder

if TYPE_CHECKING:
    from databricks.sdk.service.jobs import BaseRun
    from google.cloud import storage


@dataclass(frozen=True)
class RunningStack:
    """A stack that is up, and a client of its bucket."""

    stack: Stack
    client: storage.Client

    @property
    def bucket(self) -> storage.Bucket:
        return self.client.bucket(self.stack.addresses.bucket)

    def in_source(self) -> int:
        return sum(1 for _ in self.client.list_blobs(self.stack.addresses.bucket, prefix=PREFIX))

    def events_under_way(self) -> int:
        with urllib.request.urlopen(f"{self.stack.addresses.storage}/_local/events", timeout=30) as answer:
            return int(json.load(answer)["pending"])

    def runs(self) -> list[BaseRun]:
        """All runs so far, oldest first."""
        from databricks.sdk import WorkspaceClient

        workspace = WorkspaceClient(host=self.stack.addresses.jobs, token="local")
        runs = workspace.jobs.list_runs(job_id=self.stack.addresses.job_id)
        return sorted(runs, key=lambda run: run.run_id or 0)

    def active(self) -> bool:
        return any(not run.end_time for run in self.runs())

    def log_of(self, run_id: int) -> str:
        return (self.stack.folder.jobs / "runs" / str(run_id) / "log.txt").read_text()

    def settled(self) -> bool:
        return not self.in_source() and not self.events_under_way() and not self.active()

    def until(self, what: Callable[[], bool], seconds: float, pause: float = 0.2) -> None:
        """Raises TimeoutError, or ServerFailed when a server ends."""
        end = time.monotonic() + seconds
        while not what():
            self.stack.check()
            if time.monotonic() > end:
                raise TimeoutError(f"not settled after {seconds:.0f} s; look into {self.stack.folder.root}")
            time.sleep(pause)


@contextmanager
def local_stack(name: str, window_seconds: int) -> Iterator[RunningStack]:
    """Fresh, on any ports, with a sweep that stays out of the way."""
    settings = Settings(window_seconds=window_seconds, sweep_every_seconds=3600, sweep_grace_seconds=3600)
    with Stack(StackFolder(work_folder(name)), settings, ANY_PORTS, fresh=True) as stack:
        yield RunningStack(stack, connect(stack.addresses.storage))


def moment_of(line: str) -> float:
    """The time at the beginning of a line of the job's log, in seconds of the epoch (UTC, as this machine's clock)."""
    return datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").astimezone(UTC).timestamp()
