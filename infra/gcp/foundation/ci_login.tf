# GitHub Actions deploys without a key, and only from the environment `production` and the main branch of one repository.
# Nothing of this exists unless github_repository is set. It deploys steps 2 and 3; step 1 takes an account admin.

locals {
  github = "https://token.actions.githubusercontent.com"
  # The environment is part of the condition because it has its own rules in GitHub: who may start a deployment, and who
  # must approve it. A repository's id is never given out again; its name is, once it is free.
  github_conditions = concat(
    [
      "assertion.repository == \"${var.github_repository}\"",
      "assertion.ref == \"refs/heads/main\"",
      "assertion.environment == \"production\"",
    ],
    var.github_repository_id == "" ? [] : ["assertion.repository_id == \"${var.github_repository_id}\""],
  )
}

resource "google_service_account" "deployer" {
  count = var.github_repository == "" ? 0 : 1

  project      = var.project_id
  account_id   = "${var.name}-deployer"
  display_name = "${var.name}: deployments from GitHub Actions"
  depends_on   = [google_project_service.needed]
}

resource "google_iam_workload_identity_pool" "github" {
  count = var.github_repository == "" ? 0 : 1

  project                   = var.project_id
  workload_identity_pool_id = "${var.name}-github"
  depends_on                = [google_project_service.needed]
}

resource "google_iam_workload_identity_pool_provider" "github" {
  #checkov:skip=CKV_GCP_125:The condition names one repository, its main branch and one environment, with locals that checkov can't resolve
  count = var.github_repository == "" ? 0 : 1

  project                            = var.project_id
  workload_identity_pool_id          = google_iam_workload_identity_pool.github[0].workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  attribute_mapping = {
    "google.subject"          = "assertion.sub"
    "attribute.repository"    = "assertion.repository"
    "attribute.repository_id" = "assertion.repository_id"
    "attribute.ref"           = "assertion.ref"
    "attribute.environment"   = "assertion.environment"
  }
  attribute_condition = join(" && ", local.github_conditions)
  oidc {
    issuer_uri = local.github
  }
}

resource "google_service_account_iam_member" "github_is_deployer" {
  count = var.github_repository == "" ? 0 : 1

  service_account_id = google_service_account.deployer[0].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.github[0].name}/attribute.environment/production"
}

resource "databricks_service_principal_federation_policy" "deployer" {
  count = var.github_repository == "" ? 0 : 1

  provider             = databricks.account
  service_principal_id = databricks_service_principal.deployer.id
  policy_id            = "${var.name}-github"
  description          = "GitHub Actions, environment production of ${var.github_repository}"

  oidc_policy = {
    issuer        = local.github
    audiences     = [var.databricks_host]
    subject_claim = "sub"
    subject       = "repo:${var.github_repository}:environment:production"
  }
}
