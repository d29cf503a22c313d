"""settings.env is validated as a whole and gives each step the variables that it declares."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from infra.deploy.settings import FIELDS, SettingsError, read, settings_file
from tests.infra.deploy.clones import clone
from tests.infra.deploy.recorded_programs import OUTPUTS, good, written
from tests.infra.gcp.terraform_files import load

ROOT = Path(__file__).resolve().parents[3]
TUNED = {
    "LAUNCH_WINDOW_SECONDS": "45",
    "MAX_BAD_ROW_RATIO": "0.25",
    "SWEEP_GRACE_SECONDS": "300",
    "MAX_INSTANCES": "5",
    "WAITING_ALERT_SECONDS": "7200",
    "ARCHIVE_NEARLINE_DAYS": "10",
    "ARCHIVE_DELETE_DAYS": "400",
    "REJECTED_DELETE_DAYS": "30",
    "SWEEP_SCHEDULE": "*/5 * * * *",
}


def test_the_example_has_every_setting_and_no_other() -> None:
    lines = (ROOT / "infra/deploy/settings.env.example").read_text().splitlines()
    assert [line.partition("=")[0] for line in lines if "=" in line and not line.startswith("#")] == list(FIELDS)


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    file = written(tmp_path, REGION="EU", CATALOG="", DATABRICKS_HOST="https://x/", NONSENSE="1")
    with pytest.raises(SettingsError) as caught:
        read(file)
    message = "\n".join(caught.value.problems)
    assert "REGION is 'EU', expected a single region" in message
    assert "CATALOG is missing: the name of an existing catalog" in message
    assert "DATABRICKS_HOST is 'https://x/'" in message
    assert "'NONSENSE' is not a setting" in message
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INSTALLATION", "../../etc"),
        ("INSTALLATION", "orders-for-the-whole-company"),
        ("BUCKET", "b" * 48),
        ("BUCKET", "orders-state"),
        ("READERS", "$(id)\tx" * 60),
        ("MAX_BAD_ROW_RATIO", "10 %"),
        ("MAX_INSTANCES", "many"),
        ("SWEEP_SCHEDULE", "hourly"),
        ("SQL_WAREHOUSE_ID", "Serverless Starter Warehouse"),
        ("SQL_ALERTS", "yes"),
        ("REJECTED_SHARE_ALERT", "5"),
        ("DEPLOYERS", "me@example.com"),
        ("DEPLOYERS", "users/a, users/b"),
    ],
)
def test_invalid_values_are_refused(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        good(tmp_path, **{name: value})


def test_a_missing_file_names_the_file_to_copy(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"copy settings\.env\.example"):
        read(tmp_path / "none")


def test_all_names_follow_from_the_installation(tmp_path: Path) -> None:
    """Two files that differ in nothing else describe installations that share nothing but the bucket of the states."""
    derived = {"BUCKET": "", "STATE_BUCKET": "", "SCHEMA": ""}
    first = good(tmp_path, INSTALLATION="", **derived)
    second = good(tmp_path, INSTALLATION="orders-staging", **derived)
    assert [first[name] for name in ("INSTALLATION", *derived)] == [
        *("order-tracking", "orders-prod-order-tracking", "orders-prod-terraform-state", "order_tracking"),
    ]
    assert [second[name] for name in ("INSTALLATION", *derived)] == [
        *("orders-staging", "orders-prod-orders-staging", "orders-prod-terraform-state", "orders_staging"),
    ]
    assert first.state_prefix("foundation") != second.state_prefix("foundation")
    for settings in (first, second):
        assert settings.foundation_variables(["users/me"])["name"] == settings["INSTALLATION"]
        assert settings.function_variables("1", "", "x.zip")["state_prefix"] == f"{settings['INSTALLATION']}/foundation"


def test_the_settings_give_each_step_the_variables_that_it_declares(tmp_path: Path) -> None:
    """A name that only one side knows would fail after the first resources are created."""
    ours = good(tmp_path, READERS="analysts", SQL_WAREHOUSE_ID="0123456789abcdef", REJECTED_SHARE_ALERT="0.02", **TUNED)
    for given, step in [
        (ours.foundation_variables(["users/me"]), "foundation"),
        (ours.function_variables("1", "", "x.zip"), "function"),
    ]:
        declared = load(ROOT / "infra/gcp" / step).variables
        assert set(given) <= set(declared)
        assert {name for name, body in declared.items() if "default" not in body} <= set(given)
    bundle = yaml.safe_load((ROOT / "infra/databricks/variables.yml").read_text())["variables"]
    given = ours.bundle_variables(OUTPUTS, "/Workspace/x.whl")
    assert set(given) <= set(bundle)
    assert set(bundle) - set(given) == {"warehouse", "checkpoint"}
    assert (given["changes_topic"], given["max_bad_row_ratio"]) == (OUTPUTS["changes_topic"], "0.25")
    assert good(tmp_path, PUBLISH_CHANGES="no").bundle_variables(OUTPUTS, "x.whl")["changes_topic"] == ""


def test_every_tunable_is_passed_as_a_number_if_it_is_set_and_not_at_all_if_not(tmp_path: Path) -> None:
    def variables(**changes: str) -> dict[str, object]:
        ours = good(tmp_path, **changes)
        return ours.foundation_variables(["users/me"]) | ours.function_variables("1", "", "x.zip")

    tuned, untouched = variables(**TUNED), variables()
    assert tuned["max_bad_row_ratio"] == 0.25
    assert tuned["archive_delete_days"] == 400
    assert tuned["sweep_schedule"] == "*/5 * * * *"
    assert {name.lower() for name in TUNED} == set(tuned) - set(untouched)


def test_deployers_manage_the_bundle_by_the_kind_of_their_name(tmp_path: Path) -> None:
    deployers = ["users/Me@Example.com", "groups/data team", "servicePrincipals/0-1"]
    given = good(tmp_path).bundle_variables({**OUTPUTS, "deployers": deployers}, "x.whl")
    assert given["managers"] == [
        # As Databricks keeps it; otherwise each plan would have a change.
        {"user_name": "me@example.com", "level": "CAN_MANAGE"},
        {"group_name": "data team", "level": "CAN_MANAGE"},
        {"service_principal_name": "0-1", "level": "CAN_MANAGE"},
    ]
    assert "readers" not in given, "the bundle's own default grants nothing to anybody else"


def test_readers_see_the_dashboard_unless_they_manage_it(tmp_path: Path) -> None:
    ours = good(tmp_path, READERS="data team")
    can_read = [{"group_name": "data team", "level": "CAN_READ"}]
    assert ours.bundle_variables(OUTPUTS, "x.whl")["viewers"] == can_read
    assert ours.bundle_variables({**OUTPUTS, "deployers": ["groups/data team"]}, "x.whl")["viewers"] == []
    assert good(tmp_path).bundle_variables(OUTPUTS, "x.whl")["viewers"] == []


def test_sql_alerts_notify_nobody_while_they_are_paused(tmp_path: Path) -> None:
    def given(**changes: str) -> tuple[str, list[dict[str, str]]]:
        variables = good(tmp_path, **changes).bundle_variables(OUTPUTS, "x.whl")
        return variables["sql_alerts"], variables["alert_subscriptions"]

    assert given() == ("PAUSED", [])
    assert given(SQL_ALERTS="UNPAUSED") == ("UNPAUSED", [{"user_email": "ops@example.com"}])
    assert given(SQL_ALERTS="UNPAUSED", ALERT_EMAIL="") == ("UNPAUSED", [])


def test_another_file_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, INSTALLATION="orders-staging")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SETTINGS_FILE", "settings.env")
    assert settings_file() == tmp_path / "settings.env"
    assert read()["INSTALLATION"] == "orders-staging"


def test_settings_and_outputs_stay_out_of_git() -> None:
    names = ["settings.env", "staging.env", "order-tracking.foundation.json"]
    ignored = subprocess.run(
        ["git", "check-ignore", *(f"infra/deploy/{name}" for name in names)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(ignored.stdout.split()) == len(names)


@pytest.mark.e2e
def test_an_installation_in_the_tree_does_not_reach_the_tests(tmp_path: Path) -> None:
    """Whoever runs the tests may have deployed from the same clone."""
    tree = clone(tmp_path / "tree")
    for name in ("settings.env", "order-tracking.foundation.json", "foundation.json"):
        (tree / "infra/deploy" / name).write_text("not for tests")
    modules = [f"tests/infra/deploy/test_{name}.py" for name in ("steps", "check", "page", "settings", "drift", "removal")]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not e2e", *modules]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
