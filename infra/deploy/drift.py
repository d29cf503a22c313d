"""`make deploy-diff`: what a deployment of this tree would change, without changing it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from infra.deploy import steps
from infra.deploy.settings import Settings
from infra.deploy.shell import ask_json, run

STEPS = ("foundation", "bundle", "function")
_DIFFERS = 2


def differing_steps(settings: Settings, names: Iterable[str] = STEPS) -> list[str]:
    """Print each step's plan. Returns the steps that have something to change. Raises CommandFailed."""
    return [name for name in names if (_bundle_differs(settings) if name == "bundle" else _plan_differs(name, settings))]


def _plan_differs(step: str, settings: Settings) -> bool:
    steps.terraform_init(step, settings, quiet=True)
    # Without a lock: it only reads, and its account in CI may not write.
    options = ("-input=false", "-lock=false", "-detailed-exitcode", f"-var-file={steps.variables_file(step, settings)}")
    env = steps.terraform_environment(step, settings)
    return run(*steps.terraform_command(step), "plan", *options, env=env, accepted=(0, _DIFFERS)) == _DIFFERS


def _bundle_differs(settings: Settings) -> bool:
    env = steps.write_bundle_variables(settings, steps.foundation_outputs(settings))
    command = steps.bundle_command(settings, "plan", "--output", "json")
    plan: dict[str, dict[str, Any]] = ask_json(*command, cwd=steps.BUNDLE, env=env).get("plan") or {}
    changes = {key: entry["action"] for key, entry in plan.items() if entry.get("action", "skip") != "skip"}
    for key, action in changes.items():
        print(f"bundle: {action} {key.removeprefix('resources.')}", file=sys.stderr)
    return bool(changes)
