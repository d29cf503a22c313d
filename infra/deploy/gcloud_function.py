"""Step 3 without Terraform: the same functions with the same settings, but no metrics and alerts."""

from __future__ import annotations

from infra.deploy.settings import Settings
from infra.deploy.shell import run, run_with_retries
from infra.deploy.steps import deployed_job_ids, foundation_outputs

DEFAULTS = {
    "LAUNCH_WINDOW_SECONDS": "30",
    "MAX_BAD_ROW_RATIO": "0.1",
    "SWEEP_GRACE_SECONDS": "600",
    "MAX_INSTANCES": "20",
}
"""As in infra/gcp/function/variables.tf."""


def function_with_gcloud(settings: Settings) -> None:
    """Deploy both functions and let their trigger call them."""
    base = foundation_outputs(settings)
    job_id, continuous_job_id = deployed_job_ids(settings, base)
    tuned = {name: settings[name] or default for name, default in DEFAULTS.items()}
    instances = tuned.pop("MAX_INSTANCES")
    environment = {
        "SOURCE_BUCKET": base["bucket"],
        "SOURCE_PREFIX": base["source_prefix"],
        "ARCHIVE_PREFIX": base["archive_prefix"],
        "REJECTED_PREFIX": base["rejected_prefix"],
        "OUTCOME_TOPIC": base["outcome_topic"],
        "DATABRICKS_JOB_ID": job_id,
        "LAUNCH": "never" if continuous_job_id else "window",
        "DATABRICKS_HOST": base["databricks_host"],
        "DATABRICKS_CLIENT_ID": base["databricks_client_id"],
        **tuned,
        "LOG_EXECUTION_ID": "true",
    }
    if continuous_job_id:
        environment["CONTINUOUS_JOB_ID"] = continuous_job_id
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
        "intake": ("--entry-point=on_object_finalized", finalized, *bucket, "--retry", f"--max-instances={instances}"),
        "sweep": ("--entry-point=on_sweep", f"--trigger-topic={sweep_topic}", "--max-instances=1"),
    }
    # The trigger calls the Cloud Run service behind the function.
    caller = (f"--member=serviceAccount:{base['trigger_account']}", "--role=roles/run.invoker")
    for name, trigger in triggers.items():
        function_name = f"{base['name']}-{name}"
        run_with_retries("gcloud", "functions", "deploy", function_name, *options, *trigger)
        run("gcloud", "run", "services", "add-iam-policy-binding", function_name, *place, *caller)
