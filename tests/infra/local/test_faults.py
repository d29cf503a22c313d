"""Injected faults act on Google's and Databricks' clients as the cloud's own do."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from databricks.sdk.errors import InternalError
from google.api_core.exceptions import Forbidden
from google.cloud import storage

from infra.local.services.process import ServerProcess
from tests.jobs_fixtures import RunningJobsServer

pytestmark = pytest.mark.servers


@pytest.fixture
def faults(storage_server: ServerProcess, bucket: storage.Bucket) -> Iterator[Any]:
    """Adds faults that affect only this test's bucket."""
    url = f"{storage_server.url}/_local/faults"

    def add(**fields: Any) -> httpx.Response:
        return httpx.post(url, json={"path_regex": bucket.name, **fields})

    yield add
    httpx.delete(url).raise_for_status()


def test_a_fault_can_return_any_status(bucket: storage.Bucket, faults: Any) -> None:
    faults(action="status", status=403, times=1)
    with pytest.raises(Forbidden):
        bucket.get_blob("x")
    assert bucket.get_blob("x") is None


def test_retry_after_is_sent_and_faults_are_counted(
    storage_server: ServerProcess, bucket: storage.Bucket, faults: Any
) -> None:
    faults(action="status", status=429, retry_after=2, times=2, method="get")
    url = f"{storage_server.url}/storage/v1/b/{bucket.name}"
    answers = [httpx.get(url) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["retry-after"] == "2"
    (rule,) = httpx.get(f"{storage_server.url}/_local/faults").json()["faults"]
    assert (rule["left"], rule["struck"]) == (0, 2)


@pytest.mark.parametrize("fault", [{"action": "status", "status": 503}, {"action": "reset"}])
def test_the_storage_client_retries(bucket: storage.Bucket, faults: Any, fault: dict[str, Any]) -> None:
    faults(times=1, **fault)
    bucket.blob("x").upload_from_string("x", if_generation_match=0)
    faults(times=1, **fault)
    assert bucket.blob("x").download_as_bytes() == b"x"


def test_a_lost_response_makes_the_retry_fail_its_precondition(bucket: storage.Bucket, faults: Any) -> None:
    """The pitfall of preconditions: the first request succeeded, so the retry is refused."""
    faults(action="reset", phase="after", method="POST")
    with pytest.raises(Exception, match="pre-conditions"):
        bucket.blob("x").upload_from_string("x", if_generation_match=0)
    assert bucket.blob("x").download_as_bytes() == b"x"


def test_requests_can_hang_or_be_slow(bucket: storage.Bucket, faults: Any) -> None:
    blob = bucket.blob("x")
    blob.upload_from_string("x" * 1000)
    faults(action="hang")
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(blob.media_link, timeout=0.2)
    faults(action="slow", seconds=0.3)
    began = time.monotonic()
    assert len(httpx.get(blob.media_link).content) == 1000
    assert time.monotonic() - began >= 0.3
    faults(action="slow", seconds=5)
    with pytest.raises(httpx.ReadTimeout), httpx.stream("GET", blob.media_link, timeout=0.3) as answer:
        answer.read()


def test_invalid_faults_are_refused(faults: Any) -> None:
    for wrong in ({"action": "explode"}, {"action": "hang", "path_regex": "("}, {"action": "hang", "colour": 1}):
        assert faults(**wrong).status_code == 400


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
def test_a_lost_response_is_retried_and_still_starts_one_run(jobs_server: RunningJobsServer, action: str) -> None:
    before = posts(jobs_server)
    runs = sum(jobs_server.stats()["runs"].values())
    jobs_server.fault(action=action, phase="after", retry_after=0, **RUN_NOW)
    run_id = jobs_server.run_now("queued", idempotency_token=uuid.uuid4().hex)
    jobs_server.wait_state(run_id, "SUCCESS")
    assert posts(jobs_server) == before + 2
    assert sum(jobs_server.stats()["runs"].values()) == runs + 1


def test_an_internal_error_is_not_retried(jobs_server: RunningJobsServer) -> None:
    jobs_server.fault(action="status", status=500, **RUN_NOW)
    with pytest.raises(InternalError, match="injected fault"):
        jobs_server.run_now("queued")


def test_a_hanging_server_runs_into_the_clients_timeout(jobs_server: RunningJobsServer) -> None:
    jobs_server.fault(action="hang", times=5, **RUN_NOW)
    client = jobs_server.client(http_timeout_seconds=0.2, retry_timeout_seconds=1)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        client.jobs.run_now(job_id=jobs_server.job_ids["queued"], idempotency_token="hangs")
    assert time.monotonic() - started < 10
    httpx.delete(f"{jobs_server.url}/_local/faults").raise_for_status()
    assert httpx.get(f"{jobs_server.url}/_local/faults").json() == {"faults": []}


def test_a_slow_response_arrives_completely(jobs_server: RunningJobsServer) -> None:
    jobs_server.fault(action="slow", seconds=0.3, path_regex="/jobs/list")
    started = time.monotonic()
    assert len(list(jobs_server.client().jobs.list())) == len(jobs_server.job_ids)
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize(
    ("described", "named"),
    [
        ({"action": "explode"}, "action"),
        ({"action": "reset", "phase": "during"}, "phase"),
        ({"action": "reset", "path_regex": "("}, "path_regex"),
        ({"action": "reset", "tims": 1}, "tims"),
        ("reset", "object"),
    ],
)
def test_an_invalid_fault_is_named(jobs_server: RunningJobsServer, described: object, named: str) -> None:
    answer = httpx.post(f"{jobs_server.url}/_local/faults", json=described)
    assert answer.status_code == 400
    assert named in answer.json()["error"]
