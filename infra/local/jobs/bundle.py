"""Load the jobs of a Databricks Asset Bundle as the CLI does: includes, variables and target overrides.

References that only a workspace can resolve (`${workspace...}`, lookups) stay as they are. That is an error only if
a job's parameters need them. Jobs are validated here, so that mistakes show before anything runs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from infra.local.jobs.job_settings import Job, JobError, as_text, read_job

# The CLI merges the lists of a target override by these fields, not by position.
LIST_KEYS = {
    "tasks": "task_key",
    "parameters": "name",
    "environments": "environment_key",
    "job_clusters": "job_cluster_key",
}
# What a target may override, and what of the bundle is deployed.
SECTIONS = ("bundle", "workspace", "sync", "permissions", "artifacts", "resources")
REFERENCE = re.compile(r"\$\{([a-zA-Z][\w.-]*)\}")
MAX_DEPTH = 10


class BundleError(ValueError):
    """The bundle is invalid; the message names the file or field and says what to do."""


@dataclass(frozen=True)
class Bundle:
    jobs: tuple[Job, ...]
    wheel_sources: tuple[Path, ...]


def load_bundle(root: Path, target: str, variables: Mapping[str, Any]) -> Bundle:
    """Load the bundle in folder `root` for one target. Raises BundleError."""
    resolved = resolve_bundle(root, target, variables)
    jobs = resolved.get("resources", {}).get("jobs", {})
    artifacts = resolved.get("artifacts", {}).values()
    name = str(resolved.get("bundle", {}).get("name", root.name))
    return Bundle(
        jobs=tuple(_read_job(name, key, raw) for key, raw in jobs.items()),
        wheel_sources=tuple(
            (root / str(item.get("path", "."))).resolve() for item in artifacts if item.get("type") == "whl"
        ),
    )


def resolve_bundle(root: Path, target: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The SECTIONS that are deployed to one target, with all references substituted that need no workspace.

    Raises BundleError.
    """
    document = _read_with_includes(root)
    targets = document.get("targets") or {}
    if target not in targets:
        raise BundleError(f"the bundle has no target {target!r}; its targets: {', '.join(targets)}")
    overrides: dict[str, Any] = targets[target] or {}
    known = _known_references(document, target, overrides, variables)
    base, over = ({name: layer[name] for name in SECTIONS if layer.get(name)} for layer in (document, overrides))
    resolved: dict[str, Any] = _substitute(_merge(base, over), known)
    return resolved


# --- files, variables and overrides


def _read_with_includes(root: Path) -> dict[str, Any]:
    main = root / "databricks.yml"
    if not main.is_file():
        raise BundleError(f"no databricks.yml in {root}; set the bundle folder with --bundle")
    document = _read_yaml(main)
    for pattern in document.get("include") or []:
        for path in sorted(root.glob(pattern)):
            document = _merge(document, _read_yaml(path))
    return document


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise BundleError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(loaded, dict):
        raise BundleError(f"{path} contains no settings")
    return loaded


def _known_references(
    document: dict[str, Any], target: str, overrides: dict[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The values of `${bundle.…}` and `${var.…}`; what is given outranks the target, and that the variable's default."""
    declared: dict[str, Any] = document.get("variables") or {}
    unknown = [name for name in given if name not in declared]
    if unknown:
        raise BundleError(f"the bundle has no variable {unknown[0]!r}; its variables: {', '.join(declared)}")
    known = {f"bundle.{name}": value for name, value in (document.get("bundle") or {}).items()}
    known["bundle.target"] = target
    for layer in (declared, overrides.get("variables") or {}, given):
        for name, stated in layer.items():
            value = stated.get("default") if isinstance(stated, dict) else stated
            if value is not None:
                known[f"var.{name}"] = value
    return known


def _merge(base: Any, over: Any, key: str = "") -> Any:
    """`over` laid upon `base`: mappings by key, the CLI's keyed lists by their key, other lists one after another."""
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {name: _merge(base[name], value, name) if name in base else value for name, value in over.items()}
    if isinstance(base, list) and isinstance(over, list):
        field = LIST_KEYS.get(key)
        if field is None:
            return base + over
        by_key = {item.get(field): item for item in base}
        for item in over:
            by_key[item.get(field)] = _merge(by_key.get(item.get(field), {}), item)
        return list(by_key.values())
    return over


def _substitute(value: Any, known: Mapping[str, Any], depth: int = 0) -> Any:
    """`value` with each known `${name}` substituted; unknown references (`${workspace...}`) stay as they are.

    A string that consists of one reference takes the type of the referenced value, as in the CLI.
    """
    if isinstance(value, dict):
        return {key: _substitute(item, known, depth) for key, item in value.items()}
    if isinstance(value, list):
        return [_substitute(item, known, depth) for item in value]
    if not isinstance(value, str):
        return value
    if depth > MAX_DEPTH:
        raise BundleError(f"{value} refers to itself")
    whole = REFERENCE.fullmatch(value)
    if whole and whole[1] in known:
        return _substitute(known[whole[1]], known, depth + 1)
    return REFERENCE.sub(
        lambda match: str(_substitute(known[match[1]], known, depth + 1)) if match[1] in known else match[0], value
    )


# --- jobs

# What the CLI adds to a job that does not say it.
POSTED_BY_DEFAULT = {"max_concurrent_runs": 1, "queue": {"enabled": True}}


def _read_job(bundle: str, key: str, raw: dict[str, Any]) -> Job:
    """A job as the CLI would post it, with an id that depends only on the names and fits into a JSON number anywhere."""
    for item in raw.get("parameters") or []:
        for missing in REFERENCE.findall(as_text(item.get("default"))):
            hint = f"(set it with --var {missing.removeprefix('var.')}=VALUE)"
            raise BundleError(f"job {key}, parameter {item.get('name')}: ${{{missing}}} has no value {hint}")
    for task in raw.get("tasks") or []:
        for value in (task.get("python_wheel_task") or {}).get("parameters") or []:
            for missing in REFERENCE.findall(as_text(value)):
                raise BundleError(f"job {key}, task {task.get('task_key')}: ${{{missing}}} has no value")
    job_id = int.from_bytes(hashlib.sha256(f"{bundle}/{key}".encode()).digest()[:6], "big")
    try:
        return read_job(job_id, key, {**POSTED_BY_DEFAULT, **raw})
    except JobError as error:
        raise BundleError(str(error)) from None
