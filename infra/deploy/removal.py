"""`make destroy`: remove an installation except its data, and say what is kept."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from infra.deploy import steps
from infra.deploy.settings import Settings
from infra.deploy.shell import ask, run

PROTECTED = ("google_storage_bucket.files", "google_project_iam_member.storage_publishes")
"""What Terraform may not remove: the data, and a grant that all installations in a project have in common."""
KEPT_OF_THE_BUNDLE = {"schemas": "order_tracking", "volumes": "order_tracking_checkpoints"}
"""The keys in infra/databricks/databricks.yml of what it protects from removal: the tables, and what is published of them
(by kind)."""
JOB_ID_PLACEHOLDER = "1"
"""Terraform requires a job's id even to remove the functions."""


def destroy(settings: Settings) -> None:
    """Remove functions, bundle and foundation, in this order, without asking. Can be repeated after an error.

    Raises CommandFailed.
    """
    outputs = steps.foundation_outputs_or_none(settings)
    if outputs:
        file = steps.function_variables_file(settings, JOB_ID_PLACEHOLDER, "")
        steps.terraform_init("function", settings)
        _destroy_step("function", settings, file)
        _destroy_bundle(settings, steps.bundle_resources(settings, outputs))
    else:
        print("Step 1 has no outputs: functions and bundle are not there, or removed already.", file=sys.stderr)
    steps.terraform_init("foundation", settings)
    # Terraform must forget what is protected from removal.
    if protected := [resource for resource in PROTECTED if resource in _resources_of_step_1(settings)]:
        env = steps.terraform_environment("foundation", settings)
        run(*steps.terraform_command("foundation"), "state", "rm", *protected, env=env)
    _destroy_step("foundation", settings, steps.foundation_variables_file(settings))


def _resources_of_step_1(settings: Settings) -> set[str]:
    """TYPE.NAME of all resources in its state. Unlike `state list`, `state pull` does not fail without a state."""
    pulled = ask(
        *steps.terraform_command("foundation"), "state", "pull", env=steps.terraform_environment("foundation", settings)
    )
    return {f"{resource['type']}.{resource['name']}" for resource in json.loads(pulled or "{}").get("resources", [])}


def _destroy_bundle(settings: Settings, resources: dict[str, dict[str, dict[str, str]]]) -> None:
    if not any(resource.get("id") for kind in resources.values() for resource in kind.values()):
        return
    env = steps.bundle_environment(settings)
    # The CLI refuses to remove a bundle with a protected resource.
    for kind, key in KEPT_OF_THE_BUNDLE.items():
        if resources.get(kind, {}).get(key, {}).get("id"):
            run(*steps.bundle_command(settings, "deployment", "unbind", key), cwd=steps.BUNDLE, env=env)
    run(*steps.bundle_command(settings, "destroy", "--auto-approve"), cwd=steps.BUNDLE, env=env)


def _destroy_step(step: str, settings: Settings, file: Path) -> None:
    env = steps.terraform_environment(step, settings)
    run(*steps.terraform_command(step), "destroy", "-auto-approve", f"-var-file={file}", env=env)


def kept(settings: Settings) -> str:
    """What `destroy` keeps, and how to delete it."""
    bucket, schema = settings["BUCKET"], f"{settings['CATALOG']}.{settings['SCHEMA']}"
    state = f"gs://{settings['STATE_BUCKET']}/{settings['INSTALLATION']}/"
    return f"""
Removing the installation {settings["INSTALLATION"]} keeps its data. To delete that as well, which can't be undone:
  all files            gcloud storage rm --recursive gs://{bucket}
  all tables           databricks schemas delete {schema} --force
  Terraform's states   gcloud storage rm --recursive {state}
It also keeps what other installations in the project may use: enabled services, and the right of Cloud Storage to publish.
"""
