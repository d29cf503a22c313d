"""What a job's settings mean here, and what is refused because it would not run as on the platform."""

from __future__ import annotations

from typing import Any

import pytest

from infra.local.jobs.job_settings import JobError, read_job


def task(key: str = "one", **settings: Any) -> dict[str, Any]:
    return {"task_key": key, "python_wheel_task": {"package_name": "p", "entry_point": "e"}, **settings}


def job(*tasks: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {"name": "j", "tasks": list(tasks or [task()]), **settings}


def test_tasks_come_after_those_that_they_depend_on_and_the_last_ones_are_the_leaves() -> None:
    read = read_job(1, "j", job(task("b", depends_on=[{"task_key": "a"}], run_if="ALL_DONE", timeout_seconds=5), task("a")))
    assert [(one.task_key, one.run_if, one.timeout_seconds) for one in read.tasks] == [
        ("a", "ALL_SUCCESS", 0),
        ("b", "ALL_DONE", 5),
    ]
    assert read.leaves == {"b"}


@pytest.mark.parametrize(
    ("trigger", "continuous"),
    [(None, False), ({}, True), ({"pause_status": "UNPAUSED"}, True), ({"pause_status": "PAUSED"}, False)],
)
def test_a_job_is_continuous_unless_its_trigger_is_paused(trigger: dict[str, str] | None, continuous: bool) -> None:
    assert read_job(1, "j", job(**({} if trigger is None else {"continuous": trigger}))).continuous is continuous


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (job(continuous={}, max_concurrent_runs=2), "job j: .*max_concurrent_runs must be 1"),
        (job(task(max_retries=1), continuous={}), "task one: a continuous job can't have max_retries"),
        (job(task("a"), task("b", depends_on=[{"task_key": "a"}]), continuous={}), "task b: .* can't have depends_on"),
        (job(task(run_if="AT_LEAST_ONE_FAILED")), "task one: run_if AT_LEAST_ONE_FAILED is not supported here"),
        (job(task("a", depends_on=[{"task_key": "b"}])), "in a cycle, or on a task that does not exist"),
    ],
)
def test_what_the_platform_or_this_server_refuses(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(JobError, match=message):
        read_job(1, "j", settings)
