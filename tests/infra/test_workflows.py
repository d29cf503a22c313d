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


def test_only_the_deployment_and_the_comparison_on_main_get_an_identity() -> None:
    with_identity = set()
    for path in WORKFLOWS:
        for name, job in yaml.safe_load(path.read_text())["jobs"].items():
            if job.get("permissions", {}).get("id-token") == "write":
                with_identity.add((path.stem, name))
                assert job["environment"] == "production"
                assert job["if"].startswith("github.ref == 'refs/heads/main'")
                assert "||" not in job["if"]
    assert with_identity == {("deploy", "deploy"), ("drift", "compare")}


def test_the_comparison_is_daily_and_only_reads() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/drift.yml").read_text())
    (schedule,) = workflow[True]["schedule"]  # YAML 1.1 takes the key `on` for a truth value
    assert re.fullmatch(r"\d+ \d+ \* \* \*", schedule["cron"])
    assert "vars.DRIFT_CHECK == 'true'" in workflow["jobs"]["compare"]["if"], "a fork has nothing to compare"
    (run,) = [step["run"] for step in steps(workflow) if "infra.deploy" in step.get("run", "")]
    assert run == ".venv/bin/python -m infra.deploy diff bundle function"


def test_comparison_and_deployment_see_the_same_tree_with_the_same_login() -> None:
    """A shallow clone would name another commit as the one that last changed the wheel."""
    deploy, drift = (
        next(iter(yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())["jobs"].values()))
        for name in ("deploy", "drift")
    )
    assert deploy["steps"][0]["with"]["fetch-depth"] == 0
    assert deploy["env"] == drift["env"]
    assert drift["steps"][:-1] == deploy["steps"][: len(drift["steps"]) - 1]


def test_the_databricks_cli_is_the_one_that_the_bundle_requires() -> None:
    required = yaml.safe_load((ROOT / "infra/databricks/databricks.yml").read_text())["bundle"]["databricks_cli_version"]
    assert required == ">= 1.12.0"
    used = {step["uses"] for path in WORKFLOWS for step in steps(yaml.safe_load(path.read_text())) if "uses" in step}
    assert {name for name in used if name.startswith("databricks/setup-cli@")} == {"databricks/setup-cli@v1.12.0"}
    assert "Databricks CLI 1.12.0" in (ROOT / "docs/deploy.md").read_text()


def test_the_job_is_deployed_before_the_function() -> None:
    runs = [step.get("run", "") for step in steps(yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text()))]
    order = [run for run in runs if "infra.deploy" in run]
    assert [run.split()[3] for run in order] == ["bundle", "function"]
