"""`make destroy` removes everything but the data, in the order that the dependencies require."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from infra.deploy import removal
from infra.deploy.__main__ import main
from infra.deploy.shell import CommandFailed
from tests.infra.deploy.recorded_programs import ROOT, Programs, good, written
from tests.infra.gcp.terraform_files import load

STATE = json.dumps(
    {
        "resources": [
            {"type": "google_storage_bucket", "name": "files"},
            {"type": "google_storage_bucket", "name": "uploads"},
            {"type": "google_project_iam_member", "name": "storage_publishes"},
        ]
    }
)  # what `terraform state pull` prints, shortened


def changes(programs: Programs) -> list[str]:
    words = {"destroy", "rm", "unbind", "delete", "apply", "deploy"}
    return [line.split(" -var-file")[0] for line in programs.lines() if words & set(line.split())]


def test_the_function_goes_before_the_bundle_and_the_bundle_before_its_identities(
    programs: Programs, tmp_path: Path
) -> None:
    programs.answer({("terraform", "pull"): STATE})
    removal.destroy(good(tmp_path))
    assert changes(programs) == [
        "terraform -chdir=infra/gcp/function destroy -auto-approve",
        "databricks bundle deployment unbind order_tracking --target prod",
        "databricks bundle deployment unbind order_tracking_checkpoints --target prod",
        "databricks bundle destroy --auto-approve --target prod",
        "terraform -chdir=infra/gcp/foundation state rm google_storage_bucket.files"
        " google_project_iam_member.storage_publishes",
        "terraform -chdir=infra/gcp/foundation destroy -auto-approve",
    ]


def test_what_is_protected_is_what_is_kept() -> None:
    """A protected resource that `destroy` does not leave out first would stop it half-way."""
    folder = load(ROOT / "infra/gcp/foundation")
    protected = {
        f"{kind}.{name}"
        for (kind, name), body in folder.resources.items()
        if "prevent_destroy" in str(body.get("lifecycle", ""))
    }
    assert protected <= set(removal.PROTECTED)
    assert set(removal.PROTECTED) <= {f"{kind}.{name}" for kind, name in folder.resources}
    targets = yaml.safe_load((ROOT / "infra/databricks/databricks.yml").read_text())["targets"]
    for target in ("prod", "live", "prod_cluster"):
        assert {
            kind: key
            for kind, resources in targets[target]["resources"].items()
            for key, resource in resources.items()
            if resource.get("lifecycle", {}).get("prevent_destroy")
        } == removal.KEPT_OF_THE_BUNDLE


def test_it_can_be_repeated_after_an_error(programs: Programs, tmp_path: Path) -> None:
    """Terraform drops the outputs when it begins to remove step 1; the bundle is gone by then."""
    programs.answer({("terraform", "output"): "{}", ("terraform", "pull"): ""})
    removal.destroy(good(tmp_path))
    assert changes(programs) == ["terraform -chdir=infra/gcp/foundation destroy -auto-approve"]


def test_a_bundle_that_was_never_deployed_or_is_removed_is_skipped(programs: Programs, tmp_path: Path) -> None:
    programs.answer({("databricks", "summary"): "{}"})
    removal.destroy(good(tmp_path))
    assert not [line for line in changes(programs) if line.startswith("databricks")]


def test_an_error_ends_it_before_the_next_part(programs: Programs, tmp_path: Path) -> None:
    programs.answer({("databricks", "bundle", "destroy"): None})
    with pytest.raises(CommandFailed, match="bundle destroy"):
        removal.destroy(good(tmp_path))
    assert "-chdir=infra/gcp/foundation destroy" not in "\n".join(changes(programs))


def test_it_asks_for_the_name_and_says_what_it_keeps(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SETTINGS_FILE", str(written(tmp_path)))
    refused = CliRunner().invoke(main, ["destroy"], input="yes\n")
    assert isinstance(refused.exception, CommandFailed)
    assert not changes(programs)
    done = CliRunner().invoke(main, ["destroy"], input="order-tracking\n")
    assert done.exit_code == 0, done.output
    assert changes(programs)
    for line in (
        "gcloud storage rm --recursive gs://orders-files\n",
        "databricks schemas delete main.order_tracking --force\n",
        "gcloud storage rm --recursive gs://orders-state/order-tracking/\n",
    ):
        assert done.output.count(line) == 2, "before and after"


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")
def test_terraform_removes_what_refers_to_a_resource_that_it_has_forgotten(tmp_path: Path) -> None:
    """The real Terraform, on two resources that depend on each other like the bucket and its rights."""
    (tmp_path / "main.tf").write_text(
        'resource "terraform_data" "files" {\n  input = "kept"\n  lifecycle {\n    prevent_destroy = true\n  }\n}\n'
        'resource "terraform_data" "right" {\n  input = "gs://${terraform_data.files.output}/x"\n}\n'
        'output "right" {\n  value = terraform_data.right.output\n}\n'
    )
    environment = {**os.environ, "TF_CLI_CONFIG_FILE": "/dev/null"}

    def terraform(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["terraform", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert terraform("init").returncode == 0
    assert terraform("state", "pull").stdout == "", "the state of a step that never ran"
    assert terraform("apply", "-auto-approve").returncode == 0
    assert "prevent_destroy" in terraform("destroy", "-auto-approve").stderr
    names = {resource["name"] for resource in json.loads(terraform("state", "pull").stdout)["resources"]}
    assert names == {"files", "right"}
    assert terraform("state", "rm", "terraform_data.files").returncode == 0
    done = terraform("destroy", "-auto-approve")
    assert "1 destroyed" in done.stdout, done.stderr
    assert json.loads(terraform("output", "-json").stdout) == {}
