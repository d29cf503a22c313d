"""The job's wheel in the workspace: one file per version, uploaded once and never replaced.

So a run that starts during a deployment finds the wheel of its job, and rolling back points the job at an older file.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from infra.deploy.shell import ROOT, CommandFailed, ask, ask_json, run

SOURCES = "spark_jobs"
KEPT_WHEELS = 10
KEPT_DAYS = 30
_VERSION = re.compile(r'^version = "([^"]+)"$', re.MULTILINE)
_MISSING = re.compile(r"RESOURCE_DOES_NOT_EXIST|doesn't exist|does not exist")


def version(root: Path = ROOT) -> str:
    """`0.1.0+g489e14c0`: the last commit that changed the sources, and their hash if they differ from it.

    So a commit that changes nothing in the job has nothing to deploy. Raises CommandFailed.
    """
    declared = _VERSION.search((root / SOURCES / "pyproject.toml").read_text("utf-8"))
    if declared is None:
        raise CommandFailed(f'{SOURCES}/pyproject.toml has no line version = "…"')
    commit = ask("git", "log", "-1", "--format=%H", "--", SOURCES, cwd=root)[:8]
    if not commit:
        raise CommandFailed(f"no commit contains {SOURCES}: deploy from a clone of the repository")
    changed = ask("git", "status", "--porcelain", "--untracked-files=all", "--", SOURCES, cwd=root)
    return f"{declared[1]}+g{commit}" + (f".dirty.{_hash(root)}" if changed else "")


def wheel_name(of_version: str) -> str:
    """The file's name, as the build gives it."""
    return f"order_tracking-{of_version}-py3-none-any.whl"


def build(of_version: str, folder: Path, root: Path = ROOT) -> Path:
    """Build the wheel into a folder. Raises CommandFailed."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / SOURCES
        for name in _sources(root):
            target = copy / Path(name).relative_to(SOURCES)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, target)
        project = copy / "pyproject.toml"
        project.write_text(_VERSION.sub(f'version = "{of_version}"', project.read_text("utf-8"), count=1), "utf-8")
        ask(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(copy))
    return folder / wheel_name(of_version)


def upload(target: str, of_version: str, environment: dict[str, str]) -> None:
    """Build and upload the wheel to this absolute workspace path, unless it is there. Raises CommandFailed."""
    if _exists(target, environment):
        return
    folder = target.rpartition("/")[0]
    with tempfile.TemporaryDirectory() as temporary:
        file = build(of_version, Path(temporary))
        run("databricks", "workspace", "mkdirs", folder, env=environment)
        run("databricks", "workspace", "import", target, f"--file={file}", "--format=RAW", env=environment)


def prune(current: str, environment: dict[str, str]) -> None:
    """Delete old wheels: neither the current one, nor one of the newest 10, nor younger than 30 days."""
    found = ask_json("databricks", "workspace", "list", current.rpartition("/")[0], "--output=json", env=environment)
    by_age = sorted(found, key=lambda one: int(one.get("modified_at") or 0), reverse=True)
    oldest = (time.time() - KEPT_DAYS * 86400) * 1000
    for one in by_age[KEPT_WHEELS:]:
        path = str(one["path"])
        if path.removeprefix("/Workspace") != current.removeprefix("/Workspace") and int(one["modified_at"]) < oldest:
            run("databricks", "workspace", "delete", path, env=environment)


def _exists(target: str, environment: dict[str, str]) -> bool:
    try:
        ask("databricks", "workspace", "get-status", target, "--output=json", env=environment)
    except CommandFailed as error:
        if _MISSING.search(str(error)):
            return False
        raise
    return True


def _sources(root: Path) -> list[str]:
    listed = ask("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", SOURCES, cwd=root)
    return sorted({name for name in listed.split("\0") if name and (root / name).is_file()})


def _hash(root: Path) -> str:
    content = hashlib.sha256()
    for name in _sources(root):
        content.update(name.encode() + b"\0" + (root / name).read_bytes() + b"\0")
    return content.hexdigest()[:8]
