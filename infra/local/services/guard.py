"""Runs one command and ends it when whoever started us is gone, however they went.

    python -m infra.local.services.guard --parent PID [--lock FILE] [--ready HOST:PORT] -- COMMAND…

A stack that is killed with -9 can't tell its servers to stop, and they would keep ports and data folder for ever. So
each server runs under a guard that watches its parent (polling, which works on every Unix). Leads a process group that
the caller has made for it; the command stays in that group, and the group is what is ended.

`--lock` is held (shared) by guard and command as long as either lives: the next stack on the same folder waits for it.
`--ready` prints `ready http://HOST:PORT` once something listens there, for servers that don't say so themselves.
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
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

POLL_SECONDS = 0.1
ENDING_SECONDS = 10.0


def listening(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def hold(lock: Path) -> int:
    """A descriptor with a shared lock on the file. Raises BlockingIOError where somebody has it for themselves."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return descriptor


def end_group(command: subprocess.Popen[bytes]) -> None:
    """TERM to our whole group, KILL to what is left of it: that kills us too, which is the last thing to do."""
    os.killpg(os.getpgid(0), signal.SIGTERM)  # our own handler only passes it on
    with contextlib.suppress(subprocess.TimeoutExpired):
        command.wait(ENDING_SECONDS)
    os.killpg(os.getpgid(0), signal.SIGKILL)


def watch(command: subprocess.Popen[bytes], parent: int, ready: tuple[str, int] | None) -> int:
    """The command's exit status, as a shell would show it."""
    while (status := command.poll()) is None:
        if os.getppid() != parent:
            end_group(command)
        if ready and listening(*ready):
            print(f"ready http://{ready[0]}:{ready[1]}", flush=True)
            ready = None
        time.sleep(POLL_SECONDS)
    return status if status >= 0 else 128 - status


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.local.services.guard")
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--lock", type=Path)
    parser.add_argument("--ready")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    if os.getppid() != options.parent:
        return 1  # gone before we began
    held = [hold(options.lock)] if options.lock else []
    ready = None
    if options.ready:
        host, _, port = options.ready.rpartition(":")
        ready = (host, int(port))
    command = subprocess.Popen(options.command, pass_fds=held)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        command.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, pass_on)
    return watch(command, options.parent, ready)


if __name__ == "__main__":
    sys.exit(main())
