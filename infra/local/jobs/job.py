"""A job of the bundle. Its settings are validated here, so that mistakes show before anything runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.local.jobs.substitution import dynamic_references, unresolved


class BundleError(ValueError):
    """The bundle is invalid; the message names the file or field and says what to do."""


@dataclass(frozen=True)
class WheelTask:
    task_key: str
    package_name: str
    entry_point: str
    parameters: tuple[str, ...]
    depends_on: tuple[str, ...]
    max_retries: int
    min_retry_interval_ms: int
    retry_on_timeout: bool
    timeout_seconds: float


@dataclass(frozen=True)
class Job:
    """A job of the bundle. `settings` is the API resource with all references resolved."""

    job_id: int
    key: str
    name: str
    parameters: Mapping[str, str]
    tasks: tuple[WheelTask, ...]
    unsupported_tasks: tuple[str, ...]
    max_concurrent_runs: int
    queue: bool
    timeout_seconds: float
    settings: Mapping[str, Any]


def stable_id(*names: str) -> int:
    """An id that depends only on the names and fits into a JSON number in any language."""
    return int.from_bytes(hashlib.sha256("/".join(names).encode()).digest()[:6], "big")


def read_job(bundle: str, key: str, raw: dict[str, Any]) -> Job:
    parameters = {}
    for item in raw.get("parameters") or []:
        missing = unresolved(item.get("default"))
        if missing:
            raise BundleError(
                f"job {key}, parameter {item['name']}: ${{{missing[0]}}} has no value"
                f" (set it with --var {missing[0].removeprefix('var.')}=VALUE)"
            )
        parameters[str(item["name"])] = _text(item.get("default"))
    tasks = [task for task in raw.get("tasks") or [] if "python_wheel_task" in task]
    others = [task.get("task_key", "?") for task in raw.get("tasks") or [] if "python_wheel_task" not in task]
    return Job(
        job_id=stable_id(bundle, key),
        key=key,
        name=str(raw.get("name", key)),
        parameters=parameters,
        tasks=tuple(_sorted(key, [_task(key, task, parameters) for task in tasks], set(others))),
        unsupported_tasks=tuple(others),
        max_concurrent_runs=int(raw.get("max_concurrent_runs", 1)),
        queue=bool((raw.get("queue") or {}).get("enabled", False)),
        timeout_seconds=float(raw.get("timeout_seconds") or 0),
        settings={**raw, "format": "MULTI_TASK"},
    )


def _task(job: str, raw: dict[str, Any], declared: Mapping[str, str]) -> WheelTask:
    wheel = raw["python_wheel_task"]
    where = f"job {job}, task {raw.get('task_key')}"
    if wheel.get("named_parameters"):
        raise BundleError(f"{where}: named_parameters are not supported here, use parameters")
    parameters = [_text(value) for value in wheel.get("parameters") or []]
    for value in parameters:
        if unresolved(value):
            raise BundleError(f"{where}: ${{{unresolved(value)[0]}}} has no value")
        for name in dynamic_references(value):
            if name.startswith("job.parameters.") and name.removeprefix("job.parameters.") not in declared:
                raise BundleError(f"{where}: {{{{{name}}}}} is not a parameter of the job")
    return WheelTask(
        task_key=str(raw["task_key"]),
        package_name=str(wheel["package_name"]),
        entry_point=str(wheel["entry_point"]),
        parameters=tuple(parameters),
        depends_on=tuple(str(item["task_key"]) for item in raw.get("depends_on") or []),
        max_retries=int(raw.get("max_retries") or 0),
        min_retry_interval_ms=int(raw.get("min_retry_interval_millis") or 0),
        retry_on_timeout=bool(raw.get("retry_on_timeout", False)),
        timeout_seconds=float(raw.get("timeout_seconds") or 0),
    )


def _sorted(job: str, tasks: list[WheelTask], unsupported: set[str]) -> list[WheelTask]:
    """The tasks, each after those that it depends on."""
    ordered: list[WheelTask] = []
    waiting = list(tasks)
    while waiting:
        done = unsupported | {task.task_key for task in ordered}
        ready = [task for task in waiting if done.issuperset(task.depends_on)]
        if not ready:
            raise BundleError(f"job {job}: the tasks depend on each other in a cycle, or on a task that does not exist")
        ordered += ready
        waiting = [task for task in waiting if task not in ready]
    return ordered


def _text(value: Any) -> str:
    """As a string, like every parameter in the API."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
