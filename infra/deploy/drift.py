"""`make deploy-diff`: what a deployment of this tree would change, without changing it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from infra.deploy.settings import Settings
from infra.deploy.shell import ask_json, run
from infra.deploy.steps import (
    BUNDLE,
    deployed_job_id,
    foundation_outputs,
    foundation_variables_file,
    function_variables_file,
    terraform_command,
    terraform_environment,
    terraform_init,
    write_bundle_variables,
)

STEPS = ("foundation", "bundle", "function")
_DIFFERS = 2


def differing_steps(settings: Settings, steps: Iterable[str] = STEPS) -> list[str]:
    """Print each step's plan. Returns the steps that have something to change. Raises CommandFailed."""
    checks = {"foundation": _foundation_differs, "bundle": _bundle_differs, "function": _function_differs}
    return [step for step in steps if checks[step](settings)]


def _foundation_differs(settings: Settings) -> bool:
    terraform_init("foundation", settings, quiet=True)
    return _plan_differs("foundation", settings, foundation_variables_file(settings))


def _function_differs(settings: Settings) -> bool:
    file = function_variables_file(settings, deployed_job_id(settings, foundation_outputs(settings)))
    terraform_init("function", settings, quiet=True)
    return _plan_differs("function", settings, file)


def _plan_differs(step: str, settings: Settings, file: Path) -> bool:
    # Without a lock: it only reads, and its account in CI may not write.
    options = ("-input=false", "-lock=false", "-detailed-exitcode", f"-var-file={file}")
    env = terraform_environment(step, settings)
    return run(*terraform_command(step), "plan", *options, env=env, accepted=(0, _DIFFERS)) == _DIFFERS


def _bundle_differs(settings: Settings) -> bool:
    env = write_bundle_variables(settings, foundation_outputs(settings))
    command = ("databricks", "bundle", "plan", "--target", settings["BUNDLE_TARGET"], "--output", "json")
    plan: dict[str, dict[str, Any]] = ask_json(*command, cwd=BUNDLE, env=env).get("plan") or {}
    changes = {key: entry["action"] for key, entry in plan.items() if entry.get("action", "skip") != "skip"}
    for key, action in changes.items():
        print(f"bundle: {action} {key.removeprefix('resources.')}", file=sys.stderr)
    return bool(changes)
