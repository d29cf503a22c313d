"""The GitHub Actions workflows need no key, and everything that they call exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_workflow_contains_or_uses_a_secret(path: Path) -> None:
    text = path.read_text()
    assert "secrets." not in text
    assert "credentials_json" not in text
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    # Text from outsiders (a branch name, a title) must not be interpolated into a shell script.
    for step in steps(workflow):
        assert not re.search(r"\$\{\{\s*github\.(event|head_ref)", step.get("run", ""))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_make_target_and_module_that_is_called_exists(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for step in steps(yaml.safe_load(path.read_text())):
        for target in re.findall(r"^make (\S+)", step.get("run", ""), re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
        for module in re.findall(r"-m (infra[\w.]*)", step.get("run", "")):
            folder = ROOT / module.replace(".", "/")
            assert (folder / "__main__.py").is_file() or folder.with_suffix(".py").is_file(), module


def test_only_the_deployment_on_main_gets_an_identity() -> None:
    for path in WORKFLOWS:
        for name, job in yaml.safe_load(path.read_text())["jobs"].items():
            if job.get("permissions", {}).get("id-token") == "write":
                assert (path.stem, name) in {("deploy", "deploy"), ("drift", "compare")}
                assert job["environment"] == "production"
                assert job["if"].split(" && ")[0] == "github.ref == 'refs/heads/main'"


def test_the_daily_comparison_only_compares() -> None:
    runs = [step.get("run", "") for step in steps(yaml.safe_load((ROOT / ".github/workflows/drift.yml").read_text()))]
    assert [run.split()[3:] for run in runs if "infra.deploy" in run] == [["diff", "bundle", "function"]]


def test_the_job_is_deployed_before_the_function() -> None:
    runs = [step.get("run", "") for step in steps(yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text()))]
    order = [run for run in runs if "infra.deploy" in run]
    assert [run.split()[3] for run in order] == ["bundle", "function"]
