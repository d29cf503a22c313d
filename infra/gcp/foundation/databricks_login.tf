# Who the function is for Databricks, and why it needs no secret: Google vouches for its service account.

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
  # Any text does, as long as both sides say the same; this one can't be mistaken for another service's.
  federation_audience = "${var.databricks_host}/${var.name}"
}

resource "databricks_service_principal_federation_policy" "function" {
  count = var.databricks_login == "federation" ? 1 : 0

  provider             = databricks.account
  service_principal_id = databricks_service_principal.function.id
  policy_id            = "${var.name}-function"
  description          = "The Cloud Function's own Google identity, nobody else's"

  oidc_policy = {
    issuer        = "https://accounts.google.com"
    audiences     = [local.federation_audience]
    subject_claim = "sub"
    # The account's number, not its address: an address can be given to a new account after the old one is deleted.
    subject = google_service_account.function.unique_id
  }
}

# The fallback. Its value is put in by hand (docs/deploy.md), so that it is in no state file.
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
