"""Run one attempt of a task: the wheel's entry point in its own process, until its last child has ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from infra.local.jobs.sessions import PROC, end_session

ROOT = Path(__file__).resolve().parents[3]
RUNNER = Path(__file__).with_name("runner.py")
NOT_INHERITED = ("DATABRICKS_", "PYTHON", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Outcome:
    """`result` is SUCCESS, FAILED, TIMEDOUT or CANCELED."""

    result: str
    error: str = ""
    error_trace: str = ""


@dataclass(frozen=True)
class Wheel:
    """A wheel to install before an attempt; `name` is its file name."""

    name: str
    content: bytes


class Ended(Exception):
    """The attempt has ended before or in its process."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.error)
        self.outcome = outcome


@dataclass(frozen=True)
class Cancellation:
    """What ends attempts early: a request, after which the process may finish what it is doing, or a stop at once."""

    requested: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: asyncio.Event = field(default_factory=asyncio.Event)


class Execution:
    """Starts attempts. Each run has a folder for log.txt and, while it runs, its working directory and temporary files.

    `python` has the wheel of the bundle's jobs (None: there is no bundle), `env_cache` the environments of other wheels.
    A canceled run has `grace` seconds to end by itself.
    """

    def __init__(
        self, python: Path | None, env_cache: Path, runs_folder: Path, variables: Mapping[str, str], grace: float
    ) -> None:
        self._python = python
        self._env_cache = env_cache
        self._runs_folder = runs_folder
        self._variables = variables
        self._grace = grace

    def log_file(self, run_id: int) -> Path:
        return self._runs_folder / str(run_id) / "log.txt"

    def log_tail(self, run_id: int, limit: int) -> tuple[str, bool]:
        """The last `limit` bytes of the run's log, and whether the log is longer."""
        try:
            with self.log_file(run_id).open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(0, size - limit))
                return log.read().decode("utf-8", "replace"), size > limit
        except OSError:
            return "", False

    async def attempt(
        self,
        run_id: int,
        attempt_id: int,
        wheel: Wheel | None,
        arguments: list[str],
        *,
        timeout: float | None,
        cancellation: Cancellation,
        on_start: Callable[[int], object],
    ) -> Outcome:
        """Run the attempt to its end. Returns when none of its processes is left.

        `arguments` are the package, the entry point and its parameters, as for runner.py. `timeout`, in seconds, includes
        the installation of the wheel; without a wheel, the attempt runs the bundle's.
        """
        folder = self._runs_folder / str(run_id)
        scratch = folder / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        result_file = folder / f"{attempt_id}.result.json"
        limit = _Limit(timeout, cancellation, self._grace)
        try:
            with self.log_file(run_id).open("ab") as log:
                python = await self._install(wheel, scratch, log, limit) if wheel else self._python
                if python is None:
                    raise RuntimeError("a job without a wheel of its own, on a server without a bundle")
                status = await _run(
                    [str(python), "-P", "-u", "-X", "faulthandler", str(RUNNER), str(result_file), *arguments],
                    limit,
                    on_start,
                    stdin=asyncio.subprocess.PIPE,  # the lifeline: see runner.py
                    stdout=log,
                    stderr=log,
                    cwd=folder,
                    env=self._environment(python, scratch),
                )
            return _outcome(result_file, status)
        except Ended as ended:
            return ended.outcome
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    async def _install(self, wheel: Wheel, scratch: Path, log: BinaryIO, limit: _Limit) -> Path:
        """The Python of the environment that holds this wheel, made now if it isn't there. Raises Ended."""
        file, answer = scratch / wheel.name, scratch / "python.txt"
        file.write_bytes(wheel.content)
        before = log.tell()
        command = [sys.executable, "-m", "infra.local.jobs.environment"]
        command += ["--wheel", str(file), "--env-cache", str(self._env_cache)]
        with answer.open("wb") as out:
            status = await _run(command, limit, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=log, cwd=ROOT)
        if status:
            written = Path(log.name).read_bytes()[before:].decode("utf-8", "replace")
            reason = f"\n{written}".partition("\nerror: ")[2].strip() or "see the log"
            raise Ended(Outcome("FAILED", f"Library installation failed for {wheel.name}: {reason}"))
        return Path(answer.read_text().strip())

    def _environment(self, python: Path, scratch: Path) -> dict[str, str]:
        """The server's environment, except variables that would expose the repository or another login to the run."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
        return {
            **kept,
            "PATH": f"{python.parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
            # Otherwise Spark starts its Python workers with the first `python3` on the PATH.
            "PYSPARK_PYTHON": str(python),
            "PYSPARK_DRIVER_PYTHON": str(python),
            **self._variables,
            "TMPDIR": str(scratch),
            "SPARK_LOCAL_DIRS": str(scratch),
        }

    async def end_orphan(self, run_id: int, leader: int) -> None:
        """End what a killed server left behind of a run, if `leader` still is its process.

        The run's own lifeline does the same within moments; this makes sure of it before other runs start.
        """
        with contextlib.suppress(OSError):
            if str(self._runs_folder / str(run_id)).encode() in (PROC / str(leader) / "cmdline").read_bytes():
                await end_session(leader)


class _Limit:
    """What ends an attempt before its time: a cancellation, or `timeout` seconds from now."""

    def __init__(self, timeout: float | None, cancellation: Cancellation, grace: float) -> None:
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._cancellation = cancellation
        self._grace = grace

    async def wait_for(self, process: asyncio.subprocess.Process) -> None:
        """Wait until the process has ended. Raises Ended at the limit."""
        remaining = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        if await _ended(process, remaining, self._cancellation.requested):
            return
        if self._cancellation.requested.is_set():
            await self._let_finish(process)
            raise Ended(Outcome("CANCELED", "Run cancelled."))
        raise Ended(Outcome("TIMEDOUT", f"Run timed out after {self._timeout:.0f} seconds."))

    async def _let_finish(self, process: asyncio.subprocess.Process) -> None:
        """Only the process itself gets TERM: its children, such as Spark's JVM, must outlive what it is doing."""
        if not self._cancellation.at_once.is_set():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await _ended(process, self._grace, self._cancellation.at_once)


async def _ended(process: asyncio.subprocess.Process, seconds: float | None, interrupt: asyncio.Event) -> bool:
    """Wait until the process has ended, and tell whether it has: no longer than that, or until the interrupt."""
    ended: asyncio.Future[Any] = asyncio.ensure_future(process.wait())
    interrupted: asyncio.Future[Any] = asyncio.ensure_future(interrupt.wait())
    done, pending = await asyncio.wait([ended, interrupted], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for future in pending:
        future.cancel()
    return ended in done


async def _run(
    command: list[str], limit: _Limit, on_start: Callable[[int], object] = lambda _pid: None, **settings: Any
) -> int | None:
    """Run a command to its end and return its exit status. Raises Ended at the limit. Leaves no process behind."""
    process = await asyncio.create_subprocess_exec(*command, start_new_session=True, **settings)
    try:
        on_start(process.pid)
        await limit.wait_for(process)
    finally:
        await end_session(process.pid)
        await process.wait()
    return process.returncode


def _outcome(result_file: Path, status: int | None) -> Outcome:
    """The runner's result. Without a result, the process was killed or ended itself with os._exit."""
    try:
        return Outcome(**json.loads(result_file.read_text("utf-8")))
    except (OSError, ValueError):
        reason = f"ended with status {status} before its entry point returned"
        if status is not None and status < 0:
            reason = f"was killed by {signal.Signals(-status).name} (out of memory?)"
        return Outcome("FAILED", f"The process {reason}; see the log.")
