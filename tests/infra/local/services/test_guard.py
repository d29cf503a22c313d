"""The guard as a real process: its command does not outlive the process that started the guard."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.services.process import ServerFailed, ServerProcess
from tests.free_port import free_port
from tests.jobs_fixtures import alive, until

ROOT = Path(__file__).resolve().parents[4]

# A parent that starts a guard, with less patience than usual, in a session of its own, as ServerProcess does, and then
# waits to be killed.
PARENT = """
import os, subprocess, sys, time
main = "import sys; from infra.local.services import guard; guard.ENDING_SECONDS = 0.5; sys.exit(guard.main())"
guard = [sys.executable, "-c", main, f"--parent={os.getpid()}"]
subprocess.Popen([*guard, *sys.argv[1:]], start_new_session=True)
time.sleep(600)
"""
# Writes its pid, then keeps running; with "deaf" it ignores SIGTERM.
CHILD = """
import os, signal, sys, time
if "deaf" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(sys.argv[1] + ".part", "w") as out: out.write(str(os.getpid()))
os.rename(sys.argv[1] + ".part", sys.argv[1])
time.sleep(600)
"""


@pytest.mark.parametrize("arguments", [[], ["deaf"]])
def test_a_command_ends_when_the_guards_parent_is_killed(tmp_path: Path, arguments: list[str]) -> None:
    """Also if it ignores SIGTERM."""
    note = tmp_path / "pid"
    command = [sys.executable, "-c", CHILD, str(note), *arguments]
    parent = subprocess.Popen([sys.executable, "-c", PARENT, "--", *command], cwd=ROOT)
    until(note.exists, "the command runs")
    pid = int(note.read_text())

    parent.kill()
    parent.wait()

    until(lambda: not alive(pid), "the command is gone")


def test_a_guard_whose_parent_is_already_gone_starts_nothing(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    guard = [sys.executable, "-m", "infra.local.services.guard", "--parent=1", "--", "touch", str(note)]

    assert subprocess.run(guard, cwd=ROOT, check=False).returncode == 1
    assert not note.exists()


def test_the_lock_is_held_until_the_command_has_ended(tmp_path: Path) -> None:
    lock, note = tmp_path / "lock", tmp_path / "pid"
    guard = [sys.executable, "-m", "infra.local.services.guard", f"--parent={os.getpid()}", f"--lock={lock}", "--"]
    process = subprocess.Popen([*guard, sys.executable, "-c", CHILD, str(note)], cwd=ROOT, start_new_session=True)
    until(note.exists, "the command runs")

    def locked() -> bool:
        with lock.open() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    assert locked()
    process.kill()  # only the guard: its command keeps running and keeps the lock
    process.wait()
    assert locked()
    os.kill(int(note.read_text()), signal.SIGKILL)
    until(lambda: not locked(), "the lock is free")


def test_it_prints_ready_when_the_port_accepts_connections_and_returns_the_exit_status() -> None:
    port = free_port()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    guard = [
        sys.executable,
        "-m",
        "infra.local.services.guard",
        f"--parent={os.getpid()}",
        f"--ready={port}",
        "--",
    ]

    with ServerProcess([*guard, *command], cwd=ROOT) as server:
        assert server.url == f"http://127.0.0.1:{port}"
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass

    failing = ServerProcess([*guard, sys.executable, "-c", "import sys; print('no luck'); sys.exit(7)"], cwd=ROOT)
    with pytest.raises(ServerFailed, match=r"(?s)status 7.*no luck"):
        failing.start()
