"""The three deployment steps. Each needs the outputs of the previous one. All are idempotent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.deploy.settings import FOLDER, Settings
from infra.deploy.shell import CommandFailed, Shell
from infra.deploy.upload_set import ROOT, write_zip

WORK = ROOT / ".data" / "deploy"
"""Generated files: variables and the function's zip. They contain no secrets and can be deleted."""
EXPORTED_OUTPUTS = FOLDER / "foundation.json"
"""The output of `terraform output -json` after step 1, for machines that may not read Terraform's state."""
BUNDLE = ROOT / "infra" / "databricks"
INGEST_JOB = "order_tracking_ingest"


def foundation(settings: Settings, shell: Shell, yes: bool) -> None:
    """Deploy bucket, topics, identities and credentials."""
    _terraform(settings, shell, "foundation", settings.foundation_variables(), yes)


def bundle(settings: Settings, shell: Shell) -> None:
    """Build the wheel (the bundle does that itself) and deploy the jobs.

    The variables are written to the CLI's own overrides file, so that the CLI can be used by hand afterwards.
    """
    target = settings["BUNDLE_TARGET"]
    overrides = BUNDLE / ".databricks" / "bundle" / target / "variable-overrides.json"
    _write_json(overrides, settings.bundle_variables(foundation_outputs(settings, shell)))
    for verb in ("validate", "deploy"):
        shell.run("databricks", "bundle", verb, "--target", target, cwd=BUNDLE, env=workspace(settings))


def function(settings: Settings, shell: Shell, yes: bool) -> None:
    """Deploy both functions, their triggers, metrics and alerts."""
    archive = write_zip(WORK / "function.zip")
    variables = settings.function_variables(deployed_job_id(settings, shell), archive)
    _terraform(settings, shell, "function", variables, yes)


def foundation_outputs(settings: Settings, shell: Shell) -> dict[str, Any]:
    """The outputs of step 1 by name. Raises CommandFailed if it has not been run."""
    if EXPORTED_OUTPUTS.is_file():
        outputs = json.loads(EXPORTED_OUTPUTS.read_text())
    else:
        shell.ask(*_init(settings, "foundation"))
        outputs = shell.ask_json("terraform", f"-chdir={_folder('foundation')}", "output", "-json")
    if not outputs:
        raise CommandFailed("step 1 has no outputs; run it first: python -m infra.deploy foundation")
    values: dict[str, Any] = outputs["installation"]["value"]
    return values


def deployed_job_id(settings: Settings, shell: Shell) -> str:
    """The id of the ingest job. Raises CommandFailed if the bundle is not deployed."""
    target = settings["BUNDLE_TARGET"]
    command = ("databricks", "bundle", "summary", "--target", target, "--output", "json")
    summary = shell.ask_json(*command, cwd=BUNDLE, env=workspace(settings))
    job_id = summary.get("resources", {}).get("jobs", {}).get(INGEST_JOB, {}).get("id")
    if not job_id:
        raise CommandFailed(f"the bundle target {target} is not deployed; run step 2 first: python -m infra.deploy bundle")
    return str(job_id)


def workspace(settings: Settings) -> dict[str, str]:
    """The workspace for the Databricks CLI: a bundle can't take it from a variable."""
    return {"DATABRICKS_HOST": settings["DATABRICKS_HOST"]}


def _terraform(settings: Settings, shell: Shell, step: str, variables: dict[str, Any], yes: bool) -> None:
    folder = _folder(step)
    file = WORK / f"{step}.tfvars.json"
    _write_json(file, variables)
    shell.run(*_init(settings, step))
    shell.run(*("terraform", f"-chdir={folder}", "apply", f"-var-file={file}"), *(["-auto-approve"] if yes else []))


def _init(settings: Settings, step: str) -> tuple[str, ...]:
    return (
        "terraform",
        f"-chdir={_folder(step)}",
        "init",
        "-input=false",
        f"-backend-config=bucket={settings['STATE_BUCKET']}",
    )


def _folder(step: str) -> str:
    return f"infra/gcp/{step}"


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n")
