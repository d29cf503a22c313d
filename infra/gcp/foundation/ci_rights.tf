# What the Google account of GitHub Actions may do, which is what step 3 needs. No order file, and no state but its own.

locals {
  # These can only be granted on a project.
  deployer_on_project = {
    functions  = "roles/cloudfunctions.developer"
    metrics    = "roles/logging.configWriter"
    alerts     = "roles/monitoring.alertPolicyEditor"
    channels   = "roles/monitoring.notificationChannelEditor"
    dashboards = "roles/monitoring.dashboardEditor"
  }

  # Whoever deploys a function must be allowed to use the accounts of the function, its trigger and its build.
  deployer_acts_as = {
    function = google_service_account.function.name
    trigger  = google_service_account.trigger.name
    builder  = google_service_account.builder.name
  }

  states = "projects/_/buckets/${var.state_bucket}/objects/${var.name}"
  deployer_on_buckets = {
    source = { bucket = google_storage_bucket.uploads.name, role = "roles/storage.objectUser", only = null }

    # Terraform lists the states before it reads one; a condition on the object's name can't restrict listing.
    list_states = { bucket = var.state_bucket, role = "roles/storage.legacyBucketReader", only = null }
    foundation_state = {
      bucket = var.state_bucket
      role   = "roles/storage.objectViewer"
      only   = { title = "state of step 1", expression = "resource.name.startsWith(\"${local.states}/foundation/\")" }
    }
    function_state = {
      bucket = var.state_bucket
      role   = "roles/storage.objectUser"
      only   = { title = "state of step 3", expression = "resource.name.startsWith(\"${local.states}/function/\")" }
    }
  }
}

resource "google_project_iam_member" "deployer" {
  for_each = { for key, value in local.deployer_on_project : key => value if var.github_repository != "" }

  project = var.project_id
  role    = each.value
  member  = google_service_account.deployer[0].member
}

# Step 3 lets the trigger call the functions' services, which do not exist yet.
resource "google_project_iam_custom_role" "deployer" {
  count = var.github_repository == "" ? 0 : 1

  project     = var.project_id
  role_id     = "${replace(var.name, "-", "_")}_share_services"
  title       = "${var.name}: change who may call services"
  permissions = ["run.services.getIamPolicy", "run.services.setIamPolicy"]
}

resource "google_project_iam_member" "deployer_shares_services" {
  count = var.github_repository == "" ? 0 : 1

  project = var.project_id
  role    = google_project_iam_custom_role.deployer[0].id
  member  = google_service_account.deployer[0].member
}

resource "google_service_account_iam_member" "deployer_acts_as" {
  for_each = { for key, value in local.deployer_acts_as : key => value if var.github_repository != "" }

  service_account_id = each.value
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.deployer[0].member
}

resource "google_storage_bucket_iam_member" "deployer" {
  for_each = { for key, value in local.deployer_on_buckets : key => value if var.github_repository != "" }

  bucket = each.value.bucket
  role   = each.value.role
  member = google_service_account.deployer[0].member

  dynamic "condition" {
    for_each = each.value.only[*]
    content {
      title      = condition.value.title
      expression = condition.value.expression
    }
  }
}
