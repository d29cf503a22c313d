"""The steps, driven for real, against programs that record how they were called and answer as theirs would."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.deploy import check, settings, steps
from infra.deploy.gcloud_values import gcloud_values
from infra.deploy.settings import FIELDS, Settings, SettingsError, read
from infra.deploy.shell import CommandFailed, Shell
from tests.infra.gcp.terraform_files import load

ROOT = Path(__file__).resolve().parents[3]
GOOD = {
    "PROJECT_ID": "orders-prod",
    "REGION": "europe-west1",
    "BUCKET": "orders-files",
    "STATE_BUCKET": "orders-state",
    "UPLOADERS": "serviceAccount:shop@orders-prod.iam.gserviceaccount.com,group:ops@example.com",
    "DATABRICKS_HOST": "https://123.4.gcp.databricks.com",
    "DATABRICKS_ACCOUNT_ID": "01234567-89ab-cdef-0123-456789abcdef",
    "DATABRICKS_WORKSPACE_ID": "123",
    "CATALOG": "main",
    "SCHEMA": "order_tracking",
    "BUNDLE_TARGET": "prod",
    "DATABRICKS_LOGIN": "federation",
    "MAINTENANCE": "PAUSED",
    "ALERT_EMAIL": "ops@example.com",
}
OUTPUTS = {
    **dict.fromkeys(load(ROOT / "infra/gcp/foundation").outputs, "some"),
    "project_id": "orders-prod",
    "region": "europe-west1",
    "name": "order-tracking",
    "bucket": "orders-files",
    "source_prefix": "source/",
    "archive_prefix": "archive/",
    "rejected_prefix": "rejected/",
    "outcome_topic": "projects/orders-prod/topics/order-tracking-outcomes",
    "sweep_topic": "projects/orders-prod/topics/order-tracking-sweep",
    "databricks_host": "https://123.4.gcp.databricks.com",
    "databricks_client_id": "the-function",
    "federation_audience": "https://123.4.gcp.databricks.com/order-tracking",
    "databricks_secret": None,
    "function_account": "f@orders-prod.iam.gserviceaccount.com",
    "trigger_account": "t@orders-prod.iam.gserviceaccount.com",
}
SUMMARY = {"resources": {"jobs": {"order_tracking_ingest": {"id": "4711"}, "order_tracking_maintenance": {"id": "12"}}}}

PROGRAM = """#!{python}
import json, os, sys
name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
with open({calls!r}, "a") as log:
    log.write(json.dumps([name, *arguments, {{"host": os.environ.get("DATABRICKS_HOST", "")}}]) + "\\n")
for words, answer in json.load(open({answers!r})):
    if [name, *arguments][: len(words)] == words or all(word in [name, *arguments] for word in words):
        if answer is None:
            sys.exit(f"{{name}}: no")
        print(answer)
        break
"""


@dataclass
class Programs:
    """Stand-ins for terraform, databricks, gcloud and make, first on the PATH."""

    folder: Path

    def __post_init__(self) -> None:
        self.calls_file, self.answers_file = self.folder / "calls", self.folder / "answers"
        self.calls_file.touch()
        self.answer({})
        bin_folder = self.folder / "bin"
        bin_folder.mkdir()
        for name in ("terraform", "databricks", "gcloud", "make"):
            text = PROGRAM.format(python=sys.executable, calls=str(self.calls_file), answers=str(self.answers_file))
            (bin_folder / name).write_text(text)
            (bin_folder / name).chmod(0o755)
        self.path = f"{bin_folder}:/usr/bin:/bin"

    def answer(self, more: dict[tuple[str, ...], str | None]) -> None:
        """What is printed for calls that have these words; None: fails. The first that fits counts."""
        usual: dict[tuple[str, ...], str | None] = {
            ("terraform", "output"): json.dumps({name: {"value": value} for name, value in OUTPUTS.items()}),
            ("databricks", "summary"): json.dumps(SUMMARY),
            ("terraform", "version"): '{"terraform_version": "1.11.4"}',
            ("gcloud", "version"): '{"Google Cloud SDK": "540.0.0"}',
            ("databricks", "version"): '{"Version": "1.12.0"}',
            ("gcloud", "print-access-token"): "token",
            ("gcloud", "projects", "describe", "--format=value(projectId)"): "orders-prod",
            ("gcloud", "billing"): "True",
            ("gcloud", "buckets"): "orders-state",
            ("databricks", "auth"): '{"username": "me@example.com"}',
            ("databricks", "api"): '{"name": "main"}',
        }
        known = [*more.items(), *usual.items()]
        self.answers_file.write_text(json.dumps([[list(words), answer] for words, answer in known]))

    def calls(self) -> list[list[str]]:
        return [json.loads(line)[:-1] for line in self.calls_file.read_text().splitlines()]

    def hosts(self, program: str) -> set[str]:
        lines = [json.loads(line) for line in self.calls_file.read_text().splitlines()]
        return {line[-1]["host"] for line in lines if line[0] == program}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    made = Programs(tmp_path)
    monkeypatch.setenv("PATH", made.path)
    monkeypatch.setenv("DATABRICKS_HOST", "https://elsewhere")
    monkeypatch.setattr(steps, "WORK", tmp_path / "work")
    monkeypatch.setattr(steps, "HANDED_OVER", tmp_path / "foundation.json")
    bundle = tmp_path / "bundle"
    shutil.copytree(ROOT / "infra" / "databricks", bundle, ignore=shutil.ignore_patterns(".databricks"))
    monkeypatch.setattr(steps, "BUNDLE", bundle)
    return made


def written(folder: Path, **changes: str) -> Path:
    file = folder / "settings.env"
    file.write_text("# a comment\n\n" + "".join(f"{k}={v}\n" for k, v in {**GOOD, **changes}.items()))
    return file


def good(folder: Path, **changes: str) -> Settings:
    return read(written(folder, **changes))


# --- settings --------------------------------------------------------------------------------------------------------


def test_the_example_has_every_setting_and_no_other() -> None:
    lines = (ROOT / "infra/deploy/settings.env.example").read_text().splitlines()
    assert [line.partition("=")[0] for line in lines if "=" in line and not line.startswith("#")] == list(FIELDS)


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    file = written(tmp_path, REGION="EU", CATALOG="", DATABRICKS_HOST="https://x/", NONSENSE="1")
    with pytest.raises(SettingsError) as caught:
        read(file)
    said = "\n".join(caught.value.problems)
    assert "REGION is 'EU', expected a single region" in said
    assert "CATALOG is missing: the name of an existing catalog" in said
    assert "DATABRICKS_HOST is 'https://x/'" in said
    assert "'NONSENSE' is no setting" in said
    assert len(caught.value.problems) == 4


def test_a_missing_file_says_what_to_copy(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"copy settings\.env\.example"):
        read(tmp_path / "none")


def test_the_settings_give_each_step_the_variables_that_it_declares(tmp_path: Path) -> None:
    """A name that only one side knows would fail after the first resources are made."""
    ours = good(tmp_path)
    for given, step in [
        (ours.foundation_variables(), "foundation"),
        (ours.function_variables("1", tmp_path), "function"),
    ]:
        declared = load(ROOT / "infra/gcp" / step).variables
        assert set(given) <= set(declared)
        assert {name for name, body in declared.items() if "default" not in body} <= set(given)
    bundle = yaml.safe_load((ROOT / "infra/databricks/databricks.yml").read_text())["variables"]
    given = ours.bundle_variables(OUTPUTS)
    assert set(given) <= set(bundle)
    assert set(bundle) - set(given) == {"warehouse"}


# --- the steps -------------------------------------------------------------------------------------------------------


def test_the_job_is_deployed_before_the_function_which_is_given_its_id(programs: Programs, tmp_path: Path) -> None:
    ours, shell = good(tmp_path), Shell()
    steps.foundation(ours, shell, yes=True)
    steps.bundle(ours, shell)
    steps.function(ours, shell, yes=True)
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
    assert programs.hosts("databricks") == {GOOD["DATABRICKS_HOST"]}, "not the shell's own workspace"


def test_terraform_asks_unless_told_not_to_and_keeps_its_state_in_the_state_bucket(
    programs: Programs, tmp_path: Path
) -> None:
    steps.foundation(good(tmp_path), Shell(), yes=False)
    init, apply = programs.calls()
    assert "-backend-config=bucket=orders-state" in init
    assert "-auto-approve" not in apply


def test_the_bundle_gets_its_variables_where_the_cli_looks_for_them(programs: Programs, tmp_path: Path) -> None:
    steps.bundle(good(tmp_path), Shell())
    file = tmp_path / "bundle" / ".databricks" / "bundle" / "prod" / "variable-overrides.json"
    given = json.loads(file.read_text())
    assert given["bucket"] == "orders-files"
    assert given["function_principal"] == "the-function"
    assert given["alert_emails"] == ["ops@example.com"]


def test_a_step_whose_predecessor_was_not_run_names_it(programs: Programs, tmp_path: Path) -> None:
    ours = good(tmp_path)
    programs.answer({("terraform", "output"): "{}"})
    with pytest.raises(CommandFailed, match=r"-m infra\.deploy foundation"):
        steps.bundle(ours, Shell())
    programs.answer({("databricks", "summary"): "{}"})
    with pytest.raises(CommandFailed, match=r"-m infra\.deploy bundle"):
        steps.function(ours, Shell(), yes=True)
    assert not [call for call in programs.calls() if "apply" in call or "deploy" in call]


def test_a_step_that_fails_ends_the_deployment(programs: Programs, tmp_path: Path) -> None:
    programs.answer({("databricks", "validate"): None})
    with pytest.raises(CommandFailed, match="bundle validate --target prod ended with 1"):
        steps.bundle(good(tmp_path), Shell())
    assert not [call for call in programs.calls() if "deploy" in call]


# --- gcloud instead of Terraform -------------------------------------------------------------------------------------


def environment_of(values: dict[str, str]) -> dict[str, str]:
    assert values["ENVIRONMENT"].startswith("^|^")
    return dict(item.split("=", 1) for item in values["ENVIRONMENT"][3:].split("|"))


def test_gcloud_and_terraform_give_the_function_the_same_settings(programs: Programs, tmp_path: Path) -> None:
    base, federation = load(ROOT / "infra/gcp/function").locals["settings"], "DATABRICKS_FEDERATION_AUDIENCE"
    by_terraform = settings_named_in(base) | {federation}
    assert set(environment_of(gcloud_values(good(tmp_path), Shell()))) == by_terraform


def settings_named_in(expression: Any) -> set[str]:
    return set(re.findall(r"\b([A-Z][A-Z_]{4,})\b\s*=", str(expression)))


def test_what_the_function_is_given_it_reads_and_accepts(programs: Programs, tmp_path: Path) -> None:
    from functions.config import Config

    given = environment_of(gcloud_values(good(tmp_path), Shell()))
    config = Config.read(given)
    assert config.job_id == 4711
    assert config.source_bucket == "orders-files"
    assert config.federation_audience == OUTPUTS["federation_audience"]
    sources = "".join(path.read_text() for path in (ROOT / "functions").glob("*.py"))
    read_by_libraries = {"LOG_EXECUTION_ID", "DATABRICKS_CLIENT_ID"}
    for name in set(given) - read_by_libraries:
        assert f'"{name}"' in sources, f"nothing reads {name}"


def test_the_script_deploys_both_functions_with_every_value_filled_in(programs: Programs, tmp_path: Path) -> None:
    done = subprocess.run(
        [str(ROOT / "infra/deploy/function_with_gcloud.sh")],
        env={**os.environ, "PYTHON": sys.executable, "SETTINGS_FILE": str(written(tmp_path)), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    gcloud = [call for call in programs.calls() if call[0] == "gcloud"]
    deployed = [call for call in gcloud if call[1:3] == ["functions", "deploy"]]
    assert [call[3] for call in deployed] == ["order-tracking-intake", "order-tracking-sweep"]
    for call in gcloud:
        assert not [word for word in call if word.endswith("=") or word == ""], call
    assert "--retry" in deployed[0]
    assert "--retry" not in deployed[1]
    assert "--trigger-topic=order-tracking-sweep" in deployed[1]
    targets = {word.partition("=")[2] for call in deployed for word in call if word.startswith("--entry-point=")}
    main = (ROOT / "main.py").read_text()
    assert all(f"def {target}(" in main for target in targets)
    assert len(targets) == 2
    invokers = [call for call in gcloud if "add-iam-policy-binding" in call]
    assert [call[4] for call in invokers] == ["order-tracking-intake", "order-tracking-sweep"]


# --- deploy-check ----------------------------------------------------------------------------------------------------


def test_nothing_is_to_be_mended_where_all_is_there(
    programs: Programs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = list(check.findings(Shell(), written(tmp_path)))
    assert check.report(found) == 0
    assert "MEND" not in capsys.readouterr().out
    assert {finding.what for finding in found} >= {"terraform", "settings", "project", "state bucket", "catalog"}


@pytest.mark.parametrize(
    ("words", "answer", "what", "said"),
    [
        (("terraform", "version"), '{"terraform_version": "1.5.7"}', "terraform", "1.9 or newer"),
        (("databricks", "version"), '{"Version": "0.205.0"}', "databricks", "0.299 or newer"),
        (("gcloud", "version"), None, "gcloud", "install"),
        (("gcloud", "print-access-token"), None, "google login", "gcloud auth application-default login"),
        (("gcloud", "billing"), "False", "billing", "gcloud billing projects link orders-prod"),
        (("gcloud", "buckets"), None, "state bucket", "gcloud storage buckets create gs://orders-state"),
        (("databricks", "auth"), None, "workspace login", "databricks auth login --host https://123.4"),
        (("databricks", "api"), None, "catalog", "main"),
    ],
)
def test_what_is_missing_is_said_with_what_to_do(
    programs: Programs,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    answer: str | None,
    what: str,
    said: str,
) -> None:
    programs.answer({words: answer})
    assert check.report(list(check.findings(Shell(), written(tmp_path)))) == 1
    lines = capsys.readouterr().out.splitlines()
    (number,) = [index for index, line in enumerate(lines) if line.startswith("MEND")]
    assert what in lines[number]
    assert said in lines[number + 1]


def test_the_check_only_reads(programs: Programs, tmp_path: Path) -> None:
    list(check.findings(Shell(), written(tmp_path)))
    changing = {"create", "apply", "deploy", "add-iam-policy-binding", "enable", "init", "link", "login"}
    assert not [call for call in programs.calls() if changing & set(call)]


def test_missing_settings_are_listed_and_nothing_is_asked_of_the_clouds(programs: Programs, tmp_path: Path) -> None:
    found = list(check.findings(Shell(), tmp_path / "none"))
    assert [finding.what for finding in found if not finding.good] == ["settings"]
    assert not [call for call in programs.calls() if "projects" in call]


def test_a_program_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {finding.what: finding for finding in check.findings(Shell(), tmp_path / "none")}
    assert found["terraform"].detail == "terraform is not installed"
    assert found["terraform"].mend


def test_settings_stay_out_of_git() -> None:
    ignored = subprocess.run(
        ["git", "check-ignore", "infra/deploy/settings.env", "infra/deploy/foundation.json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(ignored.stdout.split()) == 2
    assert settings.FILE.name == "settings.env"
