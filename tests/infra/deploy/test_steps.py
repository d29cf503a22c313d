"""The deployment steps, run against programs that record how they are called."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from functions.config import Config
from infra.deploy import steps
from infra.deploy.shell import CommandFailed
from tests.infra.deploy.recorded_programs import GOOD, OUTPUTS, ROOT, Programs, good
from tests.infra.gcp.terraform_files import load


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


# --- step 3 with gcloud ----------------------------------------------------------------------------------------------


@pytest.fixture
def deployed(programs: Programs, tmp_path: Path) -> list[list[str]]:
    """The calls of gcloud."""
    steps.function_with_gcloud(good(tmp_path))
    return [call for call in programs.calls() if call[0] == "gcloud"]


def environment_of(call: list[str]) -> dict[str, str]:
    (option,) = [word for word in call if word.startswith("--set-env-vars=^|^")]
    return dict(item.split("=", 1) for item in option.removeprefix("--set-env-vars=^|^").split("|"))


def test_gcloud_deploys_both_functions_and_lets_the_trigger_call_them(deployed: list[list[str]]) -> None:
    for call in deployed:
        assert not [word for word in call if word.endswith("=") or word == "" or "None" in word], call
    intake, sweep = (call for call in deployed if call[1:3] == ["functions", "deploy"])
    assert (intake[3], sweep[3]) == ("order-tracking-intake", "order-tracking-sweep")
    assert "--retry" in intake
    assert "--retry" not in sweep
    assert "--trigger-topic=order-tracking-sweep" in sweep
    targets = {word.partition("=")[2] for word in intake + sweep if word.startswith("--entry-point=")}
    main = (ROOT / "main.py").read_text()
    assert all(f"def {target}(" in main for target in targets)
    assert len(targets) == 2
    invokers = [call for call in deployed if "add-iam-policy-binding" in call]
    assert [call[4] for call in invokers] == ["order-tracking-intake", "order-tracking-sweep"]


def test_gcloud_and_terraform_give_the_function_the_same_settings(deployed: list[list[str]]) -> None:
    by_terraform = str(load(ROOT / "infra/gcp/function").locals["settings"])
    named = set(re.findall(r"\b([A-Z][A-Z_]{4,})\b\s*=", by_terraform))
    assert set(environment_of(deployed[0])) == named | {"DATABRICKS_FEDERATION_AUDIENCE"}


def test_the_function_reads_and_accepts_every_setting(deployed: list[list[str]]) -> None:
    given = environment_of(deployed[0])
    config = Config.read(given)
    assert config.job_id == 4711
    assert config.source_bucket == "orders-files"
    assert config.federation_audience == OUTPUTS["federation_audience"]
    sources = "".join(path.read_text() for path in (ROOT / "functions").glob("*.py"))
    read_by_libraries = {"LOG_EXECUTION_ID", "DATABRICKS_CLIENT_ID"}
    for name in set(given) - read_by_libraries:
        assert f'"{name}"' in sources, f"nothing reads {name}"


def test_without_federation_gcloud_gives_the_function_its_secret(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OUTPUTS, "federation_audience", "")
    monkeypatch.setitem(OUTPUTS, "databricks_secret", "order-tracking-databricks")
    programs.answer({})
    steps.function_with_gcloud(good(tmp_path))
    deploy = next(call for call in programs.calls() if call[1:3] == ["functions", "deploy"])
    assert "--set-secrets=DATABRICKS_CLIENT_SECRET=order-tracking-databricks:latest" in deploy
    assert "DATABRICKS_FEDERATION_AUDIENCE" not in environment_of(deploy)
