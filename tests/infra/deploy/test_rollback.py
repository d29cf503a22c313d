"""`make rollback` deploys an earlier commit with that commit's own code and the current settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.deploy import wheel
from tests.infra.deploy.clones import clone, commit, git
from tests.infra.deploy.recorded_programs import OUTPUTS, Programs, written


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return clone(tmp_path / "tree")


def roll_back(tree: Path, to: str, settings: Path, path: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.deploy", "rollback", *options, "--", to],
        cwd=tree,
        env={**os.environ, "PATH": path, "SETTINGS_FILE": str(settings)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_earlier_commit_deploys_itself_with_the_current_settings(
    tree: Path, programs: Programs, tmp_path: Path
) -> None:
    tool = tree / "infra/deploy/steps.py"
    text = tool.read_text()
    tool.write_text(text + "\nprint('the earlier tool', file=sys.stderr)\n")
    (tree / "spark_jobs" / "cli.py").write_text("# earlier\n")
    earlier = commit(tree, "earlier")
    (old_wheel, old_path) = (wheel.file_name(tree), "/Workspace/order-tracking/wheels")
    tool.write_text(text)
    (tree / "spark_jobs" / "cli.py").write_text("# later\n")
    commit(tree, "later")
    (tree / "README.md").write_text("not committed")
    # Only the wheel of the earlier commit is in the workspace: another one would be uploaded.
    there = [{"path": f"{old_path}/{old_wheel}", "created_at": int(time.time() * 1000)}]
    programs.answer({("databricks", "workspace", "list"): json.dumps(there)})

    done = roll_back(tree, "main~1", written(tmp_path), programs.path, "--yes")
    assert done.returncode == 0, done.stderr
    assert f"Rolling back to {earlier[:7]}" in done.stderr
    assert "Runs no tests" in done.stderr
    assert done.stderr.count("the earlier tool") == 2, "once for each step"
    assert [line.split(" -var-file")[0] for line in programs.lines() if {"deploy", "apply"} & set(line.split())] == [
        "databricks bundle deploy --target prod",
        "terraform -chdir=infra/gcp/function apply",
    ]
    assert not [line for line in programs.lines() if "import-dir" in line]
    worktree = tree / ".data" / "deploy" / "rollback" / earlier
    (environment,) = programs.environments("terraform", "apply")
    assert environment["TF_DATA_DIR"].startswith(str(worktree))
    assert not worktree.exists(), "the worktree is removed"
    assert git(tree, "worktree", "list").count("\n") == 0
    assert git(tree, "log", "-1", "--format=%s") == "later"
    assert (tree / "README.md").read_text() == "not committed"


def test_settings_that_the_commit_does_not_know_are_left_out(tree: Path, programs: Programs, tmp_path: Path) -> None:
    name = "REJECTED_SHARE_ALERT"
    for file in (tree / "infra/deploy/settings.env.example", tree / "infra/deploy/settings.py"):
        lines = file.read_text().splitlines(keepends=True)
        known = [line for line in lines if not line.lstrip().startswith((f"{name}=", f'"{name}":'))]
        assert len(known) == len(lines) - 1
        file.write_text("".join(known).replace(f'("{name}",)', "()"))
    earlier = commit(tree, f"without {name}")
    git(tree, "checkout", "--quiet", earlier + "~1", "--", "infra")
    commit(tree, f"with {name}")
    done = roll_back(tree, earlier, written(tmp_path, **{name: "0.02"}), programs.path, "--yes")
    assert done.returncode == 0, done.stderr
    assert f"does not know {name}, so it deploys without" in done.stderr


def test_outputs_that_were_exported_are_used_as_well(tree: Path, programs: Programs, tmp_path: Path) -> None:
    outputs = {"installation": {"value": {**OUTPUTS, "bundle_folder": "/Workspace/from-the-file"}}}
    (tree / "infra/deploy/order-tracking.foundation.json").write_text(json.dumps(outputs))
    done = roll_back(tree, "HEAD", written(tmp_path), programs.path, "--yes", "--with-gcloud")
    assert done.returncode == 0, done.stderr
    assert "/Workspace/from-the-file/wheels" in done.stderr
    assert [call for call in programs.calls() if call[:3] == ["gcloud", "functions", "deploy"]]
    assert not [call for call in programs.calls() if call[0] == "terraform"]


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("", "name the commit: make rollback TO=COMMIT"),
        ("no-such-tag", "'no-such-tag' is not a commit of this clone"),
        ("--help", "'--help' is not a commit of this clone"),
        ("$(touch x); x", "is not a commit of this clone"),
        ("HEAD:README.md", "is not a commit of this clone"),
    ],
)
def test_what_is_no_commit_is_refused(tree: Path, programs: Programs, tmp_path: Path, to: str, message: str) -> None:
    done = roll_back(tree, to, written(tmp_path), programs.path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not programs.calls()


def test_a_commit_that_is_older_than_this_tool_is_refused(tree: Path, programs: Programs, tmp_path: Path) -> None:
    (tree / "infra/deploy/rollback.py").unlink()
    old = commit(tree, "before")
    git(tree, "checkout", "--quiet", "HEAD~1")
    done = roll_back(tree, old, written(tmp_path), programs.path)
    assert done.returncode == 1
    assert done.stderr == (f"error: {old} is older than `make rollback`: check it out and follow its own docs/deploy.md\n")
    assert not programs.calls()


def test_a_rollback_that_fails_removes_its_worktree_and_a_killed_one_does_not_block_the_next(
    tree: Path, programs: Programs, tmp_path: Path
) -> None:
    earlier = git(tree, "rev-parse", "HEAD")
    left = tree / ".data/deploy/rollback" / earlier
    git(tree, "worktree", "add", "--detach", str(left), earlier)
    programs.answer({("databricks", "validate"): None})
    done = roll_back(tree, earlier, written(tmp_path), programs.path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not left.exists()
    assert git(tree, "worktree", "list").count("\n") == 0
