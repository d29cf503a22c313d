# Values for the bundle and the function. infra/deploy reads them, so you never copy them by hand.

output "project_id" {
  value = var.project_id
}

output "region" {
  value = var.region
}

output "name" {
  value = var.name
}

output "bucket" {
  value = google_storage_bucket.files.name
}

output "source_prefix" {
  value = var.source_prefix
}

output "archive_prefix" {
  value = var.archive_prefix
}

output "rejected_prefix" {
  value = var.rejected_prefix
}

output "outcome_topic" {
  value = google_pubsub_topic.outcomes.id
}

output "dead_subscription" {
  value = google_pubsub_subscription.outcomes_dead.name
}

output "sweep_topic" {
  value = google_pubsub_topic.sweep.id
}

output "function_account" {
  value = google_service_account.function.email
}

output "trigger_account" {
  value = google_service_account.trigger.email
}

output "builder_account" {
  value = google_service_account.builder.id
}

output "image_repository" {
  value = google_artifact_registry_repository.images.id
}

output "upload_bucket" {
  value = google_storage_bucket.uploads.name
}

output "databricks_host" {
  value = var.databricks_host
}

output "databricks_client_id" {
  description = "Application id of the function's service principal."
  value       = databricks_service_principal.function.application_id
}

output "federation_audience" {
  description = "Empty if the function logs in with a secret."
  value       = var.databricks_login == "federation" ? local.federation_audience : ""
}

output "databricks_secret" {
  description = "Name of the secret if the function logs in with one."
  value       = one(google_secret_manager_secret.databricks[*].secret_id)
}

output "job_principal" {
  description = "Application id of the job's service principal."
  value       = databricks_service_principal.job.application_id
}

output "service_credential" {
  value = databricks_credential.job.name
}

output "catalog" {
  value = var.catalog
}

output "workload_identity_provider" {
  description = "For the GitHub Actions workflow; empty if github_repository is empty."
  value       = one(google_iam_workload_identity_pool_provider.github[*].name)
}

output "deployer_account" {
  value = one(google_service_account.deployer[*].email)
}

output "deployer_principal" {
  value = one(databricks_service_principal.deployer[*].application_id)
}
