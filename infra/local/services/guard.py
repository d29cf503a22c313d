"""Run one command and end it when the parent process is gone, no matter how it ended.

    python -m infra.local.services.guard --parent PID [--lock FILE] [--ready PORT] -- COMMAND…

A stack that is killed with -9 can't stop its servers, and they would keep their ports and the data folder forever.
Therefore each server runs under a guard that watches its parent (by polling, which works on every Unix). The caller
starts the guard as the leader of a process group; the command stays in that group, and the guard ends the whole group.

`--lock` is held (shared) by guard and command as long as either lives: the next stack on the same folder waits for it.
`--ready` prints `ready http://127.0.0.1:PORT` once something listens there, for servers that print no ready line.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from infra.local.listening import HOST

POLL_SECONDS = 0.1
ENDING_SECONDS = 10.0


def accepts_connections(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def hold(lock: Path) -> int:
    """A descriptor with a shared lock on the file. Raises BlockingIOError if another process has an exclusive lock."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return descriptor


def end_group(command: subprocess.Popen[bytes]) -> None:
    """Send TERM to our whole group, then KILL to the rest of it, which also ends this process."""
    os.killpg(os.getpgid(0), signal.SIGTERM)  # our own handler forwards it
    with contextlib.suppress(subprocess.TimeoutExpired):
        command.wait(ENDING_SECONDS)
    os.killpg(os.getpgid(0), signal.SIGKILL)


def watch(command: subprocess.Popen[bytes], parent: int, ready: int | None) -> int:
    """Wait for the command. Returns its exit status as a shell would show it."""
    while (status := command.poll()) is None:
        if os.getppid() != parent:
            end_group(command)
        if ready and accepts_connections(ready):
            print(f"ready http://{HOST}:{ready}", flush=True)
            ready = None
        time.sleep(POLL_SECONDS)
    return status if status >= 0 else 128 - status


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.local.services.guard")
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--lock", type=Path)
    parser.add_argument("--ready", type=int)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    if os.getppid() != options.parent:
        return 1  # the parent ended before the guard started
    held = [hold(options.lock)] if options.lock else []
    command = subprocess.Popen(options.command, pass_fds=held)

    def forward(number: int, _frame: FrameType | None) -> None:
        command.send_signal(number)

    signal.signal(signal.SIGTERM, forward)
    signal.signal(signal.SIGINT, forward)
    return watch(command, options.parent, options.ready)


if __name__ == "__main__":
    sys.exit(main())
