"""The Terraform files match the providers' schemas, and the checks find mistakes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra.gcp.provider_schemas import ROOT, provider_version
from tests.infra.gcp.terraform_check import problems
from tests.infra.gcp.terraform_files import Folder, load

GCP = ROOT / "infra" / "gcp"


def _outputs_of_foundation() -> dict[str, set[str]]:
    return {"foundation": set(load(GCP / "foundation").outputs["installation"]["value"])}


@pytest.mark.parametrize("step", ["foundation", "function"])
def test_the_providers_know_every_argument_block_and_reference(step: str) -> None:
    assert problems(load(GCP / step), _outputs_of_foundation()) == []


def test_every_terraform_file_is_checked() -> None:
    assert {path.parent.name for path in GCP.rglob("*.tf")} == {"foundation", "function"}


@pytest.mark.parametrize("step", ["foundation", "function"])
@pytest.mark.parametrize("provider", ["google", "databricks"])
def test_the_schemas_match_the_required_provider_versions(step: str, provider: str) -> None:
    required = next(iter(load(GCP / step).terraform["required_providers"])).get(provider)
    if required is None:
        assert (step, provider) == ("function", "databricks")
        return
    pessimistic = re.fullmatch(r'"~> (\d+)\.(\d+)"', required["version"])
    assert pessimistic, required
    major, minor = provider_version(provider).split(".")[:2]
    assert major == pessimistic[1]
    assert int(minor) >= int(pessimistic[2])


BREAKAGES = [
    # file, original text, replacement, expected message
    ("bucket.tf", "public_access_prevention ", "public_access_prevention_ ", "no argument public_access_prevention_"),
    (
        "bucket.tf",
        "storage_class = ",
        "storage_clas = ",
        "google_storage_bucket.files.lifecycle_rule.condition: there is no",
    ),
    ("bucket.tf", "  location = var.region\n", "", "location is missing"),
    ("bucket.tf", '      type = "Delete"\n', "", "lifecycle_rule.action: type is missing"),
    ("bucket.tf", "soft_delete_policy {", "soft_delete_policy = {", "written soft_delete_policy { }"),
    ("bucket.tf", '"google_storage_bucket" "files"', '"google_storage_buckets" "files"', "no such resource"),
    ("databricks_login.tf", "oidc_policy = {", "oidc_policy {", "written oidc_policy = { }"),
    ("databricks_login.tf", "subject_claim =", "subject_clam =", "oidc_policy: there is no argument subject_clam"),
    ("databricks_login.tf", "function.unique_id", "function.uniq_id", "has no attribute uniq_id"),
    ("databricks_login.tf", "databricks[0].id", "databricks.id", "an index is missing"),
    ("databricks_login.tf", "= databricks.account\n", "= databricks.acount\n", "databricks.acount: no such resource"),
    ("databricks_login.tf", "local.federation_audience]", "local.audience]", "local.audience: no such local"),
    ("object_rights.tf", "var.archive_prefix", "var.archive", "var.archive: no such variable"),
    ("object_rights.tf", 'objects["put"].id', "objects.id", "an index is missing"),
    ("object_rights.tf", "custom_role.objects[", "custom_role.object[", "no such resource"),
    ("outcomes.tf", '"PROTOCOL_BUFFER"', '"PROTOBUF"', "type can't be 'PROTOBUF'"),
    ("outcomes.tf", "data.google_project.this.number", "data.google_project.this.nmber", "has no attribute nmber"),
    (
        "sweep.tf",
        "schedule    = var.sweep_schedule",
        'schedule    = "* * * * *"',
        "variable sweep_schedule: nothing uses it",
    ),
]


@pytest.mark.parametrize(("file", "old", "new", "said"), BREAKAGES)
def test_a_mistake_is_found(tmp_path: Path, file: str, old: str, new: str, said: str) -> None:
    broken = _changed(tmp_path, "foundation", file, old, new)
    assert any(said in line for line in problems(broken)), problems(broken)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('retry_policy = "RETRY_POLICY_RETRY"', 'retry_policy = "RETRY"', "retry_policy can't be 'RETRY'"),
        ("local.base.upload_bucket", "local.base.uploads", "local.base.uploads: the other step has no such output"),
        (
            'key        = "DATABRICKS_CLIENT',
            'kye        = "DATABRICKS_CLIENT',
            "secret_environment_variables: key is missing",
        ),
        ('"event_filters" {', '"event_filter" {', "event_trigger: there is no argument event_filter"),
    ],
)
def test_a_mistake_in_the_function_is_found(tmp_path: Path, old: str, new: str, said: str) -> None:
    broken = _changed(tmp_path, "function", "functions.tf", old, new)
    found = problems(broken, _outputs_of_foundation())
    assert any(said in line for line in found), found


def _changed(tmp_path: Path, step: str, file: str, old: str, new: str) -> Folder:
    folder = tmp_path / step
    shutil.copytree(GCP / step, folder, ignore=shutil.ignore_patterns(".terraform*"))
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    return load(folder)


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")
def test_files_are_formatted_by_terraform_fmt() -> None:
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-recursive", "-diff", str(GCP)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("step", ["foundation", "function"])
def test_the_lock_file_belongs_in_the_tree(step: str) -> None:
    """Only `terraform init` with access to the registry can write it; nothing may ignore it then."""
    path = f"infra/gcp/{step}/.terraform.lock.hcl"
    assert subprocess.run(["git", "check-ignore", "--quiet", path], cwd=ROOT, check=False).returncode == 1


def test_every_variable_has_a_description_and_a_validation_if_it_has_a_format() -> None:
    free = {"databricks_account_host", "databricks_workspace_id", "catalog", "state_bucket", "source_archive"}
    for step in ("foundation", "function"):
        for name, body in load(GCP / step).variables.items():
            assert body.get("description"), name
            assert body.get("type"), name
            assert name in free or body.get("validation"), f"{name} has no validation"


def test_no_resource_puts_a_secret_into_the_state() -> None:
    """No keys and no secret values: what Terraform does not know can't be in its state."""
    kinds = {name for step in ("foundation", "function") for name, _ in load(GCP / step).resources}
    assert not kinds & {
        "google_service_account_key",
        "google_secret_manager_secret_version",
        "databricks_service_principal_secret",
        "databricks_token",
    }
