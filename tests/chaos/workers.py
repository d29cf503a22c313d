"""Control of two warm workers: commands, answers, kills and suspensions. No process outlives this one."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LONGEST_SECONDS = 300.0
_GUARD = """
import contextlib, os, signal, sys
groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
for group in groups:
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGKILL)
"""
"""Its input ends when this process ends, for whatever reason. It then kills what is left, suspended processes included."""


class Stuck(Exception):
    """A worker did not answer."""


class Worker:
    """One `tests.chaos.worker`. It starts in the background; the first answer waits until it is ready."""

    def __init__(self, guard: Guard, storage_url: str, log: Path) -> None:
        self._guard, self._answers = guard, queue.Queue[dict[str, Any]]()
        memory = {
            "ORDER_TRACKING_DRIVER_MEMORY": "1g",
            "STORAGE_EMULATOR_HOST": storage_url,
            "GOOGLE_CLOUD_PROJECT": "local",
        }
        with log.open("a") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.worker"],
                cwd=ROOT,
                env=os.environ | memory | {"TZ": "UTC"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                start_new_session=True,
            )
        guard.send(f"+{self._process.pid}")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._ready = False

    def send(self, command: dict[str, Any]) -> None:
        assert self._process.stdin
        if not self._ready:
            self._ready = "ready" in self.answer()
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """{"done": …}, {"failed": why}, {"suspended": moment} (it is stopped then), or {"killed": exit status}."""
        try:
            found = self._answers.get(timeout=LONGEST_SECONDS)
        except queue.Empty:
            raise Stuck(f"a worker has not answered for {LONGEST_SECONDS:g} s") from None
        if "suspended" in found:
            end = time.monotonic() + 30
            while self._state() != "T":
                if time.monotonic() > end:
                    raise Stuck("a worker did not stop")
                time.sleep(0.002)
        return found

    def ask(self, command: dict[str, Any]) -> Any:
        """The answer to a query or a note. Raises RuntimeError if it failed."""
        self.send(command)
        found = self.answer()
        if "done" not in found:
            raise RuntimeError(str(found))
        return found["done"]

    def resume(self) -> None:
        os.killpg(self._process.pid, signal.SIGCONT)

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(10)
        self._guard.send(f"-{self._process.pid}")

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._answers.put(json.loads(line))
        self._answers.put({"killed": self._process.wait()})

    def _state(self) -> str:
        return Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0]


class Guard:
    """A process that kills the workers if this process ends without doing so."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _GUARD], stdin=subprocess.PIPE, text=True, start_new_session=True
        )

    def send(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()
