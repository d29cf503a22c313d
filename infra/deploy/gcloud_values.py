"""The values for `function_with_gcloud.sh`, the same as Terraform's in infra/gcp/function/functions.tf."""

from __future__ import annotations

from infra.deploy import steps
from infra.deploy.settings import Settings
from infra.deploy.shell import Shell


def gcloud_values(settings: Settings, shell: Shell) -> dict[str, str]:
    """Values by the names in the script. ENVIRONMENT is a list of NAME=VALUE pairs, separated by |."""
    base = steps.foundation_outputs(settings, shell)
    environment = {
        "SOURCE_BUCKET": base["bucket"],
        "SOURCE_PREFIX": base["source_prefix"],
        "ARCHIVE_PREFIX": base["archive_prefix"],
        "REJECTED_PREFIX": base["rejected_prefix"],
        "OUTCOME_TOPIC": base["outcome_topic"],
        "DATABRICKS_JOB_ID": steps.deployed_job_id(settings, shell),
        "DATABRICKS_HOST": base["databricks_host"],
        "DATABRICKS_CLIENT_ID": base["databricks_client_id"],
        "LAUNCH_WINDOW_SECONDS": "30",
        "MAX_BAD_ROW_RATIO": "0.1",
        "SWEEP_GRACE_SECONDS": "600",
        "LOG_EXECUTION_ID": "true",
    }
    if base["federation_audience"]:
        environment["DATABRICKS_FEDERATION_AUDIENCE"] = base["federation_audience"]
    return {
        "PROJECT": base["project_id"],
        "REGION": base["region"],
        "NAME": base["name"],
        "BUCKET": base["bucket"],
        "SWEEP_TOPIC": base["sweep_topic"].rpartition("/")[2],
        "FUNCTION_ACCOUNT": base["function_account"],
        "TRIGGER_ACCOUNT": base["trigger_account"],
        "BUILDER_ACCOUNT": base["builder_account"],
        "IMAGES": base["image_repository"],
        "SECRET": base["databricks_secret"] or "",
        "ENVIRONMENT": "^|^" + "|".join(f"{name}={value}" for name, value in environment.items()),
    }
