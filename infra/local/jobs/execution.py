"""One attempt at one task: the wheel's entry point in a process of its own, from start to the last of its children."""

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
class Order:
    """What to call, as runner.py reads it."""

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
    """The server's environment without what would make the repository or another login visible in the run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
    python = str(environment.python)
    return {
        **kept,
        "PATH": f"{environment.python.parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
        # Spark would start its Python workers with whatever `python3` is first on the PATH.
        "PYSPARK_PYTHON": python,
        "PYSPARK_DRIVER_PYTHON": python,
        **given,
    }


class Execution:
    """Starts attempts. Each run has a folder: log.txt, and while it runs, its working directory and temporary files."""

    def __init__(self, environment: Environment, runs_folder: Path, variables: Mapping[str, str]) -> None:
        self._environment = environment
        self._runs_folder = runs_folder
        self._variables = variables

    def folder(self, run_id: int) -> Path:
        return self._runs_folder / str(run_id)

    def log_file(self, run_id: int) -> Path:
        return self.folder(run_id) / "log.txt"

    async def attempt(
        self,
        run_id: int,
        attempt_id: int,
        order: Order,
        *,
        timeout: float | None,
        cancelled: asyncio.Event,
        on_start: Callable[[int], object],
    ) -> Outcome:
        """Runs it to the end, and returns when nothing of it is left."""
        folder = self.folder(run_id)
        scratch = folder / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        order_file, result_file = folder / f"{attempt_id}.order.json", folder / f"{attempt_id}.result.json"
        order_file.write_text(json.dumps(vars(order)), "utf-8")
        variables = run_environment(self._environment, self._variables)
        variables.update({"TMPDIR": str(scratch), "SPARK_LOCAL_DIRS": str(scratch)})
        python, files = str(self._environment.python), (RUNNER, order_file, result_file)
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
            ended_by = await _first_of(process, timeout, cancelled)
        finally:
            await end_session(process.pid)
            await process.wait()
            shutil.rmtree(scratch, ignore_errors=True)
        if ended_by == "CANCELED":
            return Outcome("CANCELED", "Run cancelled.")
        if ended_by == "TIMEDOUT":
            return Outcome("TIMEDOUT", f"Run timed out after {timeout:.0f} seconds.")
        return _outcome(result_file, process.returncode)


async def _first_of(process: asyncio.subprocess.Process, timeout: float | None, cancelled: asyncio.Event) -> str:
    """What came first: the process ENDED, it TIMEDOUT, or it was CANCELED."""
    ended = asyncio.ensure_future(process.wait())
    stopped = asyncio.ensure_future(cancelled.wait())
    try:
        waited: Sequence[asyncio.Future[object]] = (ended, stopped)  # type: ignore[assignment]
        done, _ = await asyncio.wait(waited, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
    if ended in done:
        return "ENDED"
    return "CANCELED" if stopped in done else "TIMEDOUT"


def _outcome(result_file: Path, status: int | None) -> Outcome:
    """What the runner wrote; where it wrote nothing, it was ended from outside or by its own os._exit."""
    try:
        result = json.loads(result_file.read_text("utf-8"))
    except (OSError, ValueError):
        how = f"ended with status {status} before its entry point returned"
        if status is not None and status < 0:
            how = f"was killed by {signal.Signals(-status).name} (out of memory?)"
        return Outcome("FAILED", f"The process {how}; see the log.")
    if result["ok"]:
        return Outcome("SUCCESS")
    return Outcome("FAILED", str(result["error"]), str(result["error_trace"]))
