"""`make deploy-check` names each missing prerequisite and how to fix it, and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.deploy import check
from tests.infra.deploy.recorded_programs import Programs, written


def test_a_complete_setup_has_nothing_to_fix(
    programs: Programs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = list(check.findings(written(tmp_path)))
    assert check.report(found) == 0
    assert "FIX" not in capsys.readouterr().out
    assert {finding.what for finding in found} >= {"terraform", "settings", "project", "state bucket", "catalog"}


@pytest.mark.parametrize(
    ("words", "answer", "what", "message"),
    [
        (("terraform", "version"), '{"terraform_version": "1.5.7"}', "terraform", "1.9 or newer"),
        (("databricks", "version"), '{"Version": "0.299.0"}', "databricks", "1.12 or newer"),
        (("gcloud", "version"), None, "gcloud", "install"),
        (("gcloud", "print-access-token"), None, "google login", "gcloud auth application-default login"),
        (("gcloud", "billing"), "False", "billing", "gcloud billing projects link orders-prod"),
        (("gcloud", "buckets"), None, "state bucket", "gcloud storage buckets create gs://orders-state"),
        (("databricks", "account"), None, "account login", "databricks auth login --host https://accounts.gcp"),
        (("databricks", "api"), None, "catalog", "main"),
        (
            ("gcloud", "services"),
            "run.googleapis.com",
            "first services",
            "gcloud services enable cloudresourcemanager.googleapis.com serviceusage.googleapis.com --project=orders-prod",
        ),
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
    assert check.report(list(check.findings(written(tmp_path)))) == 1
    lines = capsys.readouterr().out.splitlines()
    (number,) = [index for index, line in enumerate(lines) if line.startswith("FIX")]
    assert what in lines[number]
    assert message in lines[number + 1]


def test_the_check_only_reads(programs: Programs, tmp_path: Path) -> None:
    list(check.findings(written(tmp_path)))
    changing = {"create", "apply", "deploy", "add-iam-policy-binding", "enable", "init", "link", "login", "import"}
    assert not [call for call in programs.calls() if changing & set(call)]


def test_missing_settings_are_listed_without_any_request_to_the_clouds(programs: Programs, tmp_path: Path) -> None:
    found = list(check.findings(tmp_path / "none"))
    assert [finding.what for finding in found if finding.fix] == ["settings"]
    assert not [call for call in programs.calls() if "projects" in call]


def test_a_program_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {finding.what: finding for finding in check.findings(tmp_path / "none")}
    assert found["terraform"].detail == "terraform is not installed"
    assert found["terraform"].fix


def test_the_deployers_are_who_is_logged_in_unless_they_are_named(programs: Programs, tmp_path: Path) -> None:
    def found(**changes: str) -> check.Finding:
        return next(one for one in check.findings(written(tmp_path, **changes)) if one.what == "deployers")

    assert found() == check.Finding("deployers", "users/me@example.com, who is logged in")
    assert found(DEPLOYERS="groups/data").fix == ""
    assert found(DEPLOYERS="users/other@example.com").fix == "add yourself, or a group that you are in, to DEPLOYERS"
    programs.answer({("databricks", "current-user"): '{"userName": "0f1e"}'})
    assert found().detail == "servicePrincipals/0f1e, who is logged in"


def test_the_account_login_is_checked_by_itself(programs: Programs, tmp_path: Path) -> None:
    list(check.findings(written(tmp_path)))
    assert programs.hosts("databricks") >= {"https://accounts.gcp.databricks.com"}


def test_without_a_login_to_the_workspace_both_findings_that_need_it_say_so(programs: Programs, tmp_path: Path) -> None:
    programs.answer({("databricks", "current-user"): None})
    found = {one.what: one for one in check.findings(written(tmp_path)) if one.fix}
    assert set(found) == {"workspace login", "deployers"}
    assert found["workspace login"].fix == "databricks auth login --host https://123.4.gcp.databricks.com"
