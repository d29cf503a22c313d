"""Runs of several tasks: conditions, time limits, and which tasks decide the run's result."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.jobs_fixtures import RunningJobsServer, until

pytestmark = pytest.mark.servers


def results(server: RunningJobsServer, run_id: int) -> dict[str, str]:
    """The result of each task, or its life cycle state."""
    states = {task.task_key: task.state for task in server.run(run_id).tasks or []}
    return {key: str((state.result_state or state.life_cycle_state).value) for key, state in states.items() if state}  # type: ignore[union-attr]


def run_steps(server: RunningJobsServer, **parameters: str) -> int:
    return server.run_now("steps", job_parameters=parameters)


def test_tasks_run_in_the_order_of_their_dependencies_and_wait_blocked(
    jobs_server: RunningJobsServer, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    run_id = run_steps(jobs_server, first="wait", value=str(gate))
    until(lambda: results(jobs_server, run_id) == {"first": "RUNNING", "second": "BLOCKED"}, "the second task is blocked")
    gate.touch()
    jobs_server.wait_state(run_id, "SUCCESS")
    assert results(jobs_server, run_id) == {"first": "SUCCESS", "second": "SUCCESS"}


def test_a_task_that_runs_in_any_case_hides_the_failure_of_an_earlier_one_from_the_runs_result(
    jobs_server: RunningJobsServer,
) -> None:
    """The trap that makes the function look at tasks: only leaves decide whether a run has failed."""
    run_id = run_steps(jobs_server, first="fail", second="print")
    jobs_server.wait_state(run_id, "SUCCESS_WITH_FAILURES")
    assert results(jobs_server, run_id) == {"first": "FAILED", "second": "SUCCESS"}
    state, status = jobs_server.run(run_id).state, jobs_server.run(run_id).status
    assert state
    assert (state.state_message or "").startswith("Task first failed with message: ")
    assert status
    assert status.termination_details
    assert status.termination_details.as_dict()["code"] == "SUCCESS_WITH_FAILURES"


def test_the_failure_of_a_leaf_fails_the_run(jobs_server: RunningJobsServer) -> None:
    run_id = run_steps(jobs_server, first="print", second="fail")
    jobs_server.wait_state(run_id, "FAILED")
    assert results(jobs_server, run_id) == {"first": "SUCCESS", "second": "FAILED"}
    page = httpx.get(f"{jobs_server.url}/run/{run_id}").text
    assert "Error of second" in page
    assert "Error of first" not in page


def test_a_task_that_exceeds_its_own_time_limit_is_ended_and_fails_the_run(
    jobs_server: RunningJobsServer, tmp_path: Path
) -> None:
    run_id = run_steps(jobs_server, second="wait", value=str(tmp_path / "never"))
    jobs_server.wait_state(run_id, "FAILED")
    assert results(jobs_server, run_id) == {"first": "SUCCESS", "second": "TIMEDOUT"}


def test_a_cancellation_also_ends_the_tasks_that_have_not_begun(jobs_server: RunningJobsServer, tmp_path: Path) -> None:
    run_id = run_steps(jobs_server, first="wait", value=str(tmp_path / "never"))
    until(lambda: results(jobs_server, run_id).get("first") == "RUNNING", "the first task runs")
    jobs_server.client().jobs.cancel_run(run_id)
    jobs_server.wait_state(run_id, "CANCELED")
    assert results(jobs_server, run_id) == {"first": "CANCELED", "second": "CANCELED"}
    assert f"mode print run {run_id}" not in (
        jobs_server.client().jobs.get_run_output(task_of(jobs_server, run_id)).logs or ""
    )


def task_of(server: RunningJobsServer, run_id: int) -> int:
    found = (server.run(run_id).tasks or [])[0].run_id
    assert found
    return found
