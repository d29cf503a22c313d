"""`make rollback`: deploy the jobs and the functions of an earlier commit with its own code, without its tests."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from infra.deploy import steps
from infra.deploy.settings import FIELDS, Settings
from infra.deploy.shell import CommandFailed, ask, run

MARKER = "infra/deploy/rollback.py"
"""Commits without this file don't know the current settings, states and wheels."""


def rollback(settings: Settings, commit: str, yes: bool, with_gcloud: bool) -> None:
    """Deploy steps 2 and 3 from a worktree of that commit. Raises CommandFailed."""
    if not commit:
        raise CommandFailed("name the commit: make rollback TO=COMMIT (or a tag; `git log` lists them)")
    full = _resolved(commit)
    subject = ask("git", "log", "-1", "--format=%h of %cs, %s", full)
    print(
        f"Rolling back to {subject}.\n"
        "Deploys its jobs and functions with the current settings. Runs no tests. Keeps the foundation (step 1) and all"
        " tables as they are.",
        file=sys.stderr,
    )
    tree = steps.WORK / "rollback" / full
    _remove(tree)
    run("git", "worktree", "add", "--detach", str(tree), full)
    try:
        env = {"SETTINGS_FILE": str(_settings_for(tree, settings))}
        if (outputs := steps.exported_outputs(settings)).is_file():
            shutil.copy(outputs, tree / "infra" / "deploy" / outputs.name)
        deploy = (sys.executable, "-m", "infra.deploy")
        run(*deploy, "bundle", cwd=tree, env=env)
        options = [*(["--yes"] if yes else []), *(["--with-gcloud"] if with_gcloud else [])]
        run(*deploy, "function", *options, cwd=tree, env=env)
    finally:
        _remove(tree)


def _resolved(commit: str) -> str:
    try:
        full = ask("git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}")
    except CommandFailed:
        raise CommandFailed(f"{commit!r} is not a commit of this clone; `git fetch --tags` gets new ones") from None
    if not ask("git", "ls-tree", "--name-only", full, "--", MARKER):
        raise CommandFailed(f"{commit} is older than `make rollback`: check it out and follow its own docs/deploy.md")
    return full


def _settings_for(tree: Path, settings: Settings) -> Path:
    """The current settings in a file for the worktree, without those that its commit does not know yet."""
    example = (tree / "infra/deploy/settings.env.example").read_text()
    known = {line.partition("=")[0] for line in example.splitlines() if "=" in line and not line.startswith("#")}
    left_out = sorted(name for name in FIELDS if settings[name] and name not in known)
    if left_out:
        print(f"That commit does not know {', '.join(left_out)}, so it deploys without.", file=sys.stderr)
    file = tree / "infra/deploy/settings.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items() if name in known))
    return file


def _remove(tree: Path) -> None:
    """Remove the worktree; also one that a killed rollback has left."""
    if tree.exists():
        ask("git", "worktree", "remove", "--force", "--force", str(tree))
    ask("git", "worktree", "prune")
