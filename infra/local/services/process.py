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
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

KEPT_LINES = 200


class ServerFailed(RuntimeError):
    """The child ended, or was not ready in time; the message ends with its last log lines."""


def free_port(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago. Another process may take it first: pass port 0 instead where possible."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """A child server. Use it as a context manager, or call start() and stop() (both may be repeated)."""

    def __init__(
        self,
        args: Sequence[str | Path],
        *,
        ready_prefix: str = "ready",
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        log_file: str | Path | None = None,
        ready_timeout: float = 60.0,
        stop_timeout: float = 5.0,
    ) -> None:
        """`env` is added to this process's environment; the child's output is appended to `log_file`."""
        self.args = [str(arg) for arg in args]
        self.ready_prefix = ready_prefix
        self.env = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        self.cwd = cwd
        self.log_file = log_file
        self.ready_timeout = ready_timeout
        self.stop_timeout = stop_timeout
        self.ready_line = ""
        self._process: subprocess.Popen[str] | None = None
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._ready = threading.Event()
        self._ended = threading.Event()

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
        if self.running():
            return self
        self.ready_line = ""
        self._lines.clear()
        self._ready, self._ended = threading.Event(), threading.Event()
        try:
            self._process = subprocess.Popen(
                self.args,
                env=self.env,
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise ServerFailed(f"{self._name} can't be started: {error}") from error
        assert self._process.stdout is not None  # noqa: S101 - stdout is a PIPE
        threading.Thread(target=self._drain, args=(self._process.stdout,), daemon=True).start()
        self._wait_until_ready(self._process)
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
        self._signal_group(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def stop(self) -> int | None:
        """Send TERM, then KILL the group after stop_timeout. Returns the child's exit status."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            self._signal_group(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(self.stop_timeout)
        self._signal_group(signal.SIGKILL)  # also grandchildren that outlived their parent
        status = self._process.wait()
        self._ended.wait(1)
        return status

    def __enter__(self) -> ServerProcess:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def _name(self) -> str:
        return " ".join(self.args[:4])

    def _drain(self, output: IO[str]) -> None:
        """Read the child's output (a full pipe would block the child) and watch for the ready line."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._ended.set)
            stack.callback(output.close)
            log = stack.enter_context(Path(self.log_file).open("a")) if self.log_file else None
            for line in output:
                self._lines.append(line.rstrip("\n"))
                if log:
                    log.write(line)
                    log.flush()
                if not self._ready.is_set() and line.startswith(self.ready_prefix):
                    self.ready_line = line.strip()
                    self._ready.set()

    def _wait_until_ready(self, process: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + self.ready_timeout
        while not self._ready.wait(0.02):
            if process.poll() is not None:
                self._ended.wait(1)  # let the last lines arrive
                if self._ready.is_set():
                    return
                self.stop()
                raise ServerFailed(f"{self._name} ended with status {process.returncode}:\n{self.tail()}")
            if time.monotonic() > deadline:
                self.stop()
                raise ServerFailed(f"{self._name} was not ready in {self.ready_timeout:g} s:\n{self.tail()}")

    def _signal_group(self, number: signal.Signals) -> None:
        if self._process is not None:
            # The child leads its own session, so its pid is its group's id; the group may be gone already.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
