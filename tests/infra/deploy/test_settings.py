"""settings.env is validated as a whole and gives each step the variables that it declares."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from infra.deploy import settings, steps
from infra.deploy.settings import FIELDS, SettingsError, read
from tests.infra.deploy.recorded_programs import OUTPUTS, Programs, good, written
from tests.infra.gcp.terraform_files import load

ROOT = Path(__file__).resolve().parents[3]


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


def test_a_missing_file_names_the_file_to_copy(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"copy settings\.env\.example"):
        read(tmp_path / "none")


def test_the_settings_give_each_step_the_variables_that_it_declares(tmp_path: Path) -> None:
    """A name that only one side knows would fail after the first resources are created."""
    ours = good(tmp_path, READERS="analysts", MAX_INSTANCES="5", ARCHIVE_DELETE_DAYS="100")
    for given, step in [
        (ours.foundation_variables(["users/me@example.com"]), "foundation"),
        (ours.function_variables("1", tmp_path), "function"),
    ]:
        declared = load(ROOT / "infra/gcp" / step).variables
        assert set(given) <= set(declared)
        assert {name for name, body in declared.items() if "default" not in body} <= set(given)
    bundle = yaml.safe_load((ROOT / "infra/databricks/databricks.yml").read_text())["variables"]
    given = ours.bundle_variables(OUTPUTS, "/w.whl")
    assert set(given) <= set(bundle)
    assert set(bundle) - set(given) == {"warehouse"}


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


def test_empty_settings_follow_from_the_installation(tmp_path: Path) -> None:
    derived = {"BUCKET": "", "STATE_BUCKET": "", "SCHEMA": ""}
    ours = good(tmp_path, **derived)
    assert [ours[name] for name in ("INSTALLATION", *derived)] == [
        "order-tracking",
        "orders-prod-order-tracking",
        "orders-prod-terraform-state",
        "order_tracking",
    ]
    ours = good(tmp_path, INSTALLATION="orders-staging", **derived)
    assert (ours["BUCKET"], ours["SCHEMA"]) == ("orders-prod-orders-staging", "orders_staging")


def test_the_tests_never_read_the_installation_of_this_clone(programs: Programs) -> None:
    assert not steps.EXPORTED_OUTPUTS.is_relative_to(ROOT)
    assert not steps.WORK.is_relative_to(ROOT)
