"""The three deployment steps. Each needs the outputs of the previous one. All are idempotent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.deploy.settings import FOLDER, Settings
from infra.deploy.shell import ROOT, CommandFailed, ask, ask_json, run
from infra.deploy.upload_set import write_zip

WORK = ROOT / ".data" / "deploy"
"""Generated files: variables and the function's zip. They contain no secrets and can be deleted."""
EXPORTED_OUTPUTS = FOLDER / "foundation.json"
"""The output of `terraform output -json` after step 1, for machines that may not read Terraform's state."""
BUNDLE = ROOT / "infra" / "databricks"
INGEST_JOB = "order_tracking_ingest"


def foundation(settings: Settings, yes: bool) -> None:
    """Deploy bucket, topics, identities and credentials."""
    _apply("foundation", settings, settings.foundation_variables(), yes)


def bundle(settings: Settings) -> None:
    """Build the wheel (the bundle does that itself) and deploy the jobs.

    The variables are written to the CLI's own overrides file, so that the CLI can be used by hand afterwards.
    """
    target = settings["BUNDLE_TARGET"]
    overrides = BUNDLE / ".databricks" / "bundle" / target / "variable-overrides.json"
    _write_json(overrides, settings.bundle_variables(foundation_outputs(settings)))
    for verb in ("validate", "deploy"):
        run("databricks", "bundle", verb, "--target", target, cwd=BUNDLE, env=workspace(settings))


def function(settings: Settings, yes: bool) -> None:
    """Deploy both functions, their triggers, metrics and alerts."""
    archive = write_zip(WORK / "function.zip")
    _apply("function", settings, settings.function_variables(_deployed_job_id(settings), archive), yes)


def function_with_gcloud(settings: Settings) -> None:
    """Step 3 without Terraform: deploy the same functions with the same settings, but no metrics and alerts."""
    base = foundation_outputs(settings)
    environment = {
        "SOURCE_BUCKET": base["bucket"],
        "SOURCE_PREFIX": base["source_prefix"],
        "ARCHIVE_PREFIX": base["archive_prefix"],
        "REJECTED_PREFIX": base["rejected_prefix"],
        "OUTCOME_TOPIC": base["outcome_topic"],
        "DATABRICKS_JOB_ID": _deployed_job_id(settings),
        "DATABRICKS_HOST": base["databricks_host"],
        "DATABRICKS_CLIENT_ID": base["databricks_client_id"],
        "LAUNCH_WINDOW_SECONDS": "30",
        "MAX_BAD_ROW_RATIO": "0.1",
        "SWEEP_GRACE_SECONDS": "600",
        "LOG_EXECUTION_ID": "true",
    }
    if base["federation_audience"]:
        environment["DATABRICKS_FEDERATION_AUDIENCE"] = base["federation_audience"]
    place = ("--quiet", f"--project={base['project_id']}", f"--region={base['region']}")
    options = [
        *place,
        "--gen2",
        "--runtime=python311",
        "--source=.",
        f"--service-account={base['function_account']}",
        f"--trigger-service-account={base['trigger_account']}",
        f"--build-service-account={base['builder_account']}",
        f"--docker-repository={base['image_repository']}",
        "--ingress-settings=internal-only",
        "--no-allow-unauthenticated",
        "--memory=1Gi",
        "--cpu=1",
        "--timeout=540s",
        "--concurrency=1",
        "--set-env-vars=^|^" + "|".join(f"{name}={value}" for name, value in environment.items()),
    ]
    if base["databricks_secret"]:
        options.append(f"--set-secrets=DATABRICKS_CLIENT_SECRET={base['databricks_secret']}:latest")
    finalized = "--trigger-event-filters=type=google.cloud.storage.object.v1.finalized"
    bucket = (f"--trigger-event-filters=bucket={base['bucket']}", f"--trigger-location={base['region']}")
    sweep_topic = base["sweep_topic"].rpartition("/")[2]
    triggers = {
        "intake": ("--entry-point=on_object_finalized", finalized, *bucket, "--retry", "--max-instances=20"),
        "sweep": ("--entry-point=on_sweep", f"--trigger-topic={sweep_topic}", "--max-instances=1"),
    }
    # The trigger calls the Cloud Run service behind the function.
    caller = (f"--member=serviceAccount:{base['trigger_account']}", "--role=roles/run.invoker")
    for name, trigger in triggers.items():
        function_name = f"{base['name']}-{name}"
        run("gcloud", "functions", "deploy", function_name, *options, *trigger)
        run("gcloud", "run", "services", "add-iam-policy-binding", function_name, *place, *caller)


def foundation_outputs(settings: Settings) -> dict[str, Any]:
    """The output of step 1 for the other steps. Raises CommandFailed if it has not been run."""
    if EXPORTED_OUTPUTS.is_file():
        outputs = json.loads(EXPORTED_OUTPUTS.read_text())
    else:
        ask(*_terraform("foundation"), *_init(settings))
        outputs = ask_json(*_terraform("foundation"), "output", "-json")
    if not outputs:
        raise CommandFailed("step 1 has no outputs; run it first: python -m infra.deploy foundation")
    values: dict[str, Any] = outputs["installation"]["value"]
    return values


def workspace(settings: Settings) -> dict[str, str]:
    """The workspace for the Databricks CLI: a bundle can't take it from a variable."""
    return {"DATABRICKS_HOST": settings["DATABRICKS_HOST"]}


def _deployed_job_id(settings: Settings) -> str:
    """The id of the ingest job. Raises CommandFailed if the bundle is not deployed."""
    target = settings["BUNDLE_TARGET"]
    command = ("databricks", "bundle", "summary", "--target", target, "--output", "json")
    summary = ask_json(*command, cwd=BUNDLE, env=workspace(settings))
    job_id = summary.get("resources", {}).get("jobs", {}).get(INGEST_JOB, {}).get("id")
    if not job_id:
        raise CommandFailed(f"the bundle target {target} is not deployed; run step 2 first: python -m infra.deploy bundle")
    return str(job_id)


def _apply(step: str, settings: Settings, variables: dict[str, Any], yes: bool) -> None:
    file = WORK / f"{step}.tfvars.json"
    _write_json(file, variables)
    run(*_terraform(step), *_init(settings))
    run(*_terraform(step), "apply", f"-var-file={file}", *(["-auto-approve"] if yes else []))


def _terraform(step: str) -> tuple[str, str]:
    return "terraform", f"-chdir=infra/gcp/{step}"


def _init(settings: Settings) -> tuple[str, ...]:
    return "init", "-input=false", f"-backend-config=bucket={settings['STATE_BUCKET']}"


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n")
