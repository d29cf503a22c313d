"""From launch windows to live mode and back while files arrive, with real processes: none is lost or loaded twice.

tests/functions/test_switching.py has the interleavings; this is the same with restarts that cut off whatever is going on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient

from tests.e2e.reading import HEADER, RUN_SECONDS, line, log_lines, newest_of, send, settle, target
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.e2e

PAUSE_SECONDS = 0.7
SWEEP = ("--sweep-every=3", "--sweep-grace=6")


@dataclass
class Sender:
    """Uploads a file every now and then, and again if the stack is down. Files share keys, so that their order matters."""

    folder: Path
    sent: list[bytes] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        while not self.stopping.is_set():
            number = len(self.sent)
            at = f"2026-01-31 10:{number // 60:02}:{number % 60:02}"
            rows = [line(f"T{(number + n) % 40}", at=at) for n in range(20)]
            content = HEADER + b"".join(rows)
            # The storage server may have stored what it could not confirm: the same object then has another generation.
            try:
                send(RunningStack(self.folder), f"{number}/order_tracking_2026_01_31.csv", content)
            except Exception:  # noqa: BLE001 - whatever a client raises while the stack is down
                self.stopping.wait(0.2)
                continue
            self.sent.append(content)
            self.stopping.wait(PAUSE_SECONDS)

    def sends(self, more: int) -> None:
        """Wait until it has sent so many more."""
        wanted = len(self.sent) + more
        until(lambda: len(self.sent) >= wanted, f"{more} more files are sent")


@contextmanager
def running(folder: Path, *options: str) -> Iterator[RunningStack]:
    stack = RunningStack(folder, *SWEEP, *options)
    try:
        yield stack.start()
    finally:
        stack.stop()
    stack.assert_nothing_left()


def test_switching_to_live_mode_and_back_under_load_loses_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    sender = Sender(folder)
    sending = threading.Thread(target=sender.work, daemon=True)
    sending.start()
    try:
        with running(folder) as stack:
            # Some of these are in the window's run, and some wait for it, when the stack stops.
            sender.sends(8)
            until(lambda: launched(stack), "a run is active")
        with running(folder, "--live") as stack:
            before = launched(stack)
            done = len(stack.names("archive/"))
            until(lambda: len(stack.names("archive/")) > done + 3, "the continuous run loads files", RUN_SECONDS)
            sender.sends(3)
            assert launched(stack) == before, "the continuous run is alive: nobody launches another one"
        with running(folder) as stack:
            sender.sends(3)
            sender.stopping.set()
            sending.join()
            settle(stack)
            assert target(stack) == newest_of(*sender.sent)
            merged = [one for one in log_lines(stack).values() if one["outcome"] == "merged"]
            assert len({one["file_id"].partition("#")[0] for one in merged}) == len(sender.sent)
    finally:
        sender.stopping.set()


def launched(stack: RunningStack) -> int:
    """How many runs of the ingest job there are."""
    workspace = WorkspaceClient(host=stack.addresses.jobs, token="local")
    return sum(1 for _ in workspace.jobs.list_runs(job_id=stack.addresses.job_id))
