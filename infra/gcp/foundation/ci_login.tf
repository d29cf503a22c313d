# GitHub Actions deploys without a key, only from this repository's main branch and only if github_repository is set.
# This file creates the deployer's identity. The project owner grants its permissions (docs/deploy.md lists them).

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
    "attribute.ref"        = "assertion.ref"
  }
  attribute_condition = "assertion.repository == \"${var.github_repository}\" && assertion.ref == \"refs/heads/main\""
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

resource "databricks_service_principal" "deployer" {
  count = var.github_repository == "" ? 0 : 1

  provider     = databricks.account
  display_name = "${var.name}-deployer"
}

resource "databricks_service_principal_federation_policy" "deployer" {
  count = var.github_repository == "" ? 0 : 1

  provider             = databricks.account
  service_principal_id = databricks_service_principal.deployer[0].id
  policy_id            = "${var.name}-github"
  description          = "GitHub Actions, main branch of ${var.github_repository}"

  oidc_policy = {
    issuer        = "https://token.actions.githubusercontent.com"
    audiences     = [var.databricks_host]
    subject_claim = "sub"
    subject       = "repo:${var.github_repository}:environment:production"
  }
}
