"""`make deploy-check` names each missing prerequisite and how to fix it, and changes nothing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from infra.deploy import check, steps
from tests.infra.deploy.recorded_programs import ME, Programs, written


def report_of(file: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    problems = check.report(list(check.findings(file)))
    return problems, capsys.readouterr().out.splitlines()


def test_a_complete_setup_has_nothing_to_fix(
    programs: Programs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problems, lines = report_of(written(tmp_path), capsys)
    assert problems == 0
    assert not [line for line in lines if line.startswith("FIX")]
    for what in ("terraform", "settings", "project", "services", "state bucket", "account login", "catalog"):
        assert [line for line in lines if line.startswith(f"ok    {what} ")], what


@pytest.mark.parametrize(
    ("words", "answer", "what", "message"),
    [
        (("terraform", "version"), '{"terraform_version": "1.5.7"}', "terraform", "1.9 or newer"),
        (("databricks", "version"), '{"Version": "0.299.1"}', "databricks", "1.12.0 or newer"),
        (("gcloud", "version"), None, "gcloud", "install"),
        (("gcloud", "print-access-token"), None, "google login", "gcloud auth application-default login"),
        (("gcloud", "billing"), "False", "billing", "gcloud billing projects link orders-prod"),
        (
            ("gcloud", "services"),
            "serviceusage.googleapis.com\nstorage.googleapis.com",
            "services",
            "gcloud services enable cloudresourcemanager.googleapis.com serviceusage.googleapis.com --project=orders-prod",
        ),
        # The list itself needs the service.
        (("gcloud", "services"), None, "services", "gcloud services enable cloudresourcemanager.googleapis.com"),
        (("gcloud", "buckets"), None, "state bucket", "gcloud storage buckets create gs://orders-state"),
        (("databricks", "current-user"), None, "workspace login", "databricks auth login --host https://123.4"),
        (
            ("databricks", "account"),
            None,
            "account login",
            "databricks auth login --host https://accounts.gcp.databricks.com --account-id 01234567",
        ),
        (("databricks", "/api/2.1/unity-catalog/catalogs/main"), None, "catalog", "main"),
        (("databricks", "/api/2.0/sql/warehouses"), None, "SQL warehouse", "set SQL_WAREHOUSE_ID"),
        (("databricks", "/api/2.0/sql/warehouses"), "{}", "SQL warehouse", "databricks warehouses list"),
    ],
)
def test_each_problem_is_reported_with_its_fix(
    programs: Programs,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    answer: str | None,
    what: str,
    message: str,
) -> None:
    programs.answer({words: answer})
    problems, lines = report_of(written(tmp_path), capsys)
    assert problems == 1
    (number,) = [index for index, line in enumerate(lines) if line.startswith("FIX")]
    assert what in lines[number]
    assert message in lines[number + 1]


def test_the_check_only_reads(programs: Programs, tmp_path: Path) -> None:
    list(check.findings(written(tmp_path)))
    changing = {"create", "apply", "deploy", "add-iam-policy-binding", "enable", "init", "link", "login", "mkdirs"}
    assert not [call for call in programs.calls() if changing & set(call)]


def test_the_account_login_is_asked_about_the_workspace_that_the_settings_name(programs: Programs, tmp_path: Path) -> None:
    list(check.findings(written(tmp_path)))
    (environment,) = programs.environments("databricks", "account", "workspaces", "get", "123")
    assert environment["DATABRICKS_HOST"] == "https://accounts.gcp.databricks.com"
    assert environment["DATABRICKS_ACCOUNT_ID"] == "01234567-89ab-cdef-0123-456789abcdef"


# --- who is logged in ------------------------------------------------------------------------------------------------


def deployers_line(file: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    _, lines = report_of(file, capsys)
    (number,) = [index for index, line in enumerate(lines) if " deployers " in line]
    return lines[number : number + 2]


def test_it_says_who_will_be_the_deployer_if_none_is_set(
    programs: Programs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "users/me@example.com in the first deployment" in deployers_line(written(tmp_path), capsys)[0]


@pytest.mark.parametrize("given", ["users/ME@example.com", "users/a,groups/data team"])
def test_the_login_may_be_a_deployer_or_in_a_group_of_deployers(
    programs: Programs, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    assert deployers_line(written(tmp_path, DEPLOYERS=given), capsys)[0].startswith("ok")


def test_a_login_that_is_no_deployer_is_reported(
    programs: Programs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line, fix = deployers_line(written(tmp_path, DEPLOYERS="users/a,groups/others"), capsys)
    assert line.startswith("FIX")
    assert "add users/me@example.com to DEPLOYERS" in fix


def test_it_says_whether_the_login_is_the_admin_that_the_first_deployment_takes(
    programs: Programs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "me@example.com, workspace admin" in "\n".join(report_of(written(tmp_path), capsys)[1])
    programs.answer({("databricks", "current-user"): json.dumps({**ME, "groups": None})})
    assert "me@example.com, not a workspace admin" in "\n".join(report_of(written(tmp_path), capsys)[1])


# --- the SQL warehouse -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "detail"),
    [
        ("", "ok    SQL warehouse    Serverless Starter Warehouse"),
        ("00000000000000aa", "ok    SQL warehouse    reports"),
        ("00000000000000cc", "FIX   SQL warehouse    there is no 00000000000000cc"),
    ],
)
def test_it_looks_for_the_warehouse_that_the_bundle_will_use(
    programs: Programs, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str, detail: str
) -> None:
    _, lines = report_of(written(tmp_path, SQL_WAREHOUSE_ID=given), capsys)
    assert " ".join(detail.split()) in [" ".join(line.split()) for line in lines]


def test_the_starter_warehouse_has_the_name_that_the_bundle_looks_up() -> None:
    bundle = yaml.safe_load((steps.BUNDLE / "databricks.yml").read_text())
    for target in ("dev", "prod", "live", "prod_cluster"):
        lookup = bundle["targets"][target]["variables"]["sql_warehouse_id"]["lookup"]
        assert lookup == {"warehouse": check.STARTER_WAREHOUSE}


# --- provider versions -----------------------------------------------------------------------------------------------


def test_it_says_that_the_first_init_writes_the_lock_files_and_that_they_belong_in_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def line() -> str:
        return next(line for line in report_of(tmp_path / "none", capsys)[1] if "provider versions" in line)

    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=tmp_path, check=True)

    git("init", "--quiet")
    ask = check.ask
    monkeypatch.setattr(check, "ROOT", tmp_path)
    monkeypatch.setattr(check, "ask", lambda *command: ask(*command, cwd=tmp_path))
    assert "the first `terraform init` writes infra/gcp/foundation/.terraform.lock.hcl and" in line()
    assert "belongs in git" in line()
    for name in check.LOCK_FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("# locked\n")
    git("add", check.LOCK_FILES[0])
    git("commit", "--quiet", "-m", "one")
    assert f"commit {check.LOCK_FILES[1]}" in line()
    git("add", ".")
    git("commit", "--quiet", "-m", "both")
    assert line().endswith("in git")


# --- before there are settings ---------------------------------------------------------------------------------------


def test_missing_settings_are_listed_without_any_request_to_the_clouds(programs: Programs, tmp_path: Path) -> None:
    found = list(check.findings(tmp_path / "none"))
    assert [finding.what for finding in found if finding.fix] == ["settings"]
    assert not [call for call in programs.calls() if "projects" in call]


def test_a_program_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {finding.what: finding for finding in check.findings(tmp_path / "none")}
    assert found["terraform"].detail == "terraform is not installed"
    assert found["terraform"].fix
