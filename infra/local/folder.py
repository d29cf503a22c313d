"""The stack's data folder: its layout, its lock, and the addresses of the stack that runs on it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

PREDECESSOR_TIMEOUT_SECONDS = 30.0
PROBE_SECONDS = 0.5


class AlreadyRunning(Exception):
    """Another stack uses this folder."""


class NotAStackFolder(Exception):
    """The folder contains other files, which must not be deleted."""


@dataclass(frozen=True)
class Addresses:
    """How to reach a running stack. Addresses are URLs, except Pub/Sub's, which is host:port as its clients expect."""

    pid: int
    console: str
    bucket: str
    storage: str
    jobs: str
    job_id: int
    function: str
    sweep_function: str
    pubsub: str | None
    outcome_topic: str | None
    outcome_subscription: str | None
    changes_topic: str | None
    """None unless changes are published."""
    warehouse: str
    logs: str


class StackFolder:
    """The paths below a data folder, and the lock that reserves the folder for one stack."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.storage = root / "storage"
        self.jobs = root / "jobs"
        self.warehouse = root / "warehouse"
        """Delta tables, one folder each."""
        self.checkpoints = root / "checkpoints"
        """What is published of the tables' changes."""
        self.logs = root / "logs"
        self.report = root / "report.html"
        """The page with all questions, which the demo writes."""
        self.children_lock = root / "servers.lock"
        """Each server of a stack holds it (shared) as long as it lives."""
        self._stack_lock = root / "stack.lock"
        self._addresses = root / "stack.json"

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Reserve the folder for one stack. The kernel releases the lock when the process dies, so it is never stale.

        Waits until the servers of a killed stack have ended. Raises AlreadyRunning.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        # Wait for a moment: a process that reads the addresses holds the lock for an instant.
        with _locked(self._stack_lock, PROBE_SECONDS) as ours:
            if not ours:
                other = self.running()
                where = f" (process {other.pid}, storage at {other.storage})" if other else ""
                raise AlreadyRunning(
                    f"a stack is already running on {self.root}{where}: use it, stop it, or choose another --data-dir"
                )
            self.withdraw()  # a killed stack may have left its addresses
            # The servers of a killed stack end a moment after it; until then, they use the ports and the data.
            with _locked(self.children_lock, PREDECESSOR_TIMEOUT_SECONDS) as ended:
                if not ended:
                    raise AlreadyRunning(
                        f"servers of an earlier stack on {self.root} are still running; look for infra.local.services.guard"
                    )
            self.logs.mkdir(exist_ok=True)
            yield

    def publish(self, addresses: Addresses) -> None:
        """Publish the stack's addresses for other commands. Atomic, so that they never read a partial file."""
        draft = self._addresses.with_suffix(".part")
        draft.write_text(json.dumps(asdict(addresses), indent=2) + "\n", "utf-8")
        draft.replace(self._addresses)

    def withdraw(self) -> None:
        self._addresses.unlink(missing_ok=True)

    def running(self) -> Addresses | None:
        """The addresses of the stack on this folder. None: no stack is running, or it is not ready yet."""
        if not self._stack_lock.is_file():
            return None
        with _locked(self._stack_lock, 0) as free:
            if free:
                return None
        try:
            return Addresses(**json.loads(self._addresses.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def wipe(self) -> None:
        """Delete all data. Keep the locks, because they show other stacks that the folder is in use. Call while `taken`."""
        folders = (self.storage, self.jobs, self.warehouse, self.checkpoints, self.logs)
        locks = (self._stack_lock, self.children_lock)
        own = {*folders, *locks, self.report, self._addresses, self._addresses.with_suffix(".part")}
        if foreign := set(self.root.iterdir()) - own:
            name = min(foreign).name
            raise NotAStackFolder(f"{self.root} contains {name!r}, not a file of the stack: nothing was deleted")
        for path in own.difference(locks):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        self.logs.mkdir()


@contextmanager
def _locked(file: Path, seconds: float) -> Iterator[bool]:
    """Whether the lock could be taken within that time. It is released at the end."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    deadline = time.monotonic() + seconds
    try:
        while not (locked := _try_lock(descriptor)) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield locked
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
