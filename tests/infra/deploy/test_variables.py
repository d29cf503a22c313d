"""Terraform itself validates the variables: a folder with only variables.tf needs no provider and no login."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.infra.deploy.recorded_programs import good
from tests.infra.deploy.test_settings import TUNED

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")


def plan(folder: Path, step: str, variables: dict[str, Any]) -> str:
    """The output of `terraform plan`: without resources, it only validates the variables."""
    shutil.copy(ROOT / "infra/gcp" / step / "variables.tf", folder)
    (folder / "given.tfvars.json").write_text(json.dumps(variables))
    command = ["terraform", f"-chdir={folder}", "plan", "-input=false", "-no-color", "-var-file=given.tfvars.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return " ".join((done.stdout + done.stderr).replace("│", " ").split())


def variables_of(step: str, folder: Path) -> dict[str, Any]:
    settings = good(folder, GITHUB_REPOSITORY="me/orders", GITHUB_REPOSITORY_ID="42", **TUNED)
    return (
        settings.foundation_variables(["users/me@example.com"])
        if step == "foundation"
        else settings.function_variables("4711", "12", "x.zip")
    )


@pytest.mark.parametrize("step", ["foundation", "function"])
def test_terraform_accepts_the_variables_from_the_settings(tmp_path: Path, step: str) -> None:
    assert "No changes." in plan(tmp_path, step, variables_of(step, tmp_path))


@pytest.mark.parametrize(
    ("step", "name", "value", "message"),
    [
        ("foundation", "project_id", "123456789012", "must be the id of a project"),
        ("foundation", "region", "EU", "must be a single region"),
        ("foundation", "bucket", "gs://files", "without gs://"),
        ("foundation", "source_prefix", "source", "must end with /"),
        ("foundation", "uploaders", ["allUsers"], "the public (allUsers) is not accepted"),
        ("foundation", "archive_delete_days", 7, "at least 60"),
        ("foundation", "databricks_host", "https://x.gcp.databricks.com/", "without a slash"),
        ("foundation", "databricks_account_id", "mine", "must be a UUID"),
        ("foundation", "databricks_login", "key", "federation or secret"),
        ("foundation", "deployers", ["me@example.com"], "users/NAME"),
        ("foundation", "name", "order-tracking-for-the-whole-company", "so that the service accounts' names fit"),
        ("function", "job_id", "order_tracking_ingest", "must be the job's number"),
        ("function", "continuous_job_id", "order_tracking_live", "must be the job's number"),
        ("function", "launch_window_seconds", 60, "from 1 to 55"),
        ("function", "state_prefix", "order-tracking", "NAME/foundation"),
        ("function", "max_bad_row_ratio", 10, "from 0 to 1"),
    ],
)
def test_terraform_refuses_invalid_values(tmp_path: Path, step: str, name: str, value: object, message: str) -> None:
    answer = plan(tmp_path, step, {**variables_of(step, tmp_path), name: value})
    assert "Invalid value for variable" in answer, answer
    assert message in answer
