"""The deployment steps, run against programs that record how they are called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.deploy import steps
from infra.deploy.shell import CommandFailed
from tests.infra.deploy.recorded_programs import GOOD, Programs, good


def test_the_job_is_deployed_before_the_function_which_gets_its_id(programs: Programs, tmp_path: Path) -> None:
    ours = good(tmp_path)
    steps.foundation(ours, yes=True)
    steps.bundle(ours)
    steps.function(ours, yes=True)
    done = [" ".join(call) for call in programs.calls()]
    changing = [line for line in done if " apply " in f"{line} " or " deploy " in f"{line} "]
    assert [line.split()[:4] for line in changing] == [
        ["terraform", "-chdir=infra/gcp/foundation", "apply", f"-var-file={tmp_path}/work/foundation.tfvars.json"],
        ["databricks", "bundle", "deploy", "--target"],
        ["terraform", "-chdir=infra/gcp/function", "apply", f"-var-file={tmp_path}/work/function.tfvars.json"],
    ]
    variables = json.loads((tmp_path / "work/function.tfvars.json").read_text())
    assert variables["job_id"] == "4711"
    assert Path(variables["source_archive"]).is_file()
    assert programs.hosts("databricks") == {GOOD["DATABRICKS_HOST"]}, "not the workspace of the shell"


def test_terraform_asks_unless_yes_is_set_and_keeps_its_state_in_the_state_bucket(
    programs: Programs, tmp_path: Path
) -> None:
    steps.foundation(good(tmp_path), yes=False)
    init, apply = programs.calls()
    assert "-backend-config=bucket=orders-state" in init
    assert "-auto-approve" not in apply


def test_the_bundle_gets_its_variables_where_the_cli_looks_for_them(programs: Programs, tmp_path: Path) -> None:
    steps.bundle(good(tmp_path))
    file = tmp_path / "bundle" / ".databricks" / "bundle" / "prod" / "variable-overrides.json"
    given = json.loads(file.read_text())
    assert given["bucket"] == "orders-files"
    assert given["function_principal"] == "the-function"
    assert given["alert_emails"] == ["ops@example.com"]


def test_a_step_names_the_previous_step_if_that_was_not_run(programs: Programs, tmp_path: Path) -> None:
    ours = good(tmp_path)
    programs.answer({("terraform", "output"): "{}"})
    with pytest.raises(CommandFailed, match=r"-m infra\.deploy foundation"):
        steps.bundle(ours)
    programs.answer({("databricks", "summary"): "{}"})
    with pytest.raises(CommandFailed, match=r"-m infra\.deploy bundle"):
        steps.function(ours, yes=True)
    assert not [call for call in programs.calls() if "apply" in call or "deploy" in call]


def test_a_step_that_fails_ends_the_deployment(programs: Programs, tmp_path: Path) -> None:
    programs.answer({("databricks", "validate"): None})
    with pytest.raises(CommandFailed, match="bundle validate --target prod failed with status 1"):
        steps.bundle(good(tmp_path))
    assert not [call for call in programs.calls() if "deploy" in call]
