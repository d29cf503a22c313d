# GitHub Actions deploys without a key, if github_repository is set: only from this repository's main branch, and only in its
# environment `production`. On Databricks it logs in as the deployer's principal. The project owner grants its permissions in
# the project (docs/deploy.md lists them).

resource "google_service_account" "deployer" {
  count = var.github_repository == "" ? 0 : 1

  project      = var.project_id
  account_id   = "${var.name}-deployer"
  display_name = "Order tracking: deployments from GitHub Actions"
  depends_on   = [google_project_service.needed]
}

resource "google_iam_workload_identity_pool" "github" {
  count = var.github_repository == "" ? 0 : 1

  project                   = var.project_id
  workload_identity_pool_id = "${var.name}-github"
  depends_on                = [google_project_service.needed]
}

resource "google_iam_workload_identity_pool_provider" "github" {
  #checkov:skip=CKV_GCP_125:The condition names one repository and its main branch, with a variable that checkov can't resolve
  count = var.github_repository == "" ? 0 : 1

  project                            = var.project_id
  workload_identity_pool_id          = google_iam_workload_identity_pool.github[0].workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  attribute_mapping = {
    "google.subject"       = "assertion.sub"
    "attribute.repository" = "assertion.repository"
    # Another repository may get this name later, but not this number.
    "attribute.repository_id" = "assertion.repository_id"
    "attribute.ref"           = "assertion.ref"
    "attribute.environment"   = "assertion.environment"
  }
  attribute_condition = "assertion.repository == \"${var.github_repository}\" && assertion.ref == \"refs/heads/main\" && assertion.environment == \"production\""
  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "github_is_deployer" {
  count = var.github_repository == "" ? 0 : 1

  service_account_id = google_service_account.deployer[0].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.github[0].name}/attribute.repository/${var.github_repository}"
}

resource "databricks_service_principal_federation_policy" "deployer" {
  count = var.github_repository == "" ? 0 : 1

  provider             = databricks.account
  service_principal_id = databricks_service_principal.deployer.id
  policy_id            = "${var.name}-github"
  description          = "GitHub Actions, main branch of ${var.github_repository}"

  oidc_policy = {
    issuer        = "https://token.actions.githubusercontent.com"
    audiences     = [var.databricks_host]
    subject_claim = "sub"
    subject       = "repo:${var.github_repository}:environment:production"
  }
}

# Step 3 uploads the function's source and writes its state; it reads that of step 1. Nothing else in Cloud Storage.
resource "google_storage_bucket_iam_member" "deployer_writes_source" {
  count = var.github_repository == "" ? 0 : 1

  bucket = google_storage_bucket.uploads.name
  role   = "roles/storage.objectUser"
  member = google_service_account.deployer[0].member
}

resource "google_storage_bucket_iam_member" "deployer_writes_state" {
  count = var.github_repository == "" ? 0 : 1

  bucket = var.state_bucket
  role   = "roles/storage.objectUser"
  member = google_service_account.deployer[0].member
}
