# The job's identity and its permissions outside its schema. The bundle grants the permissions on the schema.

resource "databricks_service_principal" "job" {
  provider     = databricks.account
  display_name = "${var.name}-job"
}

resource "databricks_mws_permission_assignment" "job" {
  provider     = databricks.account
  workspace_id = var.databricks_workspace_id
  principal_id = databricks_service_principal.job.id
  permissions  = ["USER"]
}

# Databricks creates a Google service account for each credential; object_rights.tf and outcomes.tf grant its permissions.
resource "databricks_credential" "job" {
  name         = "${var.name}-job"
  purpose      = "SERVICE"
  comment      = "Used by the order tracking job to call Cloud Storage and Pub/Sub"
  force_update = true
  databricks_gcp_service_account {}
}

resource "databricks_storage_credential" "source" {
  name    = "${var.name}-source"
  comment = "Used by Spark to read below ${var.source_prefix}"
  databricks_gcp_service_account {}
}

locals {
  job_member   = "serviceAccount:${databricks_credential.job.databricks_gcp_service_account[0].email}"
  spark_member = "serviceAccount:${databricks_storage_credential.source.databricks_gcp_service_account[0].email}"
}

resource "databricks_external_location" "source" {
  name            = "${var.name}-source"
  url             = "gs://${google_storage_bucket.files.name}/${var.source_prefix}"
  credential_name = databricks_storage_credential.source.name
  comment         = "Files that Spark parses; the job moves them with the service credential"
  read_only       = true

  # Databricks reads from a location when it creates it, so the grants must exist first.
  depends_on = [google_storage_bucket_iam_member.spark_bucket, google_storage_bucket_iam_member.objects["spark_read"]]
}

resource "databricks_grant" "job_reads_source" {
  external_location = databricks_external_location.source.id
  principal         = databricks_service_principal.job.application_id
  privileges        = ["READ_FILES"]
}

resource "databricks_grant" "job_uses_credential" {
  credential = databricks_credential.job.id
  principal  = databricks_service_principal.job.application_id
  privileges = ["ACCESS"]
}

resource "databricks_grant" "job_uses_catalog" {
  catalog    = var.catalog
  principal  = databricks_service_principal.job.application_id
  privileges = ["USE_CATALOG"]
}
