"""Faults that are ordered strike the SDK as the cloud's do, and the SDK gets over those it can."""

from __future__ import annotations

import time
import uuid

import httpx
import pytest
from databricks.sdk.errors import InternalError

from tests.jobs_fixtures import RunningJobsServer

pytestmark = pytest.mark.servers

RUN_NOW = {"method": "POST", "path_regex": "/run-now$"}


def posts(server: RunningJobsServer) -> int:
    return int(server.stats()["requests"].get("POST /api/2.2/jobs/run-now", 0))


@pytest.mark.parametrize("status", [429, 503])
def test_throttling_is_retried_by_the_sdk(jobs_server: RunningJobsServer, status: int) -> None:
    before = posts(jobs_server)
    jobs_server.fault(action="status", status=status, retry_after=0, times=2, **RUN_NOW)
    run_id = jobs_server.run_now("queued", idempotency_token=uuid.uuid4().hex)
    assert jobs_server.wait_state(run_id, "SUCCESS")
    assert posts(jobs_server) == before + 1
    assert httpx.get(f"{jobs_server.url}/_local/faults").json()["faults"][-1]["struck"] == 2


@pytest.mark.parametrize("action", ["status", "reset"])
def test_an_answer_lost_after_the_work_is_repeated_and_still_one_run(jobs_server: RunningJobsServer, action: str) -> None:
    before = posts(jobs_server)
    runs = sum(jobs_server.stats()["runs"].values())
    jobs_server.fault(action=action, phase="after", retry_after=0, **RUN_NOW)
    run_id = jobs_server.run_now("queued", idempotency_token=uuid.uuid4().hex)
    jobs_server.wait_state(run_id, "SUCCESS")
    assert posts(jobs_server) == before + 2
    assert sum(jobs_server.stats()["runs"].values()) == runs + 1


def test_an_internal_error_is_not_retried(jobs_server: RunningJobsServer) -> None:
    jobs_server.fault(action="status", status=500, **RUN_NOW)
    with pytest.raises(InternalError, match="ordered"):
        jobs_server.run_now("queued")


def test_a_hanging_server_runs_into_the_clients_patience(jobs_server: RunningJobsServer) -> None:
    jobs_server.fault(action="hang", times=5, **RUN_NOW)
    client = jobs_server.client(http_timeout_seconds=0.2, retry_timeout_seconds=1)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        client.jobs.run_now(job_id=jobs_server.job_ids["queued"], idempotency_token="hangs")
    assert time.monotonic() - started < 10
    httpx.delete(f"{jobs_server.url}/_local/faults").raise_for_status()
    assert httpx.get(f"{jobs_server.url}/_local/faults").json() == {"faults": []}


def test_a_slow_answer_arrives_whole(jobs_server: RunningJobsServer) -> None:
    jobs_server.fault(action="slow", seconds=0.3, path_regex="/jobs/list")
    started = time.monotonic()
    assert len(list(jobs_server.client().jobs.list())) == len(jobs_server.job_ids)
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize(
    ("order", "named"),
    [
        ({"action": "explode"}, "action"),
        ({"action": "reset", "phase": "during"}, "phase"),
        ({"action": "reset", "path_regex": "("}, "path_regex"),
        ({"action": "reset", "tims": 1}, "tims"),
        ("reset", "object"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(jobs_server: RunningJobsServer, order: object, named: str) -> None:
    answer = httpx.post(f"{jobs_server.url}/_local/faults", json=order)
    assert answer.status_code == 400
    assert named in answer.json()["error"]
