"""Fixtures that start the local jobs server as a process, with a tiny bundle and wheel that don't need pyspark.

`jobs_server` is one server for the module; `start_jobs_server` starts any number of servers with any options.
"""

from __future__ import annotations

import os
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.service.jobs import Run

from infra.local.services.process import ServerProcess

ROOT = Path(__file__).resolve().parents[1]
DEADLINE = 20.0

PROBE = """
import json, os, signal, subprocess, sys, time

def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.01)

def run():
    mode, value, run_id = sys.argv[1:4]
    print("mode", mode, "run", run_id)
    if mode == "fail":
        raise ValueError(f"it went wrong: {value}")
    if mode == "exit":
        sys.exit(0)
    if mode == "wait":
        wait_for(value)
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(["sleep", "600"], start_new_session=False)
        with open(value + ".part", "w") as out:
            out.write(f"{os.getpid()} {child.pid}")
        os.rename(value + ".part", value)
        time.sleep(600)
    if mode == "batch":
        signal.signal(signal.SIGTERM, lambda *_: open(value + ".asked", "w").close())
        open(value, "w").close()
        wait_for(value + ".asked")
        time.sleep(0.2)
        open(value + ".finished", "w").close()
    if mode == "flaky" and not os.path.exists(value):
        open(value, "w").close()
        raise RuntimeError("not yet")
    if mode == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "missing":
        import a_module_that_is_nowhere
    if mode == "describe":
        print(json.dumps({"argv": sys.argv, "env": dict(os.environ), "path": sys.path, "cwd": os.getcwd()}))
    return 1  # ignored
"""

BUNDLE = """
bundle: {name: probe-bundle}
include: [resources/*.yml]
variables:
  mode: {description: what to do, default: ok}
  warehouse: {description: folder of the tables, default: ""}
  trigger: {description: whether the continuous job runs, default: PAUSED}
targets:
  dev: {default: true}
  local:
    variables: {mode: print}
"""

JOB = """
resources:
  jobs:
    %(key)s:
      name: %(key)s
      %(settings)s
      parameters:
        - {name: mode, default: "${var.mode}"}
        - {name: value, default: ""}
      tasks:
        - task_key: probe
          %(task)s
          python_wheel_task:
            package_name: job_probe
            entry_point: job-probe
            parameters: ["{{job.parameters.mode}}", "{{job.parameters.value}}", "{{job.run_id}}"]
"""

STEPS = """
resources:
  jobs:
    steps:
      name: steps
      parameters: [{name: first, default: print}, {name: second, default: print}, {name: value, default: ""}]
      tasks:
        - task_key: second
          depends_on: [{task_key: first}]
          run_if: ALL_DONE
          timeout_seconds: 1
          python_wheel_task: &probe
            package_name: job_probe
            entry_point: job-probe
            parameters: ["{{job.parameters.second}}", "{{job.parameters.value}}", "{{job.run_id}}"]
        - task_key: first
          python_wheel_task:
            <<: *probe
            parameters: ["{{job.parameters.first}}", "{{job.parameters.value}}", "{{job.run_id}}"]
"""
"""A job of two tasks: the second one runs whatever became of the first one."""

JOBS = {
    "queued": ("queue: {enabled: true}", "max_retries: 0"),
    "unqueued": ("queue: {enabled: false}", "max_retries: 0"),
    "short": ("timeout_seconds: 1", "max_retries: 0"),
    "continuous": ("continuous: {pause_status: '${var.trigger}'}", "max_retries: 0"),
    "retried": ("max_concurrent_runs: 1", "max_retries: 1"),
}


def make_wheel(folder: Path, name: str, source: str, requires: tuple[str, ...] = ()) -> Path:
    """A wheel with one module; its console script `job-probe` calls the module's run()."""
    folder.mkdir(parents=True, exist_ok=True)
    path, info = folder / f"{name}-1.0-py3-none-any.whl", f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": source,
        f"{info}/METADATA": "\n".join(
            ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {r}" for r in requires)]
        ),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\njob-probe = {name}:run\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
        archive.writestr(f"{info}/RECORD", record)
    return path


def until(what: Callable[[], Any], describe: str, deadline: float = DEADLINE) -> Any:
    """Poll until the result is true and return it; fail the test after the deadline."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        answer = what()
        if answer:
            return answer
        time.sleep(0.02)
    pytest.fail(f"not in {deadline:g} s: {describe}")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class RunningJobsServer:
    """A running server: its address, its jobs, an SDK client for it, and its admin endpoints."""

    def __init__(self, process: ServerProcess) -> None:
        self.process = process

    @property
    def url(self) -> str:
        return self.process.url

    @property
    def job_ids(self) -> dict[str, int]:
        words = [word.partition("=") for word in self.process.ready_line.split() if word.startswith("job.")]
        return {name.removeprefix("job."): int(value) for name, _, value in words}

    def client(self, token: str = "local", **settings: Any) -> WorkspaceClient:
        settings.setdefault("retry_timeout_seconds", 20)
        return WorkspaceClient(config=Config(host=self.url, token=token, auth_type="pat", **settings))

    def run_now(self, job: str, **fields: Any) -> int:
        run_id = self.client().jobs.run_now(job_id=self.job_ids[job], **fields).run_id
        assert run_id is not None
        return run_id

    def start_mode(self, job: str, mode: str, value: str | Path = "", **fields: Any) -> int:
        return self.run_now(job, job_parameters={"mode": mode, "value": str(value)}, **fields)

    def run(self, run_id: int) -> Run:
        return self.client().jobs.get_run(run_id)

    def state(self, run_id: int) -> str:
        """The result state if there is one, otherwise the life cycle state."""
        state = self.run(run_id).state
        assert state is not None
        best = state.result_state or state.life_cycle_state
        assert best is not None
        return str(best.value)

    def wait_state(self, run_id: int, *wanted: str) -> str:
        return str(until(lambda: next((s for s in [self.state(run_id)] if s in wanted), None), f"run is {wanted}"))

    def stats(self) -> dict[str, Any]:
        return dict(httpx.get(f"{self.url}/_local/stats").json())

    def fault(self, **fields: Any) -> None:
        httpx.post(f"{self.url}/_local/faults", json=fields).raise_for_status()


@pytest.fixture(scope="session")
def job_env_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("job-env")


@pytest.fixture(scope="session")
def probe_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_wheel(tmp_path_factory.mktemp("wheel"), "job_probe", PROBE)


@pytest.fixture(scope="session")
def probe_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "resources").mkdir()
    (folder / "databricks.yml").write_text(BUNDLE)
    (folder / "resources" / "steps.yml").write_text(STEPS)
    for key, (settings, task) in JOBS.items():
        (folder / "resources" / f"{key}.yml").write_text(JOB % {"key": key, "settings": settings, "task": task})
    return folder


StartJobsServer = Callable[..., RunningJobsServer]


@pytest.fixture(scope="session")
def jobs_server_args(probe_wheel: Path, probe_bundle: Path, job_env_cache: Path) -> Callable[[Path], list[str | Path]]:
    """Builds the server's command line for a data folder."""

    def args(data_dir: Path) -> list[str | Path]:
        command: list[str | Path] = [sys.executable, "-m", "infra.local.jobs", "--port", "0"]
        command += ["--data-dir", data_dir, "--bundle", probe_bundle, "--wheel", probe_wheel]
        return [*command, "--env-cache", job_env_cache, "--grace", "1"]

    return args


@pytest.fixture
def start_jobs_server(
    jobs_server_args: Callable[[Path], list[str | Path]],
) -> Iterator[StartJobsServer]:
    """Starts a server on a data folder with extra options; all servers are stopped at the end of the test."""
    started: list[ServerProcess] = []

    def start(data_dir: Path, *options: str | Path) -> RunningJobsServer:
        process = ServerProcess([*jobs_server_args(data_dir), *options], cwd=ROOT, env=developers_environment())
        started.append(process)
        return RunningJobsServer(process.start())

    yield start
    for process in started:
        process.stop()


@pytest.fixture(scope="module")
def jobs_server(
    jobs_server_args: Callable[[Path], list[str | Path]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningJobsServer]:
    args = jobs_server_args(tmp_path_factory.mktemp("jobs-data"))
    with ServerProcess([*args, "--run-env", "GIVEN=yes"], cwd=ROOT, env=developers_environment()) as process:
        yield RunningJobsServer(process)


def developers_environment() -> dict[str, str]:
    """Settings that a developer's shell may have. They must not affect the tests, and runs must not inherit them."""
    return {"PYTHONPATH": str(ROOT), "DATABRICKS_HOST": "https://elsewhere", "HOME": os.environ.get("HOME", "/")}
