"""Run one server of the local stack as a child process, and wait until it is ready.

    with ServerProcess([sys.executable, "-m", "infra.local.storage", "--port", "9023", …]) as server:
        print(server.ready_line)        # "ready http://127.0.0.1:9023"
        ...

A server announces that it is ready by printing a line that starts with `ready` (`ready_prefix`) on stdout or
stderr. Entering the context waits for that line. If the child dies first or is not ready in time, `ServerFailed`
contains its last log lines, because they show the reason. The child leads its own session, so Ctrl-C in the terminal
reaches only the parent. Leaving the context ends the whole process group (TERM, then KILL), including the server's
own children.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

KEPT_LINES = 200


class ServerFailed(RuntimeError):
    """The child ended, or was not ready in time; the message ends with its last log lines."""


class ServerProcess:
    """A child server. Use it as a context manager, or call start() and stop(); it can be started again afterwards."""

    def __init__(
        self,
        args: Sequence[str | Path],
        *,
        ready_prefix: str = "ready",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        log_file: Path | None = None,
        ready_timeout: float = 60.0,
        stop_timeout: float = 5.0,
    ) -> None:
        """`env` is added to this process's environment; the child's output is appended to `log_file`."""
        self._args = [str(arg) for arg in args]
        self._name = " ".join(self._args[:4])
        self._ready_prefix = ready_prefix
        self._env = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        self._cwd = cwd
        self._log_file = log_file
        self._ready_timeout = ready_timeout
        self._stop_timeout = stop_timeout
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.ready_line = ""

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ServerFailed(f"{self._name} has not been started")
        return self._process.pid

    @property
    def url(self) -> str:
        """The first HTTP URL in the ready line; empty if there is none."""
        return next((word for word in self.ready_line.split() if word.startswith("http")), "")

    def start(self) -> ServerProcess:
        """Start the child and wait for its ready line. If it raises ServerFailed, nothing is left running."""
        self.ready_line = ""
        self._lines.clear()
        try:
            self._process = subprocess.Popen(
                self._args,
                env=self._env,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise ServerFailed(f"{self._name} can't be started: {error}") from error
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        deadline = time.monotonic() + self._ready_timeout
        while not self.ready_line:
            if not self.running():
                self._reader.join(1)  # let the last lines arrive
                if not self.ready_line:
                    raise ServerFailed(f"{self._name} ended with status {self.stop()}:\n{self.tail()}")
            elif time.monotonic() > deadline:
                self.stop()
                raise ServerFailed(f"{self._name} was not ready in {self._ready_timeout:g} s:\n{self.tail()}")
            time.sleep(0.02)
        return self

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def returncode(self) -> int | None:
        """None while the child is running, or if it was never started."""
        return None if self._process is None else self._process.poll()

    def tail(self, lines: int = 20) -> str:
        """The last lines that the child printed."""
        return "\n".join(list(self._lines)[-lines:])

    def kill(self) -> None:
        """Kill the whole group with SIGKILL, like a crash."""
        if self._process is not None:
            self._signal_group(signal.SIGKILL)
            self._process.wait()

    def stop(self) -> int | None:
        """Send TERM, then KILL the group after stop_timeout. Returns the child's exit status."""
        if self._process is None:
            return None
        if self.running():
            self._signal_group(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(self._stop_timeout)
        self.kill()  # also grandchildren that outlived their parent
        if self._reader is not None:
            self._reader.join(1)
        return self._process.returncode

    def __enter__(self) -> ServerProcess:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def _read(self, output: IO[str]) -> None:
        """Read the child's output (a full pipe would block the child) and watch for the ready line."""
        with output, Path(self._log_file or os.devnull).open("a") as log:
            for line in output:
                self._lines.append(line.rstrip("\n"))
                log.write(line)
                log.flush()
                if not self.ready_line and line.startswith(self._ready_prefix):
                    self.ready_line = line.strip()

    def _signal_group(self, number: signal.Signals) -> None:
        # The child leads its own session, so its pid is its group's id; the group may be gone already.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
