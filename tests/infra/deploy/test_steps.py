"""The deployment steps, run against programs that record how they are called."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from infra.deploy import steps, wheel
from infra.deploy.shell import CommandFailed
from tests.infra.deploy.recorded_programs import GOOD, LIVE_SUMMARY, OUTPUTS, SUMMARY, Programs, good

BUILT = re.compile(r"/Workspace/order-tracking/wheels/order_tracking-\d+\.\d+\.\d+\+g[0-9a-f]{12}\S*-py3-none-any\.whl")


@pytest.fixture(autouse=True)
def quick_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """test_wheel.py builds it."""

    def build(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / wheel.file_name()).touch()
        return folder / wheel.file_name()

    monkeypatch.setattr(steps.wheel, "build", build)


def test_the_job_is_deployed_before_the_function_which_gets_its_id(programs: Programs, tmp_path: Path) -> None:
    ours = good(tmp_path)
    steps.foundation(ours, yes=True)
    steps.bundle(ours)
    steps.function(ours, yes=True)
    changing = [line for line in programs.lines() if re.search(r" apply | deploy ", f"{line} ")]
    work = tmp_path / "work/order-tracking"
    assert [line.split()[:4] for line in changing] == [
        ["terraform", "-chdir=infra/gcp/foundation", "apply", f"-var-file={work}/foundation.tfvars.json"],
        ["databricks", "bundle", "deploy", "--target"],
        ["terraform", "-chdir=infra/gcp/function", "apply", f"-var-file={work}/function.tfvars.json"],
    ]
    variables = json.loads((work / "function.tfvars.json").read_text())
    assert variables["job_id"] == "4711"
    hosts = {environment["DATABRICKS_HOST"] for environment in programs.environments("databricks")}
    assert hosts == {GOOD["DATABRICKS_HOST"]}, "not the workspace of the shell"


def test_in_live_mode_the_function_gets_both_jobs_and_a_running_run_is_replaced_after_the_bundle(
    programs: Programs, tmp_path: Path
) -> None:
    """It would otherwise go on with the old wheel for up to a day."""
    programs.answer({("databricks", "summary"): json.dumps(LIVE_SUMMARY)})
    ours = good(tmp_path, BUNDLE_TARGET="live")
    steps.bundle(ours)
    steps.function(ours, yes=True)
    deploy, cancel = (line for line in programs.lines() if re.search(r"bundle deploy|cancel", line))
    assert deploy == "databricks bundle deploy --target live"
    assert cancel == "databricks jobs cancel-all-runs --job-id 13"
    variables = json.loads((tmp_path / "work/order-tracking/function.tfvars.json").read_text())
    assert (variables["job_id"], variables["continuous_job_id"]) == ("4711", "13")


def test_a_first_deployment_in_live_mode_has_no_run_to_replace(programs: Programs, tmp_path: Path) -> None:
    steps.bundle(good(tmp_path, BUNDLE_TARGET="live"))
    assert not [line for line in programs.lines() if "cancel" in line]


def test_the_zip_is_named_as_terraform_sees_it_and_not_by_its_place_on_this_machine(
    programs: Programs, tmp_path: Path
) -> None:
    """Its path is in the state: an absolute one would differ in every clone, and each plan would replace the upload."""
    steps.function(good(tmp_path), yes=True)
    variables = json.loads((tmp_path / "work/order-tracking/function.tfvars.json").read_text())
    archive = variables["source_archive"]
    assert not Path(archive).is_absolute()
    assert (steps.ROOT / "infra/gcp/function" / archive).is_file()


def test_terraform_asks_unless_yes_is_set_and_keeps_its_state_in_the_state_bucket(
    programs: Programs, tmp_path: Path
) -> None:
    steps.foundation(good(tmp_path), yes=False)
    init = next(call for call in programs.calls() if "init" in call)
    apply = next(call for call in programs.calls() if "apply" in call)
    assert "-backend-config=bucket=orders-state" in init
    assert "-backend-config=prefix=order-tracking/foundation" in init
    assert "-auto-approve" not in apply


def test_two_installations_share_no_working_data(programs: Programs, tmp_path: Path) -> None:
    """Otherwise Terraform and the CLI refuse to work on another state, or mistake it for the first one."""
    seen: dict[str, set[str]] = {"TF_DATA_DIR": set(), "DATABRICKS_BUNDLE_TMP": set()}
    for name in ("order-tracking", "staging"):
        outputs = {"installation": {"value": {**OUTPUTS, "name": name, "bundle_folder": f"/Workspace/{name}"}}}
        programs.answer({("terraform", "output"): json.dumps(outputs)})
        ours = good(tmp_path, INSTALLATION=name)
        steps.foundation(ours, yes=True)
        steps.bundle(ours)
        steps.function(ours, yes=True)
        assert programs.overrides()["name"] == name
        assert programs.overrides()["wheel"].startswith(f"/Workspace/{name}/wheels/")
    for environment in programs.environments("terraform"):
        seen["TF_DATA_DIR"].add(environment["TF_DATA_DIR"])
    for environment in programs.environments("databricks", "bundle"):
        seen["DATABRICKS_BUNDLE_TMP"].add(environment["DATABRICKS_BUNDLE_TMP"])
    work = tmp_path / "work"
    steps_of = [(name, step) for name in ("order-tracking", "staging") for step in ("foundation", "function")]
    assert seen["TF_DATA_DIR"] == {str(work / name / step / ".terraform") for name, step in steps_of}
    assert seen["DATABRICKS_BUNDLE_TMP"] == {str(work / name / "bundle") for name in ("order-tracking", "staging")}


@pytest.mark.parametrize("step", ["foundation", "bundle", "function"])
def test_every_step_leaves_the_bundles_variables_where_the_cli_looks_for_them(
    programs: Programs, tmp_path: Path, step: str
) -> None:
    """Git ignores the file: whoever runs only one step, in a fresh clone, has none."""
    ours = good(tmp_path)
    if step == "bundle":
        steps.bundle(ours)
    else:
        getattr(steps, step)(ours, yes=True)
    given = programs.overrides()
    assert given["bucket"] == "orders-files"
    assert given["function_principal"] == "the-function"
    assert given["deployer_principal"] == "the-deployer"
    assert given["managers"] == [{"user_name": "me@example.com", "level": "CAN_MANAGE"}]
    assert given["alert_emails"] == ["ops@example.com"]
    assert BUILT.fullmatch(given["wheel"])


def test_a_step_names_the_previous_step_if_that_was_not_run(programs: Programs, tmp_path: Path) -> None:
    ours = good(tmp_path)
    programs.answer({("terraform", "output"): "{}"})
    with pytest.raises(CommandFailed, match=r"-m infra\.deploy foundation"):
        steps.bundle(ours)
    not_deployed = {kind: {key: {} for key in resources} for kind, resources in SUMMARY["resources"].items()}
    programs.answer({("databricks", "summary"): json.dumps({"resources": not_deployed})})
    with pytest.raises(CommandFailed, match=r"-m infra\.deploy bundle"):
        steps.function(ours, yes=True)
    assert not [call for call in programs.calls() if "apply" in call or "deploy" in call]


def test_a_step_that_fails_ends_the_deployment(programs: Programs, tmp_path: Path) -> None:
    programs.answer({("databricks", "validate"): None})
    with pytest.raises(CommandFailed, match="bundle validate --target prod failed with status 1"):
        steps.bundle(good(tmp_path))
    assert not [call for call in programs.calls() if "deploy" in call]


def test_outputs_from_a_file_replace_terraforms_state_but_never_those_of_another_installation(
    programs: Programs, tmp_path: Path
) -> None:
    ours = good(tmp_path)
    file = steps.exported_outputs(ours)
    file.write_text(json.dumps({"installation": {"value": {**OUTPUTS, "bucket": "from-the-file"}}}))
    steps.bundle(ours)
    assert programs.overrides()["bucket"] == "from-the-file"
    assert not [call for call in programs.calls() if call[0] == "terraform"]
    file.write_text(json.dumps({"installation": {"value": {**OUTPUTS, "name": "staging"}}}))
    with pytest.raises(CommandFailed, match="belongs to the installation 'staging', not to 'order-tracking': delete"):
        steps.bundle(ours)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"installation": {"value": null}}', '{"installation": 1}'])
def test_a_file_of_outputs_that_is_none_is_named(programs: Programs, tmp_path: Path, text: str) -> None:
    ours = good(tmp_path)
    steps.exported_outputs(ours).write_text(text)
    with pytest.raises(
        CommandFailed, match=r"order-tracking\.foundation\.json is not what `terraform output -json` prints"
    ):
        steps.bundle(ours)


def test_outputs_of_an_older_step_1_ask_for_that_step(programs: Programs, tmp_path: Path) -> None:
    older = {name: value for name, value in OUTPUTS.items() if name != "bundle_folder"}
    programs.answer({("terraform", "output"): json.dumps({"installation": {"value": older}})})
    with pytest.raises(CommandFailed, match=r"lacks bundle_folder; run it again: python -m infra\.deploy foundation"):
        steps.bundle(good(tmp_path))


# --- who deploys -----------------------------------------------------------------------------------------------------


def deployers_given(tmp_path: Path) -> list[str]:
    variables = json.loads((tmp_path / "work/order-tracking/foundation.tfvars.json").read_text())
    return list(variables["deployers"])


def test_the_first_deployment_is_allowed_to_whoever_is_logged_in(programs: Programs, tmp_path: Path) -> None:
    programs.answer({("terraform", "output"): "{}"})
    assert steps.deployers(good(tmp_path)) == ["users/me@example.com"]
    principal = "01234567-89ab-cdef-0123-456789abcdef"
    programs.answer({("terraform", "output"): "{}", ("databricks", "current-user"): json.dumps({"userName": principal})})
    assert steps.deployers(good(tmp_path)) == [f"servicePrincipals/{principal}"]


def test_a_later_deployment_by_somebody_else_keeps_the_deployers(programs: Programs, tmp_path: Path) -> None:
    programs.answer({("databricks", "current-user"): json.dumps({"userName": "new@example.com"})})
    steps.foundation(good(tmp_path), yes=True)
    assert deployers_given(tmp_path) == ["users/me@example.com"]


def test_the_settings_decide_who_deploys(programs: Programs, tmp_path: Path) -> None:
    steps.foundation(good(tmp_path, DEPLOYERS="groups/data team,users/a@example.com"), yes=True)
    assert deployers_given(tmp_path) == ["groups/data team", "users/a@example.com"]


# --- the wheel -------------------------------------------------------------------------------------------------------


def test_the_wheel_is_uploaded_before_the_job_names_it(programs: Programs, tmp_path: Path) -> None:
    steps.bundle(good(tmp_path))
    lines = programs.lines()
    (upload,) = [index for index, line in enumerate(lines) if "import-dir" in line]
    (deploy,) = [index for index, line in enumerate(lines) if "bundle deploy" in line]
    assert upload < deploy
    assert lines[upload].endswith(" /Workspace/order-tracking/wheels")
    assert "--overwrite" not in lines[upload]
    assert list((tmp_path / "work/order-tracking/wheel").iterdir()), "the folder that was uploaded has the wheel"


def listed(*wheels: tuple[str, float]) -> str:
    """The answer of `workspace list`; ages in days."""
    now = time.time()
    folder = "/Workspace/order-tracking/wheels"
    files = [{"path": f"{folder}/{name}", "created_at": int((now - days * 86400) * 1000)} for name, days in wheels]
    return json.dumps([*files, {"path": f"{folder}/notes.txt", "created_at": 1}])


def test_a_wheel_that_is_there_is_neither_built_nor_uploaded(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.answer({("databricks", "workspace", "list"): listed((wheel.file_name(), 400))})
    monkeypatch.setattr(steps.wheel, "build", lambda folder: pytest.fail("built again"))
    steps.bundle(good(tmp_path))
    assert not [line for line in programs.lines() if "import-dir" in line]


def test_old_wheels_are_deleted_after_the_deployment_but_not_the_newest_the_recent_and_the_current(
    programs: Programs, tmp_path: Path
) -> None:
    def name(commit: str) -> str:
        return f"order_tracking-0.1.0+g{commit}-py3-none-any.whl"

    recent = [(name(f"1{n}"), n) for n in range(12)]
    old = [(name(f"2{n}"), 40 + n) for n in range(3)]
    programs.answer({("databricks", "workspace", "list"): listed(*old, *recent, (wheel.file_name(), 400))})
    steps.bundle(good(tmp_path))
    lines = programs.lines()
    deleted = [index for index, line in enumerate(lines) if "workspace delete" in line]
    assert [lines[index].rpartition("/")[2] for index in deleted] == [file for file, _ in old]
    assert min(deleted) > max(index for index, line in enumerate(lines) if "bundle deploy" in line)


def test_the_newest_wheels_stay_however_old_they_are(programs: Programs, tmp_path: Path) -> None:
    wheels = [(f"order_tracking-0.1.0+g{n}-py3-none-any.whl", 100.0 + n) for n in range(steps.KEPT_WHEELS)]
    programs.answer({("databricks", "workspace", "list"): listed(*wheels)})
    steps.bundle(good(tmp_path))
    assert not [line for line in programs.lines() if "workspace delete" in line]
