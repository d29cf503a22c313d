"""The wheel's version names its content: the same sources, the same name and bytes; other sources, another name."""

from __future__ import annotations

import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from infra.deploy import wheel
from infra.deploy.shell import CommandFailed
from tests.infra.deploy.clones import clone, commit, git


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return clone(tmp_path / "tree")


def test_the_version_is_the_commit_that_last_changed_the_sources(tree: Path) -> None:
    first = git(tree, "rev-parse", "HEAD")
    version = wheel.version(tree)
    base, _, local = version.partition("+")
    assert f'version = "{base}"' in (tree / "spark_jobs/pyproject.toml").read_text()
    assert local == f"g{first[:12]}"
    (tree / "README.md").write_text("Nothing that the job runs.")
    commit(tree, "docs")
    assert wheel.version(tree) == version, "an unchanged job has nothing to deploy"
    (tree / "spark_jobs/cli.py").write_text("# changed\n")
    assert wheel.version(tree) != version
    second = commit(tree, "job")
    assert wheel.version(tree) == f"{base}+g{second[:12]}"


def test_uncommitted_changes_are_named_by_their_content(tree: Path) -> None:
    clean = wheel.version(tree)
    new = tree / "spark_jobs" / "new.py"
    new.write_text("a = 1\n")
    first = wheel.version(tree)
    assert first.startswith(f"{clean}.dirty")
    new.write_text("a = 2\n")
    assert wheel.version(tree) != first
    new.write_text("a = 1\n")
    assert wheel.version(tree) == first
    new.unlink()
    assert wheel.version(tree) == clean
    (tree / "spark_jobs" / "cli.py").unlink()
    assert wheel.version(tree) != clean


def test_ignored_files_do_not_count(tree: Path) -> None:
    clean = wheel.version(tree)
    (tree / "spark_jobs/__pycache__").mkdir()
    (tree / "spark_jobs/__pycache__/cli.cpython-311.pyc").write_text("x")
    assert wheel.version(tree) == clean


def test_the_wheel_has_this_version_and_the_tree_stays_as_it_is(tree: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "order_tracking-0.0.1-py3-none-any.whl").touch()
    built = wheel.build(folder, tree)
    assert list(folder.iterdir()) == [built]
    assert built.name == wheel.file_name(tree)
    with zipfile.ZipFile(built) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        assert HeaderParser().parsestr(archive.read(name).decode())["Version"] == wheel.version(tree)
        assert "spark_jobs/cli.py" in archive.namelist()
    assert git(tree, "status", "--porcelain") == ""
    assert wheel.build(tmp_path / "again", tree).read_bytes() == built.read_bytes()


def test_outside_a_clone_it_says_what_is_missing(tree: Path, tmp_path: Path) -> None:
    (tree / ".git").rename(tmp_path / "elsewhere")
    with pytest.raises(CommandFailed, match="not a git repository"):
        wheel.version(tree)
