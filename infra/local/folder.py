"""The stack's data folder: what lies where, who has it, and the addresses of the stack that runs on it."""

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

PREDECESSOR_PATIENCE_SECONDS = 30.0
PROBE_SECONDS = 0.5


class AlreadyRunning(Exception):
    """Another stack has this folder."""


class NotAStackFolder(Exception):
    """The folder holds something else, which must not be wiped."""


@dataclass(frozen=True)
class Addresses:
    """A running stack as others find it. Addresses are URLs; Pub/Sub's is host:port as its clients want it."""

    pid: int
    bucket: str
    storage: str
    jobs: str
    job_id: int
    function: str
    sweep_function: str
    pubsub: str | None
    outcome_topic: str | None
    outcome_subscription: str | None
    warehouse: str
    logs: str


@dataclass(frozen=True)
class StackFolder:
    """Paths below one data folder, which is made where it isn't there."""

    root: Path

    @property
    def storage(self) -> Path:
        return self.root / "storage"

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    @property
    def warehouse(self) -> Path:
        """Delta tables, each a folder."""
        return self.root / "warehouse"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def children_lock(self) -> Path:
        """Held (shared) by every server of a stack for as long as it lives."""
        return self.root / "servers.lock"

    @property
    def _stack_lock(self) -> Path:
        return self.root / "stack.lock"

    @property
    def _addresses(self) -> Path:
        return self.root / "stack.json"

    @contextmanager
    def taken(self) -> Iterator[None]:
        """This folder for one stack alone. The system lets go of it when we die, so nothing stale stays behind.

        Raises AlreadyRunning. Waits for servers that a killed stack has left and that are just ending.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._stack_lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            # Patient for a moment: whoever asks for the addresses has the lock in its hand for an instant.
            if not _locked_within(descriptor, PROBE_SECONDS):
                raise AlreadyRunning(self.occupant(self.running()))
            self.withdraw()  # what a killed stack has left
            self._await_predecessors()
            self.logs.mkdir(exist_ok=True)
            yield
        finally:
            os.close(descriptor)

    def publish(self, addresses: Addresses) -> None:
        """Tell other commands where the stack is; atomic, so that they never read half of it."""
        draft = self._addresses.with_suffix(".part")
        draft.write_text(json.dumps(asdict(addresses), indent=2) + "\n", "utf-8")
        draft.replace(self._addresses)

    def withdraw(self) -> None:
        self._addresses.unlink(missing_ok=True)

    def running(self) -> Addresses | None:
        """The stack that is up on this folder; None where there is none, or it isn't ready yet."""
        if not self._stack_lock.is_file() or not self._is_taken():
            return None
        try:
            return Addresses(**json.loads(self._addresses.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def wipe(self) -> None:
        """Remove all data (not the locks, by which others know that the folder is taken). Call while it is taken."""
        strangers = {path.name for path in self.root.iterdir()} - self._own_names()
        if strangers:
            raise NotAStackFolder(f"{self.root} holds {sorted(strangers)[0]!r}, which isn't the stack's: nothing was wiped")
        for path in self.root.iterdir():
            if path in (self._stack_lock, self.children_lock):
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        self.logs.mkdir()

    def _own_names(self) -> set[str]:
        folders = (self.storage, self.jobs, self.warehouse, self.logs)
        files = (self.children_lock, self._stack_lock, self._addresses, self._addresses.with_suffix(".part"))
        return {path.name for path in folders + files}

    def occupant(self, addresses: Addresses | None) -> str:
        """The sentence for somebody who wants this folder while another stack has it."""
        where = f" (process {addresses.pid}, storage at {addresses.storage})" if addresses else ""
        return f"a stack is already running on {self.root}{where}: use it, stop it, or give another --data-dir"

    def _is_taken(self) -> bool:
        descriptor = os.open(self._stack_lock, os.O_RDWR)
        try:
            return not _locked(descriptor)
        finally:
            os.close(descriptor)

    def _await_predecessors(self) -> None:
        """Servers of a stack that was killed end a moment after it; they still have the ports and the data."""
        descriptor = os.open(self.children_lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _locked_within(descriptor, PREDECESSOR_PATIENCE_SECONDS):
                raise AlreadyRunning(
                    f"servers of an earlier stack on {self.root} don't end: look for infra.local.services.guard"
                )
        finally:
            os.close(descriptor)


def _locked_within(descriptor: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not (locked := _locked(descriptor)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return locked


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
