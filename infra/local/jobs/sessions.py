"""End everything that a run has started: its process leads a session, and its children stay in that session."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

PROC = Path("/proc")


def members(leader: int) -> list[int]:
    """Pids of the session's live processes. A process group would miss children that create their own group (as pyspark's
    worker daemon does). Zombies don't count: in a container, nothing may ever reap them."""
    if not PROC.is_dir():
        return _group_as_members(leader)
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The command name, in parentheses, may contain anything; the fields follow the last parenthesis.
                state, _parent, _group, session = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:4]
                if int(session) == leader and state not in "ZX":
                    found.append(int(entry.name))
    return found


def _group_as_members(leader: int) -> list[int]:
    """Without /proc (macOS), we can only check whether the process group is empty."""
    try:
        os.killpg(leader, 0)
    except OSError:
        return []
    return [-leader]


def signal_session(leader: int, number: signal.Signals) -> None:
    for pid in members(leader):
        with contextlib.suppress(OSError):
            os.kill(pid, number)


async def end_session(leader: int, patience: float = 1.0) -> None:
    """Send TERM (on which Spark's JVM deletes its temporary files), then KILL after `patience` seconds."""
    if await _signal_until_gone(leader, signal.SIGTERM, patience):
        return
    await _signal_until_gone(leader, signal.SIGKILL, patience)


async def _signal_until_gone(leader: int, number: signal.Signals, patience: float) -> bool:
    signal_session(leader, number)
    deadline = time.monotonic() + patience
    while members(leader):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


def end_orphaned_session(leader: int, mark: str) -> None:
    """End a session that a killed server left behind, if `leader` still is the process with `mark` in its arguments.
    The run's own lifeline does the same within moments; this makes sure of it before other runs start."""
    try:
        arguments = (PROC / str(leader) / "cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        return
    if mark not in arguments:
        return
    deadline = time.monotonic() + 3
    while members(leader) and time.monotonic() < deadline:
        signal_session(leader, signal.SIGKILL)
        time.sleep(0.02)
