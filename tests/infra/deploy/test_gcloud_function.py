"""Step 3 with gcloud deploys the same functions as Terraform."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from functions.config import Config
from infra.deploy.gcloud_function import DEFAULTS, function_with_gcloud
from tests.infra.deploy.recorded_programs import LIVE_SUMMARY, OUTPUTS, ROOT, Programs, good
from tests.infra.gcp.terraform_files import load


@pytest.fixture
def deployed(programs: Programs, tmp_path: Path) -> list[list[str]]:
    """The calls of gcloud."""
    function_with_gcloud(good(tmp_path))
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
    assert set(environment_of(deployed[0])) == (named | {"DATABRICKS_FEDERATION_AUDIENCE"}) - {"CONTINUOUS_JOB_ID"}
    assert environment_of(deployed[0])["LAUNCH"] == "window"


def test_in_live_mode_the_function_leaves_the_files_to_the_continuous_job(programs: Programs, tmp_path: Path) -> None:
    programs.answer({("databricks", "summary"): json.dumps(LIVE_SUMMARY)})
    function_with_gcloud(good(tmp_path, BUNDLE_TARGET="live"))
    intake = next(call for call in programs.calls() if call[1:3] == ["functions", "deploy"])
    config = Config.read(environment_of(intake))
    assert (config.launch, config.job_id, config.continuous_job_id) == ("never", 4711, 13)


def test_gcloud_and_terraform_have_the_same_defaults() -> None:
    declared = load(ROOT / "infra/gcp/function").variables
    assert {name: str(declared[name.lower()]["default"]) for name in DEFAULTS} == DEFAULTS


def test_tuned_settings_reach_the_function(programs: Programs, tmp_path: Path) -> None:
    function_with_gcloud(good(tmp_path, LAUNCH_WINDOW_SECONDS="45", MAX_INSTANCES="3"))
    intake = next(call for call in programs.calls() if call[1:3] == ["functions", "deploy"])
    assert environment_of(intake)["LAUNCH_WINDOW_SECONDS"] == "45"
    assert "--max-instances=3" in intake


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
    function_with_gcloud(good(tmp_path))
    deploy = next(call for call in programs.calls() if call[1:3] == ["functions", "deploy"])
    assert "--set-secrets=DATABRICKS_CLIENT_SECRET=order-tracking-databricks:latest" in deploy
    assert "DATABRICKS_FEDERATION_AUDIENCE" not in environment_of(deploy)
