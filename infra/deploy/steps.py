"""The three deployment steps. Each needs the output of the previous one. All are idempotent."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from infra.deploy import settings as settings_module
from infra.deploy import wheel
from infra.deploy.settings import Settings
from infra.deploy.shell import ROOT, CommandFailed, ask, ask_json, run_with_retries
from infra.deploy.upload_set import write_zip

WORK = ROOT / ".data" / "deploy"
"""Generated files, in a folder for each installation: variables, the function's zip, the wheel, and the working data of
Terraform and of the bundle. They contain no secrets and can be deleted."""
BUNDLE = ROOT / "infra" / "databricks"
INGEST_JOB = "order_tracking_ingest"
CONTINUOUS_JOB = "order_tracking_live"
KEPT_WHEELS = 10
KEPT_WHEEL_DAYS = 30
_NEEDED_OUTPUTS = {
    *("name", "bucket", "catalog", "bundle_folder", "deployer_principal", "deployers", "job_principal", "changes_topic"),
}
_WHEEL = re.compile(r"order_tracking-[\w.+]+-py3-none-any\.whl")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def foundation(settings: Settings, yes: bool) -> None:
    """Deploy bucket, topics, identities and credentials."""
    terraform_init("foundation", settings)
    file = variables_file("foundation", settings)
    terraform("foundation", settings, "apply", f"-var-file={file}", *(["-auto-approve"] if yes else []))
    write_bundle_variables(settings, foundation_outputs(settings))


def bundle(settings: Settings) -> None:
    """Upload the wheel, unless it is there already, and deploy the jobs. Replaces a continuous run."""
    outputs = foundation_outputs(settings)
    env = write_bundle_variables(settings, outputs)
    folder, name = wheel_path(outputs).rsplit("/", 1)
    ask("databricks", "workspace", "mkdirs", folder, env=env)
    if name not in _wheels(settings, folder):
        built = wheel.build(work(settings) / "wheel")
        # Never overwrites: it skips files that exist.
        run_with_retries("databricks", "workspace", "import-dir", str(built.parent), folder, env=env)
    continuous_job = _job_id(bundle_resources(settings, outputs), CONTINUOUS_JOB) if settings.live else ""
    for verb in ("validate", "deploy"):
        run_with_retries(*bundle_command(settings, verb), cwd=BUNDLE, env=env)
    if continuous_job:
        # It would go on with the old wheel for up to a day. It finishes its batch, and Databricks starts the next run.
        ask("databricks", "jobs", "cancel-all-runs", "--job-id", continuous_job, env=workspace(settings))
    _delete_old_wheels(settings, folder, name)


def function(settings: Settings, yes: bool) -> None:
    """Deploy both functions, their triggers, metrics and alerts."""
    file = variables_file("function", settings)
    terraform_init("function", settings)
    terraform("function", settings, "apply", f"-var-file={file}", *(["-auto-approve"] if yes else []))


# --- step 1's output -------------------------------------------------------------------------------------------------


def exported_outputs(settings: Settings) -> Path:
    """The output of `terraform output -json` after step 1, for machines that may not read Terraform's state."""
    return settings_module.FOLDER / f"{settings['INSTALLATION']}.foundation.json"


def foundation_outputs(settings: Settings) -> dict[str, Any]:
    """The output of step 1 for the other steps. Raises CommandFailed if it has not been run."""
    outputs = foundation_outputs_or_none(settings)
    if not outputs:
        raise CommandFailed("step 1 has no outputs; run it first: python -m infra.deploy foundation")
    if missing := _NEEDED_OUTPUTS - set(outputs):
        raise CommandFailed(
            f"step 1 was last run by another version and lacks {', '.join(sorted(missing))};"
            " run it again: python -m infra.deploy foundation"
        )
    return outputs


def foundation_outputs_or_none(settings: Settings) -> dict[str, Any]:
    """As `foundation_outputs`, but empty before step 1. Raises CommandFailed if it belongs to another installation."""
    file = exported_outputs(settings)
    if file.is_file():
        outputs = _exported(file)
    else:
        terraform_init("foundation", settings, quiet=True)
        command = (*terraform_command("foundation"), "output", "-json")
        outputs = ask_json(*command, env=terraform_environment("foundation", settings))
    values: dict[str, Any] = outputs.get("installation", {}).get("value", {})
    if values and values["name"] != settings["INSTALLATION"]:
        raise CommandFailed(
            f"the output of step 1 belongs to the installation {values['name']!r}, not to {settings['INSTALLATION']!r}:"
            f" {f'delete {file}' if file.is_file() else 'check INSTALLATION and STATE_BUCKET'}"
        )
    return values


def _exported(file: Path) -> dict[str, Any]:
    try:
        outputs = json.loads(file.read_text())
        return {"installation": {"value": dict(outputs["installation"]["value"])}}
    except (ValueError, TypeError, KeyError):
        raise CommandFailed(f"{file} is not what `terraform output -json` prints after step 1; save it again") from None


def deployers(settings: Settings) -> list[str]:
    """DEPLOYERS. If that is empty, those that step 1 was last run with, and the first time whoever is logged in.

    Otherwise each run of step 1 by somebody else would replace the previous one, and a run in CI all people.
    """
    if given := settings.listed("DEPLOYERS"):
        return given
    return sorted(foundation_outputs_or_none(settings).get("deployers", [])) or [logged_in(settings)]


def logged_in(settings: Settings) -> str:
    """Who the Databricks CLI is logged in as, in the form of DEPLOYERS."""
    return member(ask_json("databricks", "current-user", "me", "--output", "json", env=workspace(settings)))


def member(me: dict[str, Any]) -> str:
    """A user or service principal of the SCIM API, in the form of DEPLOYERS. A principal's name is its application id."""
    name = str(me["userName"])
    return f"{'servicePrincipals' if _UUID.fullmatch(name) else 'users'}/{name}"


# --- Terraform -------------------------------------------------------------------------------------------------------


def work(settings: Settings) -> Path:
    return WORK / settings["INSTALLATION"]


def terraform_command(step: str) -> tuple[str, str]:
    return "terraform", f"-chdir=infra/gcp/{step}"


def terraform_environment(step: str, settings: Settings) -> dict[str, str]:
    """The working data is per installation: there, Terraform remembers which state it works on."""
    return {"TF_DATA_DIR": str(work(settings) / step / ".terraform")}


def terraform(step: str, settings: Settings, *arguments: str) -> None:
    run_with_retries(*terraform_command(step), *arguments, env=terraform_environment(step, settings))


def terraform_init(step: str, settings: Settings, quiet: bool = False) -> None:
    command = (
        *terraform_command(step),
        "init",
        "-input=false",
        f"-backend-config=bucket={settings['STATE_BUCKET']}",
        f"-backend-config=prefix={settings.state_prefix(step)}",
    )
    env = terraform_environment(step, settings)
    if quiet:
        ask(*command, env=env)
    else:
        run_with_retries(*command, env=env)


def foundation_variables_file(settings: Settings) -> Path:
    return _write_json(work(settings) / "foundation.tfvars.json", settings.foundation_variables(deployers(settings)))


def variables_file(step: str, settings: Settings) -> Path:
    """The variables of a step, as a deployment of it would give them."""
    if step == "foundation":
        return foundation_variables_file(settings)
    return function_variables_file(settings, *deployed_job_ids(settings, foundation_outputs(settings)))


def function_variables_file(settings: Settings, job_id: str, continuous_job_id: str) -> Path:
    """Also writes the function's zip. Its path is relative: it is in the state, and another clone must not differ."""
    archive = os.path.relpath(write_zip(work(settings) / "function.zip"), ROOT / "infra" / "gcp" / "function")
    return _write_json(
        work(settings) / "function.tfvars.json", settings.function_variables(job_id, continuous_job_id, archive)
    )


# --- the bundle ------------------------------------------------------------------------------------------------------


def workspace(settings: Settings) -> dict[str, str]:
    """The workspace for the Databricks CLI: a bundle can't take it from a variable."""
    return {"DATABRICKS_HOST": settings["DATABRICKS_HOST"]}


def bundle_command(settings: Settings, *arguments: str) -> tuple[str, ...]:
    return "databricks", "bundle", *arguments, "--target", settings["BUNDLE_TARGET"]


def bundle_environment(settings: Settings) -> dict[str, str]:
    """The CLI's copy of the bundle's state is per installation: it refuses a copy that belongs to another state."""
    return {
        **workspace(settings),
        "DATABRICKS_BUNDLE_TARGET": settings["BUNDLE_TARGET"],
        "DATABRICKS_BUNDLE_TMP": str(work(settings) / "bundle"),
    }


def write_bundle_variables(settings: Settings, outputs: dict[str, Any]) -> dict[str, str]:
    """Write the CLI's own overrides file, which every `databricks bundle` command reads; returns its environment.

    Git ignores the file and all installations share it, so each command that uses the bundle writes it first.
    """
    file = BUNDLE / ".databricks" / "bundle" / settings["BUNDLE_TARGET"] / "variable-overrides.json"
    _write_json(file, settings.bundle_variables(outputs, wheel_path(outputs)))
    return bundle_environment(settings)


def wheel_path(outputs: dict[str, Any]) -> str:
    """Absolute path, in the workspace, of the wheel of the current tree."""
    return f"{outputs['bundle_folder']}/wheels/{wheel.file_name()}"


def deployed_job_ids(settings: Settings, outputs: dict[str, Any]) -> tuple[str, str]:
    """The ids of the ingest job and, in live mode only, of the continuous job, otherwise empty.

    Raises CommandFailed if the bundle is not deployed.
    """
    resources = bundle_resources(settings, outputs)
    ingest = _job_id(resources, INGEST_JOB)
    continuous = _job_id(resources, CONTINUOUS_JOB) if settings.live else ""
    if not ingest or (settings.live and not continuous):
        target = settings["BUNDLE_TARGET"]
        raise CommandFailed(f"the bundle target {target} is not deployed; run step 2 first: python -m infra.deploy bundle")
    return ingest, continuous


def _job_id(resources: dict[str, dict[str, dict[str, Any]]], key: str) -> str:
    """Empty if the job is not deployed."""
    return str(resources.get("jobs", {}).get(key, {}).get("id") or "")


def bundle_resources(settings: Settings, outputs: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """The bundle's resources by kind and key; those that are deployed have an `id`."""
    env = write_bundle_variables(settings, outputs)
    summary = ask_json(*bundle_command(settings, "summary", "--output", "json"), cwd=BUNDLE, env=env)
    resources: dict[str, dict[str, dict[str, Any]]] = summary.get("resources") or {}
    return resources


def _wheels(settings: Settings, folder: str) -> dict[str, float]:
    """The wheels in the folder with the time of their upload, in seconds since 1970."""
    listed = ask_json("databricks", "workspace", "list", folder, "--output", "json", env=workspace(settings)) or []
    created = {item["path"].rpartition("/")[2]: item.get("created_at", time.time() * 1000) / 1000 for item in listed}
    return {name: when for name, when in created.items() if _WHEEL.fullmatch(name)}


def _delete_old_wheels(settings: Settings, folder: str, current: str) -> None:
    """Keep the current one, the newest ones, and all that a run which has been queued for long may still name."""
    wheels = _wheels(settings, folder)
    newest = sorted(wheels, key=lambda name: wheels[name], reverse=True)[:KEPT_WHEELS]
    limit = time.time() - KEPT_WHEEL_DAYS * 24 * 3600
    for name in sorted(wheels):
        if name != current and name not in newest and wheels[name] < limit:
            print(f"deleting an old wheel: {name}", file=sys.stderr)
            ask("databricks", "workspace", "delete", f"{folder}/{name}", env=workspace(settings))


def _write_json(file: Path, content: dict[str, Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n")
    return file
