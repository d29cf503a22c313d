"""Ending everything that a run started: its process leads a session, and whatever it starts stays in it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

PROC = Path("/proc")


def members(leader: int) -> list[int]:
    """The living processes of the session. A process group would miss those that make their own (pyspark's
    worker daemon does); zombies don't count, nobody may ever reap them in a container."""
    if not PROC.is_dir():
        return _group_as_members(leader)
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The command's name, in parentheses, may hold anything; the fields begin after the last one.
                state, _parent, _group, session = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:4]
                if int(session) == leader and state not in "ZX":
                    found.append(int(entry.name))
    return found


def _group_as_members(leader: int) -> list[int]:
    """Without /proc (macOS): all that can be asked is whether the group has anybody."""
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
    """TERM (Spark's JVM removes its temporary files on that), and KILL for what is left after `patience` seconds."""
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


def end_left_behind(leader: int, mark: str) -> None:
    """Ends a session that a killed server left, if `leader` is still the process that has `mark` among its
    arguments. The run's own lifeline does the same within moments; this only makes sure before others start."""
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
