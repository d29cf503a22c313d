"""An attempt in its own process: success, failure, cancellation, and what the process sees of its environment."""

from __future__ import annotations

import json
import os
from pathlib import Path

import httpx
import pytest
from databricks.sdk.service.jobs import Run

from tests.jobs_fixtures import ROOT, RunningJobsServer, alive, until

pytestmark = pytest.mark.servers


def task_id(run: Run) -> int:
    assert run.tasks
    assert run.tasks[-1].run_id
    return run.tasks[-1].run_id


def test_a_run_that_returns_succeeds_with_times_parameters_and_page(jobs_server: RunningJobsServer) -> None:
    run_id = jobs_server.run_now("queued")
    jobs_server.wait_state(run_id, "SUCCESS")
    run = jobs_server.run(run_id)
    assert run.start_time
    assert run.end_time
    assert run.end_time >= run.start_time
    assert run.execution_duration
    assert run.setup_duration is not None
    assert {p.name: p.value for p in run.job_parameters or []} == {"mode": "print", "value": ""}
    assert run.status
    assert run.status.termination_details
    assert run.status.termination_details.as_dict() == {"code": "SUCCESS", "type": "SUCCESS", "message": ""}
    assert run.run_page_url
    page = httpx.get(run.run_page_url).text
    assert f"mode print run {run_id}" in page
    assert str(run_id) in httpx.get(jobs_server.url).text


def test_an_exception_is_a_failure_that_shows_its_last_line(jobs_server: RunningJobsServer) -> None:
    run_id = jobs_server.start_mode("queued", "fail", "<b>bold</b>")
    jobs_server.wait_state(run_id, "FAILED")
    run = jobs_server.run(run_id)
    assert run.state
    assert run.state.state_message == "Task probe failed with message: Workload failed, see run output for details."
    for either_id in (run_id, task_id(run)):
        output = jobs_server.client().jobs.get_run_output(either_id)
        assert output.error == "ValueError: it went wrong: <b>bold</b>"
        assert output.error_trace
        assert "Traceback" in output.error_trace
        assert output.logs
        assert f"mode fail run {run_id}" in output.logs
    assert run.run_page_url
    assert "<b>bold</b>" not in httpx.get(run.run_page_url).text


def test_exiting_is_a_failure_even_with_code_0(jobs_server: RunningJobsServer) -> None:
    run_id = jobs_server.start_mode("queued", "exit")
    jobs_server.wait_state(run_id, "FAILED")
    assert (jobs_server.client().jobs.get_run_output(run_id).error or "").startswith("SystemExit: 0 (")


def test_an_undeclared_dependency_is_a_readable_failure(jobs_server: RunningJobsServer) -> None:
    run_id = jobs_server.start_mode("queued", "missing")
    jobs_server.wait_state(run_id, "FAILED")
    error = jobs_server.client().jobs.get_run_output(run_id).error
    assert error == "ModuleNotFoundError: No module named 'a_module_that_is_nowhere'"


def test_a_killed_process_is_a_failure(jobs_server: RunningJobsServer) -> None:
    run_id = jobs_server.start_mode("queued", "killed")
    jobs_server.wait_state(run_id, "FAILED")
    assert "SIGKILL" in (jobs_server.client().jobs.get_run_output(run_id).error or "")


def test_a_run_sees_only_its_own_environment(jobs_server: RunningJobsServer) -> None:
    run_id = jobs_server.start_mode("queued", "describe", "ü $(x) {{job.id}}")
    jobs_server.wait_state(run_id, "SUCCESS")
    logs = jobs_server.client().jobs.get_run_output(run_id).logs or ""
    seen = json.loads(next(line for line in logs.splitlines() if line.startswith("{")))
    assert seen["argv"] == ["job-probe", "describe", "ü $(x) {{job.id}}", str(run_id)]
    assert seen["env"]["GIVEN"] == "yes"
    assert not [name for name in seen["env"] if name.startswith(("DATABRICKS_", "PYTHON", "VIRTUAL_ENV"))]
    ours = {str(ROOT), *(str(path) for path in (ROOT / ".venv").glob("lib/*/site-packages"))}
    ours.add(str(ROOT / "infra" / "local" / "jobs"))
    assert not ours & set(seen["path"])
    assert seen["cwd"].endswith(f"/runs/{run_id}")


def test_cancelling_ends_the_whole_process_group(jobs_server: RunningJobsServer, tmp_path: Path) -> None:
    pids_file = tmp_path / "pids"
    run_id = jobs_server.start_mode("unqueued", "stubborn", pids_file)
    until(pids_file.exists, "the run has started its child")
    pids = [int(pid) for pid in pids_file.read_text().split()]
    jobs_server.client().jobs.cancel_run(run_id)
    jobs_server.wait_state(run_id, "CANCELED")
    assert not [pid for pid in pids if alive(pid)]
    details = jobs_server.run(run_id).status
    assert details
    assert details.termination_details
    assert details.termination_details.code
    assert details.termination_details.code.value == "USER_CANCELED"
    jobs_server.client().jobs.cancel_run(run_id)  # cancelling again is a no-op
    assert jobs_server.state(run_id) == "CANCELED"


def test_the_log_of_a_run_is_readable_while_it_runs(jobs_server: RunningJobsServer, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    run_id = jobs_server.start_mode("queued", "wait", gate)
    until(lambda: f"run {run_id}" in (jobs_server.client().jobs.get_run_output(run_id).logs or ""), "log appears")
    assert os.fspath(gate) in httpx.get(f"{jobs_server.url}/run/{run_id}").text
    gate.touch()
    jobs_server.wait_state(run_id, "SUCCESS")
