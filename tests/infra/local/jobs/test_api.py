"""The Jobs API: idempotency tokens, parameters, lists and deletion; invalid requests are refused as on the platform."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from databricks.sdk.errors import BadRequest, InvalidParameterValue, NotFound, ResourceDoesNotExist, Unauthenticated
from databricks.sdk.service.jobs import QueueSettings

from tests.jobs_fixtures import RunningJobsServer

pytestmark = pytest.mark.servers


def fresh_token() -> str:
    return uuid.uuid4().hex


@pytest.mark.parametrize("mode", ["print", "fail"])
def test_a_known_token_returns_its_run_even_after_it_has_ended(jobs_server: RunningJobsServer, mode: str) -> None:
    token = fresh_token()
    run_id = jobs_server.start_mode("queued", mode, idempotency_token=token)
    assert jobs_server.start_mode("queued", mode, idempotency_token=token) == run_id
    jobs_server.wait_state(run_id, "SUCCESS", "FAILED")
    assert jobs_server.run_now("queued", idempotency_token=token) == run_id


def test_one_token_from_many_requests_at_once_is_one_run(jobs_server: RunningJobsServer) -> None:
    before = {run.run_id for run in jobs_server.client().jobs.list_runs()}
    token, client = fresh_token(), jobs_server.client()

    def run_now(_number: int) -> int | None:
        return client.jobs.run_now(job_id=jobs_server.job_ids["queued"], idempotency_token=token).run_id

    with ThreadPoolExecutor(16) as pool:
        run_ids = set(pool.map(run_now, range(48)))
    assert len(run_ids) == 1
    assert {run.run_id for run in jobs_server.client().jobs.list_runs()} - before == run_ids
    jobs_server.wait_state(next(iter(run_ids)) or 0, "SUCCESS")


def test_a_token_has_at_most_64_characters(jobs_server: RunningJobsServer) -> None:
    good = fresh_token().ljust(64, "x")
    jobs_server.wait_state(jobs_server.run_now("queued", idempotency_token=good), "SUCCESS")
    with pytest.raises(InvalidParameterValue, match="at most 64 characters"):
        jobs_server.run_now("queued", idempotency_token=good + "x")


def test_the_token_of_a_deleted_run_stays_an_error(jobs_server: RunningJobsServer) -> None:
    token = fresh_token()
    run_id = jobs_server.run_now("queued", idempotency_token=token)
    jobs_server.wait_state(run_id, "SUCCESS")
    jobs_server.client().jobs.delete_run(run_id)
    with pytest.raises(ResourceDoesNotExist):
        jobs_server.run(run_id)
    with pytest.raises(InvalidParameterValue, match="deleted"):
        jobs_server.run_now("queued", idempotency_token=token)


def test_an_active_run_cannot_be_deleted(jobs_server: RunningJobsServer, tmp_path: Path) -> None:
    run_id = jobs_server.start_mode("queued", "wait", tmp_path / "gate")
    with pytest.raises(BadRequest, match="active"):
        jobs_server.client().jobs.delete_run(run_id)
    jobs_server.client().jobs.cancel_run(run_id)
    jobs_server.wait_state(run_id, "CANCELED")


def test_undeclared_parameters_are_refused_by_name_and_start_nothing(jobs_server: RunningJobsServer) -> None:
    runs = jobs_server.stats()["runs"]
    with pytest.raises(InvalidParameterValue, match="contract_versoin"):
        jobs_server.run_now("queued", job_parameters={"mode": "print", "contract_versoin": "1"})
    for legacy in ({"python_named_params": {"a": "b"}}, {"python_params": ["a"]}, {"notebook_params": {"a": "b"}}):
        with pytest.raises(InvalidParameterValue, match=next(iter(legacy))):
            jobs_server.run_now("queued", **legacy)
    assert jobs_server.stats()["runs"] == runs


def test_given_parameters_are_shown_with_their_effective_values(jobs_server: RunningJobsServer) -> None:
    run_id = jobs_server.start_mode("queued", "print", "given")
    jobs_server.wait_state(run_id, "SUCCESS")
    shown = {p.name: (p.default, p.value) for p in jobs_server.run(run_id).job_parameters or []}
    assert shown == {"mode": ("print", "print"), "value": ("", "given")}


def test_a_request_can_enable_the_queue(jobs_server: RunningJobsServer, tmp_path: Path) -> None:
    first = jobs_server.start_mode("unqueued", "wait", tmp_path / "gate")
    second = jobs_server.start_mode("unqueued", "print", queue=QueueSettings(enabled=True))
    assert jobs_server.state(second) == "QUEUED"
    (tmp_path / "gate").touch()
    jobs_server.wait_state(first, "SUCCESS")
    jobs_server.wait_state(second, "SUCCESS")


def test_jobs_are_found_by_case_insensitive_name_and_by_id(jobs_server: RunningJobsServer) -> None:
    jobs = jobs_server.client().jobs
    assert [job.job_id for job in jobs.list(name="QUEUED")] == [jobs_server.job_ids["queued"]]
    assert not list(jobs.list(name="none of these"))
    assert len(list(jobs.list(limit=1))) == len(jobs_server.job_ids)
    settings = jobs.get(jobs_server.job_ids["queued"]).settings
    assert settings
    assert [parameter.name for parameter in settings.parameters or []] == ["mode", "value"]
    with pytest.raises(ResourceDoesNotExist):
        jobs.get(1)


def test_runs_are_listed_newest_first_with_pages_and_filters(jobs_server: RunningJobsServer) -> None:
    jobs, job_id = jobs_server.client().jobs, jobs_server.job_ids["queued"]
    made = [jobs_server.run_now("queued") for _ in range(5)]
    for run_id in made:
        jobs_server.wait_state(run_id, "SUCCESS")
    paged = [run.run_id for run in jobs.list_runs(job_id=job_id, limit=2)]
    assert paged[:5] == made[::-1]
    assert len(paged) == len(set(paged))
    completed = {run.run_id for run in jobs.list_runs(job_id=job_id, completed_only=True)}
    assert completed.issuperset(made)
    assert not list(jobs.list_runs(job_id=job_id, active_only=True))
    middle = jobs.get_run(made[2]).start_time
    assert set(made[2:]) <= {run.run_id for run in jobs.list_runs(start_time_from=middle)}
    assert made[0] not in {run.run_id for run in jobs.list_runs(start_time_from=middle)}
    assert all(not run.tasks for run in jobs.list_runs(job_id=job_id))
    assert all(run.tasks for run in jobs.list_runs(job_id=job_id, expand_tasks=True) if run.run_id in made)
    with pytest.raises(InvalidParameterValue, match="limit"):
        list(jobs.list_runs(limit=26))
    with pytest.raises(InvalidParameterValue):
        list(jobs.list_runs(active_only=True, completed_only=True))


def test_a_wrong_or_missing_login_is_a_401(jobs_server: RunningJobsServer) -> None:
    with pytest.raises(Unauthenticated):
        list(jobs_server.client(token="wrong").jobs.list())
    assert httpx.get(f"{jobs_server.url}/api/2.2/jobs/list").status_code == 401


@pytest.mark.parametrize("body", ["", "[]", "{", '{"job_id": "x"}', '{"job_id": 1}', '{"job_id": null}'])
def test_malformed_requests_are_refused_as_json(jobs_server: RunningJobsServer, body: str) -> None:
    answer = httpx.post(f"{jobs_server.url}/api/2.1/jobs/run-now", content=body, headers={"Authorization": "Bearer local"})
    assert answer.status_code == 400
    assert set(answer.json()) == {"error_code", "message"}


def test_an_unknown_endpoint_is_a_404_with_the_real_apis_message(jobs_server: RunningJobsServer) -> None:
    with pytest.raises(NotFound, match=r"No API found for 'GET /api/2\.0/clusters/get'"):
        jobs_server.client().api_client.do("GET", "/api/2.0/clusters/get")
