"""Load a Databricks Asset Bundle as the CLI does: includes, variables and target overrides.

References that only a workspace can resolve (`${workspace...}`, lookups) stay as they are. That is an error only if
a job's parameters need them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from infra.local.jobs.job import BundleError, Job, read_job
from infra.local.jobs.substitution import substitute

# The CLI merges the lists of a target override by these fields, not by position.
LIST_KEYS = {
    "tasks": "task_key",
    "parameters": "name",
    "environments": "environment_key",
    "job_clusters": "job_cluster_key",
}


@dataclass(frozen=True)
class Bundle:
    name: str
    target: str
    jobs: tuple[Job, ...]
    wheel_sources: tuple[Path, ...]


def load_bundle(root: Path, target: str | None = None, variables: Mapping[str, str] | None = None) -> Bundle:
    """Load the bundle in folder `root` for one target (None: the default target). Raises BundleError."""
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
        jobs=tuple(read_job(name, key, raw) for key, raw in raw_jobs.items()),
        wheel_sources=tuple(path.resolve() for path in sources),
    )


def _read_with_includes(root: Path) -> dict[str, Any]:
    main = next((root / name for name in ("databricks.yml", "databricks.yaml") if (root / name).is_file()), None)
    if main is None:
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


def _choose_target(document: dict[str, Any], wanted: str | None) -> tuple[str, dict[str, Any]]:
    targets: dict[str, Any] = document.get("targets") or {}
    if wanted is None:
        defaults = [name for name, target in targets.items() if (target or {}).get("default")]
        wanted = defaults[0] if defaults else next(iter(targets), "default")
    if targets and wanted not in targets:
        raise BundleError(f"the bundle has no target {wanted!r}; its targets: {', '.join(targets)}")
    return wanted, targets.get(wanted) or {}


def _known_references(
    document: dict[str, Any], target: str, overrides: dict[str, Any], given: Mapping[str, str]
) -> dict[str, Any]:
    declared: dict[str, Any] = document.get("variables") or {}
    unknown = [name for name in given if name not in declared]
    if unknown:
        raise BundleError(f"the bundle has no variable {unknown[0]!r}; its variables: {', '.join(declared)}")
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
