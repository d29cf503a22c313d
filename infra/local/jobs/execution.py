"""Run one attempt of a task: the wheel's entry point in its own process, until its last child has ended."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.local.jobs.environment import Environment
from infra.local.jobs.sessions import end_session

RUNNER = Path(__file__).with_name("runner.py")
NOT_INHERITED = ("DATABRICKS_", "PYTHON", "VIRTUAL_ENV")


@dataclass(frozen=True)
class EntryPointCall:
    """The entry point to call and its parameters; runner.py reads this as JSON."""

    package_name: str
    entry_point: str
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """`result` is SUCCESS, FAILED, TIMEDOUT or CANCELED."""

    result: str
    error: str = ""
    error_trace: str = ""


def run_environment(environment: Environment, given: Mapping[str, str]) -> dict[str, str]:
    """The server's environment variables, except those that would expose the repository or another login to the run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
    python = str(environment.python)
    return {
        **kept,
        "PATH": f"{environment.python.parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
        # Otherwise Spark starts its Python workers with the first `python3` on the PATH.
        "PYSPARK_PYTHON": python,
        "PYSPARK_DRIVER_PYTHON": python,
        **given,
    }


class Execution:
    """Starts attempts. Each run has a folder for log.txt and, while it runs, its working directory and temporary files."""

    def __init__(self, environment: Environment, runs_folder: Path, variables: Mapping[str, str]) -> None:
        self._environment = environment
        self._runs_folder = runs_folder
        self._variables = variables

    def folder(self, run_id: int) -> Path:
        return self._runs_folder / str(run_id)

    def log_file(self, run_id: int) -> Path:
        return self.folder(run_id) / "log.txt"

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
        call: EntryPointCall,
        *,
        timeout: float | None,
        cancelled: asyncio.Event,
        on_start: Callable[[int], object],
    ) -> Outcome:
        """Run the attempt to its end. Returns when none of its processes is left."""
        folder = self.folder(run_id)
        scratch = folder / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        call_file, result_file = folder / f"{attempt_id}.call.json", folder / f"{attempt_id}.result.json"
        call_file.write_text(json.dumps(vars(call)), "utf-8")
        variables = run_environment(self._environment, self._variables)
        variables.update({"TMPDIR": str(scratch), "SPARK_LOCAL_DIRS": str(scratch)})
        python, files = str(self._environment.python), (RUNNER, call_file, result_file)
        with self.log_file(run_id).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(python, "-P", "-u", "-X", "faulthandler", *map(str, files)),
                stdin=asyncio.subprocess.PIPE,  # the lifeline: see runner.py
                stdout=log,
                stderr=log,
                cwd=folder,
                env=variables,
                start_new_session=True,
            )
        try:
            on_start(process.pid)
            ended_by = await _wait_for_end(process, timeout, cancelled)
        finally:
            await end_session(process.pid)
            await process.wait()
            shutil.rmtree(scratch, ignore_errors=True)
        if ended_by == "CANCELED":
            return Outcome("CANCELED", "Run cancelled.")
        if ended_by == "TIMEDOUT":
            return Outcome("TIMEDOUT", f"Run timed out after {timeout:.0f} seconds.")
        return _outcome(result_file, process.returncode)


async def _wait_for_end(process: asyncio.subprocess.Process, timeout: float | None, cancelled: asyncio.Event) -> str:
    """Wait until the process ENDED, TIMEDOUT or was CANCELED, and return which."""
    ended = asyncio.ensure_future(process.wait())
    stopped = asyncio.ensure_future(cancelled.wait())
    try:
        futures: Sequence[asyncio.Future[object]] = (ended, stopped)  # type: ignore[assignment]
        done, _ = await asyncio.wait(futures, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
    if ended in done:
        return "ENDED"
    return "CANCELED" if stopped in done else "TIMEDOUT"


def _outcome(result_file: Path, status: int | None) -> Outcome:
    """The runner's result. Without a result, the process was killed or ended itself with os._exit."""
    try:
        result = json.loads(result_file.read_text("utf-8"))
    except (OSError, ValueError):
        reason = f"ended with status {status} before its entry point returned"
        if status is not None and status < 0:
            reason = f"was killed by {signal.Signals(-status).name} (out of memory?)"
        return Outcome("FAILED", f"The process {reason}; see the log.")
    if result["ok"]:
        return Outcome("SUCCESS")
    return Outcome("FAILED", str(result["error"]), str(result["error_trace"]))
