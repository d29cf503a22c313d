"""The wheel's version names the commit, and the wheel that is built has it."""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from infra.deploy import wheel

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    root = tmp_path / "clone"
    shutil.copytree(ROOT / "spark_jobs", root / "spark_jobs", ignore=shutil.ignore_patterns("dist", "build", "__pycache__"))
    (root / ".gitignore").write_text("dist/\n__pycache__/\n")
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    for command in (["init", "--quiet"], ["add", "--all"], [*who, "commit", "--quiet", "-m", "x"]):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)
    return root


def test_a_version_names_the_commit_and_changed_sources(clone: Path) -> None:
    clean = wheel.version(clone)
    assert re.fullmatch(r"\d+\.\d+\.\d+\+g[0-9a-f]{8}", clean)
    (clone / "unrelated").touch()
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    for command in (["add", "--all"], [*who, "commit", "--quiet", "-m", "unrelated"]):
        subprocess.run(["git", *command], cwd=clone, check=True, capture_output=True)
    assert wheel.version(clone) == clean
    versions = set()
    for text in ("one", "two"):
        (clone / "spark_jobs" / "new.py").write_text(f"# {text}\n")
        versions.add(wheel.version(clone))
    assert len(versions) == 2
    assert all(re.fullmatch(re.escape(clean) + r"\.dirty\.[0-9a-f]{8}", one) for one in versions)


def test_the_wheel_has_the_version_and_the_jobs_modules(clone: Path, tmp_path: Path) -> None:
    version = wheel.version(clone)
    built = wheel.build(version, tmp_path / "out", clone)
    assert built.name == wheel.wheel_name(version)
    with zipfile.ZipFile(built) as archive:
        metadata = next(name for name in archive.namelist() if name.endswith("METADATA"))
        assert f"Version: {version}\n" in archive.read(metadata).decode()
        assert "spark_jobs/cli.py" in archive.namelist()
    assert 'version = "' + version not in (clone / "spark_jobs/pyproject.toml").read_text(), "the tree is unchanged"
