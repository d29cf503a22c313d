"""What a server leaves and what the next one finds: after kill -9, and after a clean stop."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from databricks.sdk.errors import InvalidParameterValue

from infra.local.services.process import ServerFailed
from tests.infra.local.jobs.test_runs import alive
from tests.jobs_fixtures import RunningJobsServer, StartJobsServer, until

pytestmark = pytest.mark.servers


def stubborn_run(server: RunningJobsServer, folder: Path) -> tuple[int, list[int]]:
    """A run that ignores TERM, with a child; its id and the pids."""
    pids_file = folder / "pids"
    run_id = server.start_mode("queued", "stubborn", pids_file)
    until(pids_file.exists, "the run has started its child")
    return run_id, [int(pid) for pid in pids_file.read_text().split()]


def test_after_kill_9_running_is_broken_off_queued_goes_on_and_tokens_are_known(
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


def test_two_servers_on_one_folder_or_port_are_refused_in_a_sentence(
    start_jobs_server: StartJobsServer, tmp_path: Path
) -> None:
    server = start_jobs_server(tmp_path / "data")
    with pytest.raises(ServerFailed, match=r"status 2:\nerror: a jobs server is already running on"):
        start_jobs_server(tmp_path / "data")
    port = server.url.rpartition(":")[2]
    with pytest.raises(ServerFailed, match=rf"status 2:\nerror: port {port} .*; choose another with --port$"):
        start_jobs_server(tmp_path / "other", "--port", port)
    with pytest.raises(ServerFailed, match=r"status 2:\nerror: the bundle has no variable 'moed'; it has mode$"):
        start_jobs_server(tmp_path / "third", "--var", "moed=x")


def test_a_run_that_queued_too_long_is_skipped(start_jobs_server: StartJobsServer, tmp_path: Path) -> None:
    server = start_jobs_server(tmp_path / "data", "--queue-timeout", "0.2")
    first = server.start_mode("queued", "wait", tmp_path / "gate")
    second = server.start_mode("queued", "print")
    server.wait_state(second, "MAXIMUM_CONCURRENT_RUNS_REACHED")
    (tmp_path / "gate").touch()
    server.wait_state(first, "SUCCESS")
