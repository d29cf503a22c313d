"""The deployment steps, run against programs that record how they are called."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import pytest

from functions.config import Config
from infra.deploy import shell, steps, wheel
from infra.deploy.shell import CommandFailed
from tests.infra.deploy.recorded_programs import GOOD, OUTPUTS, ROOT, Programs, good
from tests.infra.gcp.terraform_files import load


def test_the_job_is_deployed_before_the_function_which_gets_its_id(programs: Programs, tmp_path: Path) -> None:
    ours, work = good(tmp_path), tmp_path / "work" / "order-tracking"
    steps.foundation(ours, yes=True)
    steps.bundle(ours)
    steps.function(ours, yes=True)
    done = [" ".join(call) for call in programs.calls()]
    changing = [line for line in done if " apply " in f"{line} " or " deploy " in f"{line} "]
    assert [line.split()[:4] for line in changing] == [
        ["terraform", "-chdir=infra/gcp/foundation", "apply", f"-var-file={work}/foundation.tfvars.json"],
        ["databricks", "bundle", "deploy", "--target"],
        ["terraform", "-chdir=infra/gcp/function", "apply", f"-var-file={work}/function.tfvars.json"],
    ]
    variables = json.loads((work / "function.tfvars.json").read_text())
    assert variables["job_id"] == "4711"
    assert Path(variables["source_archive"]).is_file()
    assert programs.hosts("databricks") == {GOOD["DATABRICKS_HOST"]}, "not the workspace of the shell"


def test_terraform_asks_unless_yes_is_set_and_keeps_its_state_in_the_state_bucket(
    programs: Programs, tmp_path: Path
) -> None:
    steps.foundation(good(tmp_path), yes=False)
    init, apply = (call for call in programs.calls() if call[0] == "terraform")
    assert {"-backend-config=bucket=orders-state", "-backend-config=prefix=order-tracking/foundation"} <= set(init)
    assert "-auto-approve" not in apply


def test_the_bundle_gets_its_variables_where_the_cli_looks_for_them(programs: Programs, tmp_path: Path) -> None:
    steps.bundle(good(tmp_path))
    file = tmp_path / "bundle" / ".databricks" / "bundle" / "prod" / "variable-overrides.json"
    given = json.loads(file.read_text())
    assert given["bucket"] == "orders-files"
    assert given["function_principal"] == "the-function"
    assert given["alert_emails"] == ["ops@example.com"]
    assert given["managers"] == [
        {"user_name": "me@example.com", "level": "CAN_MANAGE"},
        {"group_name": "data", "level": "CAN_MANAGE"},
    ]
    assert re.fullmatch(
        r"/Workspace/order-tracking/wheels/order_tracking-[\d.]+\+g[0-9a-f]{8}\S*-py3-none-any\.whl", given["wheel"]
    )
    assert "readers" not in given


@pytest.mark.parametrize("step", ["function", "diff", "destroy"])
def test_every_step_writes_the_bundles_variables_first(programs: Programs, tmp_path: Path, step: str) -> None:
    """Otherwise the CLI would fail in a clone in which step 2 has never run."""
    run = {
        "function": lambda ours: steps.function(ours, yes=True),
        "diff": lambda ours: steps.differences(ours, ("bundle",)),
        "destroy": lambda ours: steps.destroy(ours, yes=True),
    }
    run[step](good(tmp_path))
    assert (tmp_path / "bundle" / ".databricks" / "bundle" / "prod" / "variable-overrides.json").is_file()


def test_a_wheel_is_uploaded_once_and_never_replaced(programs: Programs, tmp_path: Path) -> None:
    steps.bundle(good(tmp_path))
    assert [call[2] for call in programs.calls() if call[1] == "workspace"] == ["get-status", "mkdirs", "import", "list"]
    imported = next(call for call in programs.calls() if call[1:3] == ["workspace", "import"])
    assert not [word for word in imported if "overwrite" in word]
    programs.calls_file.write_text("")
    programs.answer({("databricks", "get-status"): '{"object_type": "FILE"}'})
    steps.bundle(good(tmp_path))
    assert [call[2] for call in programs.calls() if call[1] == "workspace"] == ["get-status", "list"]


def test_old_wheels_are_deleted_but_neither_new_nor_current_ones(programs: Programs, tmp_path: Path) -> None:
    day = 86_400_000
    now = time.time() * 1000
    current = f"/order-tracking/wheels/{wheel.wheel_name(wheel.version())}"
    ages = {f"/order-tracking/wheels/{age}.whl": age for age in range(21, 41)} | {current: 99}
    listed = [{"path": path, "modified_at": int(now - age * day)} for path, age in ages.items()]
    programs.answer({("databricks", "list"): json.dumps(listed), ("databricks", "get-status"): "{}"})
    steps.bundle(good(tmp_path))
    deleted = [call[3] for call in programs.calls() if call[1:3] == ["workspace", "delete"]]
    # 21 to 30 days are the newest ten.
    assert sorted(deleted) == [f"/order-tracking/wheels/{age}.whl" for age in range(31, 41)]


def test_an_error_that_needs_time_is_tried_again_and_others_are_not(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(steps, "sleep", slept.append)
    programs.answer({("terraform", "apply"): None})
    with pytest.raises(CommandFailed):
        steps.foundation(good(tmp_path), yes=True)
    assert slept == []
    monkeypatch.setattr(steps, "NOT_YET", re.compile("terraform: no"))
    with pytest.raises(CommandFailed):
        steps.foundation(good(tmp_path), yes=True)
    assert slept == [60.0] * 4
    assert "trying again in 60 s (1 of 4)" in capfd.readouterr().err


@pytest.mark.parametrize(
    "said",
    [
        "Error: Permission denied while using the Eventarc Service Agent. If you recently started to use Eventarc, …",
        'Error: Cannot find metric that matches type = "logging.googleapis.com/user/order-tracking/sweeps".',
        "Cloud Resource Manager API has not been used in project 123 before or it is disabled.",
    ],
)
def test_the_errors_that_need_time_are_known(said: str) -> None:
    assert steps.NOT_YET.search(said)


def test_a_difference_is_found_in_any_step(programs: Programs, tmp_path: Path) -> None:
    every = ("foundation", "bundle", "function")
    assert steps.differences(good(tmp_path), every) == []
    programs.answer({("databricks", "plan"): "Plan: 0 to add, 1 to change, 0 to delete, 2 unchanged"})
    assert steps.differences(good(tmp_path), every) == ["bundle"]
    programs.answer({("databricks", "plan"): "nothing to say"})
    with pytest.raises(CommandFailed, match=r"is the CLI 1\.12 or newer"):
        steps.differences(good(tmp_path), every)
    assert not [call for call in programs.calls() if "apply" in call or "deploy" in call]


def test_destroy_removes_in_the_opposite_order_and_keeps_files_and_tables(
    programs: Programs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps.destroy(good(tmp_path), yes=True)
    changing = [
        " ".join(word for word in call if not word.startswith("-var-file"))
        for call in programs.calls()
        if {"destroy", "unbind", "rm"} & set(call)
    ]
    assert changing == [
        "terraform -chdir=infra/gcp/function destroy -auto-approve",
        "databricks bundle deployment unbind order_tracking --target prod",
        "databricks bundle destroy --target prod --auto-approve",
        "terraform -chdir=infra/gcp/foundation state rm google_storage_bucket.files",
        "terraform -chdir=infra/gcp/foundation state rm google_project_iam_member.storage_publishes",
        "terraform -chdir=infra/gcp/foundation destroy -auto-approve",
    ]
    assert "kept: the bucket gs://orders-files with all files, the schema main.order_tracking" in capsys.readouterr().out


def test_two_installations_share_no_name_folder_or_state(programs: Programs, tmp_path: Path) -> None:
    """One setting is enough."""
    seen = []
    for name in ("order-tracking", "staging"):
        programs.calls_file.write_text("")
        ours = good(tmp_path, INSTALLATION=name, BUCKET="", STATE_BUCKET="", SCHEMA="")
        variables = ours.foundation_variables([]) | ours.function_variables("1", tmp_path)
        steps.foundation(ours, yes=True)
        lines = [json.loads(line) for line in programs.calls_file.read_text().splitlines()]
        data = {line[-1]["data"] for line in lines if line[0] == "terraform"}
        prefixes = {word for line in lines for word in line[:-1] if "prefix=" in word}
        own = {variables["name"], variables["bucket"], variables["state_prefix"], ours["SCHEMA"], *data, *prefixes}
        assert variables["state_bucket"] == "orders-prod-terraform-state"
        seen.append(own)
    assert not seen[0] & seen[1]


# --- rolling back ----------------------------------------------------------------------------------------------------


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with an old commit, and two whose deploy tool only records what it is told."""
    root = tmp_path / "repository"
    (root / "infra" / "deploy").mkdir(parents=True)

    def git(*arguments: str) -> None:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)

    git("init", "--quiet")
    git("commit", "--allow-empty", "--quiet", "-m", "old")
    git("tag", "old")
    for package in (root / "infra", root / "infra" / "deploy"):
        (package / "__init__.py").touch()
    (root / "infra/deploy/wheel.py").touch()
    (root / "infra/deploy/__main__.py").write_text(
        f"import os, sys; open({str(tmp_path / 'told')!r}, 'a').write(' '.join([sys.argv[1], os.environ['SETTINGS_FILE'],"
        " open('version').read()]) + chr(10))"
    )
    for version in ("one", "two"):
        (root / "version").write_text(version)
        git("add", "--all")
        git("commit", "--quiet", "-m", version)
        git("tag", version)
    monkeypatch.setattr(steps, "ask", lambda *command, **options: shell.ask(*command, cwd=root))
    return tmp_path / "told"


def test_a_rollback_runs_the_earlier_commits_own_code_with_the_present_settings(
    history: Path, programs: Programs, tmp_path: Path
) -> None:
    steps.rollback(good(tmp_path), "one", yes=True)
    settings_file = steps.FILE.resolve()
    assert history.read_text().splitlines() == [f"bundle {settings_file} one", f"function {settings_file} one"]
    steps.rollback(good(tmp_path), "two", yes=True)
    assert history.read_text().splitlines()[2:] == [f"bundle {settings_file} two", f"function {settings_file} two"]


def test_a_rollback_to_a_commit_before_versioned_wheels_or_to_none_is_refused(
    history: Path, programs: Programs, tmp_path: Path
) -> None:
    with pytest.raises(CommandFailed, match="old can't be rolled back to"):
        steps.rollback(good(tmp_path), "old", yes=True)
    with pytest.raises(CommandFailed):
        steps.rollback(good(tmp_path), "--help", yes=True)
    assert not history.exists()


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
