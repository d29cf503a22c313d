# Values for the bundle and the function. infra/deploy and infra/gcp/function read them, so you never copy them by hand.
# Never null: Terraform drops outputs that are null from its state. Empty instead.
output "installation" {
  value = {
    project_id      = var.project_id
    region          = var.region
    name            = var.name
    bucket          = google_storage_bucket.files.name
    source_prefix   = var.source_prefix
    archive_prefix  = var.archive_prefix
    rejected_prefix = var.rejected_prefix

    outcome_topic     = google_pubsub_topic.outcomes.id
    changes_topic     = google_pubsub_topic.changes.id
    dead_subscription = google_pubsub_subscription.outcomes_dead.name
    sweep_topic       = google_pubsub_topic.sweep.id

    function_account = google_service_account.function.email
    trigger_account  = google_service_account.trigger.email
    builder_account  = google_service_account.builder.id
    image_repository = google_artifact_registry_repository.images.id
    upload_bucket    = google_storage_bucket.uploads.name

    databricks_host = var.databricks_host
    catalog         = var.catalog
    # Application ids of the service principals of function and job.
    databricks_client_id = databricks_service_principal.function.application_id
    job_principal        = databricks_service_principal.job.application_id
    service_credential   = databricks_credential.job.name
    # Empty if the function logs in with a secret; otherwise there is no secret.
    federation_audience = var.databricks_login == "federation" ? local.federation_audience : ""
    databricks_secret   = local.databricks_secret

    # The principal that owns the jobs, who else may deploy them, and the folder for the bundle and the wheels.
    deployer_principal = databricks_service_principal.deployer.application_id
    deployers          = var.deployers
    bundle_folder      = "/Workspace${databricks_directory.bundle.path}"
  }
}

# The following ones are for people (docs/deploy.md).

output "databricks_secret" {
  value = local.databricks_secret
}

output "workload_identity_provider" {
  value = join("", google_iam_workload_identity_pool_provider.github[*].name)
}

output "deployer_account" {
  value = join("", google_service_account.deployer[*].email)
}

output "deployer_principal" {
  value = databricks_service_principal.deployer.application_id
}

locals {
  databricks_secret = join("", google_secret_manager_secret.databricks[*].secret_id)
}
