# The function's identity in Databricks. It needs no secret, because Google vouches for its service account.

resource "databricks_service_principal" "function" {
  provider     = databricks.account
  display_name = "${var.name}-function"
}

resource "databricks_mws_permission_assignment" "function" {
  provider     = databricks.account
  workspace_id = var.databricks_workspace_id
  principal_id = databricks_service_principal.function.id
  permissions  = ["USER"]
}

locals {
  # Any text that both sides agree on; this one is unique to this service.
  federation_audience = "${var.databricks_host}/${var.name}"
}

resource "databricks_service_principal_federation_policy" "function" {
  count = var.databricks_login == "federation" ? 1 : 0

  provider             = databricks.account
  service_principal_id = databricks_service_principal.function.id
  policy_id            = "${var.name}-function"
  description          = "Only the Cloud Function's Google identity"

  oidc_policy = {
    issuer        = "https://accounts.google.com"
    audiences     = [local.federation_audience]
    subject_claim = "sub"
    # The account's number instead of its email address, which can be reused after the account is deleted.
    subject = google_service_account.function.unique_id
  }
}

# The fallback. Its value is added by hand (docs/deploy.md), so that no state file contains it.
resource "google_secret_manager_secret" "databricks" {
  count = var.databricks_login == "secret" ? 1 : 0

  project   = var.project_id
  secret_id = "${var.name}-databricks"
  labels    = local.labels
  replication {
    auto {}
  }
  depends_on = [google_project_service.needed]
}

resource "google_secret_manager_secret_iam_member" "function_reads_secret" {
  count = var.databricks_login == "secret" ? 1 : 0

  project   = var.project_id
  secret_id = google_secret_manager_secret.databricks[0].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.function.member
}
