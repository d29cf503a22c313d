"""Reads a Databricks Asset Bundle as the CLI would: includes, variables, target overrides. Purely reading.

What only a workspace knows (`${workspace...}`, lookups) stays unresolved, and that is an error only where a
job's parameters need it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from infra.local.jobs.substitution import dynamic_references, substitute, unresolved

# How the CLI merges lists of a target's override into the resource: by this field, not by position.
LIST_KEYS = {
    "tasks": "task_key",
    "parameters": "name",
    "environments": "environment_key",
    "job_clusters": "job_cluster_key",
}


class BundleError(ValueError):
    """The bundle cannot be used; the message says which file or field, and what to do."""


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
    """One job of the bundle. `settings` is the resource as the API shows it, all references filled in."""

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


@dataclass(frozen=True)
class Bundle:
    name: str
    target: str
    jobs: tuple[Job, ...]
    wheel_sources: tuple[Path, ...]


def load_bundle(root: Path, target: str | None = None, variables: Mapping[str, str] | None = None) -> Bundle:
    """The bundle in folder `root`, for one target (the default one if not said). Raises BundleError."""
    document = _read_with_includes(root)
    target, overrides = _choose_target(document, target)
    known = _known_references(document, target, overrides, variables or {})
    resources = _merge(document.get("resources") or {}, overrides.get("resources") or {})
    name = str((document.get("bundle") or {}).get("name", root.name))
    artifacts = _merge(document.get("artifacts") or {}, overrides.get("artifacts") or {})
    sources = (root / str(item.get("path", ".")) for item in artifacts.values() if item.get("type") == "whl")
    try:
        raw_jobs = substitute(resources.get("jobs") or {}, known)
    except ValueError as error:
        raise BundleError(str(error)) from None
    return Bundle(
        name=name,
        target=target,
        jobs=tuple(_job(name, key, raw) for key, raw in raw_jobs.items()),
        wheel_sources=tuple(path.resolve() for path in sources),
    )


def _read_with_includes(root: Path) -> dict[str, Any]:
    main = next((root / name for name in ("databricks.yml", "databricks.yaml") if (root / name).is_file()), None)
    if main is None:
        raise BundleError(f"no databricks.yml in {root}; give the bundle's folder with --bundle")
    document = _read_yaml(main)
    for pattern in document.get("include") or []:
        for path in sorted(root.glob(pattern)):
            document = _merge(document, _read_yaml(path))
    return document


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise BundleError(f"{path} is not YAML: {error}") from None
    if not isinstance(loaded, dict):
        raise BundleError(f"{path} has no settings in it")
    return loaded


def _choose_target(document: dict[str, Any], wanted: str | None) -> tuple[str, dict[str, Any]]:
    targets: dict[str, Any] = document.get("targets") or {}
    if wanted is None:
        defaults = [name for name, target in targets.items() if (target or {}).get("default")]
        wanted = defaults[0] if defaults else next(iter(targets), "default")
    if targets and wanted not in targets:
        raise BundleError(f"the bundle has no target {wanted!r}; it has {', '.join(targets)}")
    return wanted, targets.get(wanted) or {}


def _known_references(
    document: dict[str, Any], target: str, overrides: dict[str, Any], given: Mapping[str, str]
) -> dict[str, Any]:
    declared: dict[str, Any] = document.get("variables") or {}
    unknown = [name for name in given if name not in declared]
    if unknown:
        raise BundleError(f"the bundle has no variable {unknown[0]!r}; it has {', '.join(declared)}")
    known: dict[str, Any] = {"bundle.target": target}
    known.update({f"bundle.{name}": value for name, value in (document.get("bundle") or {}).items()})
    for name, declaration in declared.items():
        override = (overrides.get("variables") or {}).get(name)
        for source in (declaration, override):
            if isinstance(source, dict) and "default" in source:
                known[f"var.{name}"] = source["default"]
            elif source is override and override is not None and not isinstance(override, dict):
                known[f"var.{name}"] = override
        if name in given:
            known[f"var.{name}"] = given[name]
    return known


def _merge(base: Any, over: Any, key: str = "") -> Any:
    """`over` laid upon `base`: mappings by key, the CLI's keyed lists by their key, other lists one after another."""
    if isinstance(base, dict) and isinstance(over, dict):
        merged = dict(base)
        for name, value in over.items():
            merged[name] = _merge(base[name], value, name) if name in base else value
        return merged
    if isinstance(base, list) and isinstance(over, list):
        field = LIST_KEYS.get(key)
        if field is None:
            return base + over
        by_key = {item.get(field): item for item in base}
        for item in over:
            by_key[item.get(field)] = _merge(by_key.get(item.get(field), {}), item)
        return list(by_key.values())
    return over


def stable_id(*names: str) -> int:
    """The same id for the same names on every machine, and small enough for a JSON number in any language."""
    return int.from_bytes(hashlib.sha256("/".join(names).encode()).digest()[:6], "big")


def _job(bundle: str, key: str, raw: dict[str, Any]) -> Job:
    parameters = {}
    for item in raw.get("parameters") or []:
        missing = unresolved(item.get("default"))
        if missing:
            raise BundleError(
                f"job {key}, parameter {item['name']}: nothing given for ${{{missing[0]}}}"
                f" (give it with --var {missing[0].removeprefix('var.')}=VALUE)"
            )
        parameters[str(item["name"])] = _text(item.get("default"))
    tasks = [task for task in raw.get("tasks") or [] if "python_wheel_task" in task]
    others = [task.get("task_key", "?") for task in raw.get("tasks") or [] if "python_wheel_task" not in task]
    return Job(
        job_id=stable_id(bundle, key),
        key=key,
        name=str(raw.get("name", key)),
        parameters=parameters,
        tasks=tuple(_in_order(key, [_task(key, task, parameters) for task in tasks], set(others))),
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
        raise BundleError(f"{where}: named_parameters are not run here, use parameters")
    parameters = [_text(value) for value in wheel.get("parameters") or []]
    for value in parameters:
        if unresolved(value):
            raise BundleError(f"{where}: nothing given for ${{{unresolved(value)[0]}}}")
        for name in dynamic_references(value):
            if name.startswith("job.parameters.") and name.removeprefix("job.parameters.") not in declared:
                raise BundleError(f"{where}: {{{{{name}}}}} is not among the job's parameters")
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


def _in_order(job: str, tasks: list[WheelTask], not_run: set[str]) -> list[WheelTask]:
    """Tasks so that each comes after those it depends on."""
    ordered: list[WheelTask] = []
    waiting = list(tasks)
    while waiting:
        done = not_run | {task.task_key for task in ordered}
        ready = [task for task in waiting if done.issuperset(task.depends_on)]
        if not ready:
            raise BundleError(f"job {job}: the tasks wait for each other, or for a task that there isn't")
        ordered += ready
        waiting = [task for task in waiting if task not in ready]
    return ordered


def _text(value: Any) -> str:
    """As the API has it, where every parameter is a string."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
