"""The processes of an attempt: it leads a session, and all that it has started stays in that session."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

PROC = Path("/proc")


async def end_session(leader: int) -> None:
    """End everything that a run has started: its process leads a session, and its children stay in that session.

    Sends TERM (on which Spark's JVM deletes its temporary files), then KILL after a second.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in _session_members(leader):
            with contextlib.suppress(OSError):
                os.kill(pid, number)
        deadline = time.monotonic() + 1
        while _session_members(leader) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)


def _session_members(leader: int) -> list[int]:
    """Pids of the session's live processes. A process group would miss children that create their own group (as pyspark's
    worker daemon does). Zombies don't count: in a container, nothing may ever reap them."""
    found = []
    if not PROC.is_dir():  # macOS, where we can only reach the process group
        with contextlib.suppress(OSError):
            os.killpg(leader, 0)
            found.append(-leader)
        return found
    for entry in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # The command name, in parentheses, may contain anything; the fields follow the last parenthesis.
            state, _parent, _group, session = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:4]
            if int(session) == leader and state not in "ZX":
                found.append(int(entry.name))
    return found
