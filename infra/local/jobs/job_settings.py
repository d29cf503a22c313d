"""A job from its settings in the API, validated so that mistakes show before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

DYNAMIC = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")
RUN_IF = ("ALL_SUCCESS", "ALL_DONE")


class JobError(ValueError):
    """The job can't run here; the message names the job and says why."""


@dataclass(frozen=True)
class WheelTask:
    """`run_if` is one of RUN_IF; a time limit of 0 means none."""

    task_key: str
    package_name: str
    entry_point: str
    parameters: tuple[str, ...]
    depends_on: tuple[str, ...]
    run_if: str
    max_retries: int
    timeout_seconds: float


@dataclass(frozen=True)
class Job:
    """A job. `settings` is the API resource; a bundle's has all references resolved."""

    job_id: int
    key: str
    name: str
    parameters: Mapping[str, str]
    tasks: tuple[WheelTask, ...]
    """Each after those that it depends on. Empty if there is an unsupported task."""
    unsupported_task: str
    """The key of the first task that is not a python_wheel_task, or empty."""
    max_concurrent_runs: int
    queue: bool
    continuous: bool
    """Always has an active run. False if its trigger is paused."""
    timeout_seconds: float
    settings: Mapping[str, Any]

    @property
    def leaves(self) -> set[str]:
        """The keys of the tasks that no other depends on: they decide the run's result."""
        return {task.task_key for task in self.tasks} - {key for task in self.tasks for key in task.depends_on}


def fill_dynamic(value: str, known: Mapping[str, str]) -> str:
    """`value` with each `{{name}}` substituted. Substituted text is not scanned again."""
    return DYNAMIC.sub(lambda match: known[match[1]], value)


def read_job(job_id: int, key: str, raw: Mapping[str, Any]) -> Job:
    """A job from its settings in the API. Raises JobError, or what an unexpected type leads to."""
    parameters = {str(item["name"]): as_text(item.get("default")) for item in raw.get("parameters") or []}
    tasks = raw.get("tasks") or []
    unsupported = next((str(task.get("task_key")) for task in tasks if "python_wheel_task" not in task), "")
    trigger = raw.get("continuous")
    job = Job(
        job_id=job_id,
        key=key,
        name=str(raw.get("name", key)),
        parameters=parameters,
        tasks=() if unsupported else _sorted(key, [_read_task(key, task, parameters) for task in tasks]),
        unsupported_task=unsupported,
        max_concurrent_runs=int(raw.get("max_concurrent_runs", 1)),
        queue=bool((raw.get("queue") or {}).get("enabled", False)),
        continuous=trigger is not None and trigger.get("pause_status", "UNPAUSED") == "UNPAUSED",
        timeout_seconds=float(raw.get("timeout_seconds") or 0),
        settings=raw,
    )
    if trigger is not None:
        _check_continuous(job)
    return job


def _check_continuous(job: Job) -> None:
    """The platform's rules. Raises JobError."""
    if job.max_concurrent_runs != 1:
        raise JobError(f"job {job.key}: a continuous job has one run at a time, so max_concurrent_runs must be 1")
    for task in job.tasks:
        if task.depends_on or task.max_retries:
            unwanted = "depends_on" if task.depends_on else "max_retries"
            raise JobError(f"job {job.key}, task {task.task_key}: a continuous job can't have {unwanted}")


def _read_task(job: str, raw: dict[str, Any], declared: Mapping[str, str]) -> WheelTask:
    wheel = raw["python_wheel_task"]
    where = f"job {job}, task {raw.get('task_key')}"
    if wheel.get("named_parameters"):
        raise JobError(f"{where}: named_parameters are not supported here, use parameters")
    run_if = str(raw.get("run_if", RUN_IF[0]))
    if run_if not in RUN_IF:
        raise JobError(f"{where}: run_if {run_if} is not supported here, only {' and '.join(RUN_IF)}")
    parameters = tuple(as_text(value) for value in wheel.get("parameters") or [])
    known = {"job.run_id", *(f"job.parameters.{name}" for name in declared)}
    for value in parameters:
        for unknown in set(DYNAMIC.findall(value)) - known:
            hint = "only those and {{job.run_id}} are substituted here"
            raise JobError(f"{where}: {{{{{unknown}}}}} is not a parameter of the job; {hint}")
    return WheelTask(
        task_key=str(raw["task_key"]),
        package_name=str(wheel["package_name"]),
        entry_point=str(wheel["entry_point"]),
        parameters=parameters,
        depends_on=tuple(str(item["task_key"]) for item in raw.get("depends_on") or []),
        run_if=run_if,
        max_retries=int(raw.get("max_retries") or 0),
        timeout_seconds=float(raw.get("timeout_seconds") or 0),
    )


def _sorted(job: str, tasks: list[WheelTask]) -> tuple[WheelTask, ...]:
    by_key = {task.task_key: task for task in tasks}
    try:
        order = TopologicalSorter({task.task_key: task.depends_on for task in tasks}).static_order()
        return tuple(by_key[key] for key in order)
    except (CycleError, KeyError):
        message = "the tasks depend on each other in a cycle, or on a task that does not exist"
        raise JobError(f"job {job}: {message}") from None


def as_text(value: Any) -> str:
    """As a string, like every parameter in the API."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
