"""The queue, time limits and retries; what a server leaves behind and what the next one makes of it."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from databricks.sdk.errors import InvalidParameterValue
from databricks.sdk.service.jobs import QueueSettings

from tests.jobs_fixtures import RunningJobsServer, StartJobsServer, alive, until

pytestmark = pytest.mark.servers


def test_a_run_that_exceeds_its_time_limit_is_ended(jobs_server: RunningJobsServer, tmp_path: Path) -> None:
    run_id = jobs_server.start_mode("short", "wait", tmp_path / "never")
    jobs_server.wait_state(run_id, "TIMEDOUT")
    state = jobs_server.run(run_id).state
    assert state
    assert state.user_cancelled_or_timedout


def test_a_failed_attempt_is_retried_as_often_as_the_task_allows(jobs_server: RunningJobsServer, tmp_path: Path) -> None:
    flaky = jobs_server.start_mode("retried", "flaky", tmp_path / "marker")
    jobs_server.wait_state(flaky, "SUCCESS")
    attempts = [
        (task.attempt_number, task.state.result_state.value if task.state and task.state.result_state else None)
        for task in jobs_server.run(flaky).tasks or []
    ]
    assert attempts == [(0, "FAILED"), (1, "SUCCESS")]
    hopeless = jobs_server.start_mode("retried", "fail")
    jobs_server.wait_state(hopeless, "FAILED")
    assert len(jobs_server.run(hopeless).tasks or []) == 2


def test_the_queue_starts_one_run_after_the_other(jobs_server: RunningJobsServer, tmp_path: Path) -> None:
    gates = [tmp_path / "one", tmp_path / "two", tmp_path / "three"]
    first, second, third = (jobs_server.start_mode("queued", "wait", gate) for gate in gates)
    jobs_server.wait_state(first, "RUNNING")
    queued = jobs_server.run(second)
    assert queued.state
    assert queued.state.life_cycle_state
    assert queued.state.life_cycle_state.value == "QUEUED"
    assert queued.status
    assert queued.status.queue_details
    assert queued.status.queue_details.code
    assert queued.status.queue_details.code.value == "MAX_CONCURRENT_RUNS_REACHED"
    active = {run.run_id for run in jobs_server.client().jobs.list_runs(active_only=True)}
    assert active == {first, second, third}
    jobs_server.client().jobs.cancel_run(second)
    assert jobs_server.state(second) == "CANCELED"
    gates[0].touch()
    jobs_server.wait_state(first, "SUCCESS")
    jobs_server.wait_state(third, "RUNNING")
    gates[2].touch()
    jobs_server.wait_state(third, "SUCCESS")
    assert (jobs_server.run(third).queue_duration or 0) > 0


def test_without_a_queue_the_second_run_is_skipped(jobs_server: RunningJobsServer, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first = jobs_server.start_mode("unqueued", "wait", gate)
    second = jobs_server.start_mode("unqueued", "wait", gate)
    run = jobs_server.run(second)
    assert run.state
    assert run.state.life_cycle_state
    assert run.state.life_cycle_state.value == "SKIPPED"
    assert jobs_server.state(second) == "MAXIMUM_CONCURRENT_RUNS_REACHED"
    gate.touch()
    jobs_server.wait_state(first, "SUCCESS")


def stubborn_run(server: RunningJobsServer, folder: Path) -> tuple[int, list[int]]:
    """Start a run that ignores TERM and has a child process; return its id and the pids."""
    pids_file = folder / "pids"
    run_id = server.start_mode("queued", "stubborn", pids_file)
    until(pids_file.exists, "the run has started its child")
    return run_id, [int(pid) for pid in pids_file.read_text().split()]


def test_after_kill_9_running_runs_fail_queued_runs_start_and_tokens_are_known(
    start_jobs_server: StartJobsServer, tmp_path: Path
) -> None:
    server = start_jobs_server(tmp_path / "data")
    done = server.run_now("queued", idempotency_token="done")
    server.wait_state(done, "SUCCESS")
    deleted = server.run_now("queued", idempotency_token="deleted")
    server.wait_state(deleted, "SUCCESS")
    server.client().jobs.delete_run(deleted)
    running, pids = stubborn_run(server, tmp_path)
    queued = server.run_now("queued", idempotency_token="queued")
    ids = server.job_ids

    server.process.kill()
    until(lambda: not any(alive(pid) for pid in pids), "no process of the run is left", deadline=5)

    again = start_jobs_server(tmp_path / "data")
    assert again.job_ids == ids
    again.wait_state(queued, "SUCCESS")
    state = again.run(running).state
    assert state
    assert state.life_cycle_state
    assert state.life_cycle_state.value == "INTERNAL_ERROR"
    assert "stopped" in (state.state_message or "")
    assert "stopped" in (again.client().jobs.get_run_output(running).error or "")
    assert again.run_now("queued", idempotency_token="done") == done
    assert again.run_now("queued", idempotency_token="queued") == queued
    with pytest.raises(InvalidParameterValue, match="deleted"):
        again.run_now("queued", idempotency_token="deleted")


def test_a_clean_stop_takes_under_3_seconds_and_ends_the_runs(start_jobs_server: StartJobsServer, tmp_path: Path) -> None:
    server = start_jobs_server(tmp_path / "data")
    running, pids = stubborn_run(server, tmp_path)
    queued = server.start_mode("queued", "print")
    started = time.monotonic()
    assert server.process.stop() == 0
    assert time.monotonic() - started < 3
    assert not any(alive(pid) for pid in pids)
    again = start_jobs_server(tmp_path / "data")
    assert again.state(running) == "FAILED"
    again.wait_state(queued, "SUCCESS")


def test_a_run_that_queues_too_long_is_skipped_and_never_runs(start_jobs_server: StartJobsServer, tmp_path: Path) -> None:
    server = start_jobs_server(tmp_path / "data", "--queue-timeout", "0.2")
    first = server.start_mode("queued", "wait", tmp_path / "gate")
    second = server.start_mode("queued", "print")
    server.wait_state(second, "MAXIMUM_CONCURRENT_RUNS_REACHED")
    state = server.run(second).state
    assert state
    assert state.life_cycle_state
    assert state.life_cycle_state.value == "SKIPPED"
    (tmp_path / "gate").touch()
    server.wait_state(first, "SUCCESS")
    assert not server.run(second).tasks, "it never runs"


def test_a_canceled_run_may_finish_what_it_is_doing(jobs_server: RunningJobsServer, tmp_path: Path) -> None:
    batch = tmp_path / "batch"
    run_id = jobs_server.start_mode("unqueued", "batch", batch)
    until(batch.exists, "the batch has begun")
    jobs_server.client().jobs.cancel_run(run_id)
    jobs_server.wait_state(run_id, "CANCELED")
    assert batch.with_name("batch.finished").exists()


def continuous_runs(server: RunningJobsServer) -> list[tuple[int, str]]:
    """Id and state of the continuous job's runs, the oldest first."""
    runs = server.client().jobs.list_runs(job_id=server.job_ids["continuous"])
    return [(run.run_id or 0, server.state(run.run_id or 0)) for run in runs][::-1]


def test_a_continuous_job_runs_from_the_start_and_again_after_each_end(
    start_jobs_server: StartJobsServer, tmp_path: Path
) -> None:
    server = start_jobs_server(tmp_path / "data", "--var=trigger=UNPAUSED", "--var=mode=wait")
    until(lambda: [state for _, state in continuous_runs(server)] == ["RUNNING"], "it runs by itself")
    ((first, _),) = continuous_runs(server)
    assert server.run(first).trigger
    assert server.run(first).trigger.value == "CONTINUOUS"  # type: ignore[union-attr]
    extra = server.client().jobs.run_now(job_id=server.job_ids["continuous"], queue=QueueSettings(enabled=False)).run_id
    assert server.state(extra or 0) == "MAXIMUM_CONCURRENT_RUNS_REACHED"
    server.client().jobs.cancel_run(first)
    until(lambda: [state for _, state in continuous_runs(server)][-1] == "RUNNING", "a new run starts after a cancellation")
    server.process.kill()
    again = start_jobs_server(tmp_path / "data", "--var=trigger=UNPAUSED", "--var=mode=wait")
    until(lambda: [state for _, state in continuous_runs(again)][-1] == "RUNNING", "and with the next server")
    again.process.kill()
    paused = start_jobs_server(tmp_path / "data", "--var=mode=wait")
    assert not list(paused.client().jobs.list_runs(active_only=True)), "a paused trigger starts none"


def test_a_continuous_job_that_fails_is_restarted_ever_more_slowly(
    start_jobs_server: StartJobsServer, tmp_path: Path
) -> None:
    server = start_jobs_server(tmp_path / "data", "--var=trigger=UNPAUSED", "--var=mode=fail")
    until(lambda: len(continuous_runs(server)) == 3, "it is restarted after each failure")
    runs = [server.run(run_id) for run_id, _ in continuous_runs(server)]
    first, second = ((after.start_time or 0) - (before.end_time or 0) for before, after in pairwise(runs))
    assert 2000 <= first < second
    assert second >= 4000
