"""The job's wheel. Its version names its content, so that a path in the workspace is never overwritten.

A run that starts during a deployment installs the wheel that its job named at that time; rolling back means naming an older
one again; and `bundle plan` of an unchanged tree has nothing to change.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

from infra.deploy.shell import ROOT, CommandFailed, ask

SOURCES = "spark_jobs"
_COMMIT_DIGITS = 12
_HASH_DIGITS = 12


def version(root: Path = ROOT) -> str:
    """BASE+gCOMMIT: the version of pyproject.toml and the last commit that changed the sources.

    With uncommitted changes BASE+gCOMMIT.dirtyHASH, with a hash of all sources. Raises CommandFailed outside a repository.
    """
    commit = ask("git", "log", "-1", "--format=%H", "--", SOURCES, cwd=root)
    if not commit:
        raise CommandFailed(f"no commit contains {SOURCES}: deploy from a clone of the repository")
    found = f"{_base(root)}+g{commit[:_COMMIT_DIGITS]}"
    if ask("git", "status", "--porcelain", "--untracked-files=all", "--", SOURCES, cwd=root):
        found += f".dirty{_hash(root)}"
    return found


def file_name(root: Path = ROOT) -> str:
    return _file_name(version(root))


def build(folder: Path, root: Path = ROOT) -> Path:
    """Build the wheel into the folder, in place of what is in it. Raises CommandFailed."""
    new_version = version(root)
    expected = folder / _file_name(new_version)
    with tempfile.TemporaryDirectory() as scratch:
        # A copy without ignored files and with the version: the tree itself stays as it is.
        copy = Path(scratch) / SOURCES
        for path in _files(root):
            target = copy / path.relative_to(SOURCES)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / path, target)
        project = copy / "pyproject.toml"
        text, replaced = re.subn(r'(?m)^version = ".*"$', f'version = "{new_version}"', project.read_text())
        if replaced != 1:
            raise CommandFailed(f'{SOURCES}/pyproject.toml must have one line `version = "…"`')
        project.write_text(text)
        shutil.rmtree(folder, ignore_errors=True)
        ask(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(copy))
    if [path.name for path in folder.iterdir()] != [expected.name]:
        raise CommandFailed(f"the build made {[path.name for path in folder.iterdir()]} instead of {expected.name}")
    return expected


def _file_name(of_version: str) -> str:
    return f"order_tracking-{of_version}-py3-none-any.whl"


def _base(root: Path) -> str:
    with (root / SOURCES / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def _files(root: Path) -> list[Path]:
    listed = ask("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", SOURCES, cwd=root)
    # A file that is deleted but not yet committed is still listed.
    return sorted({Path(name) for name in listed.split("\0") if name and (root / name).is_file()})


def _hash(root: Path) -> str:
    total = hashlib.sha256()
    for path in _files(root):
        total.update(f"{path}\0".encode() + hashlib.sha256((root / path).read_bytes()).digest())
    return total.hexdigest()[:_HASH_DIGITS]
