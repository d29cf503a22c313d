# Where the function's image and its uploads lie, and what Cloud Build may do: without an account of its own it would
# use the Compute Engine default account, which is an editor of the whole project in many organisations.

resource "google_artifact_registry_repository" "images" {
  #checkov:skip=CKV_GCP_84:Holds the function's image, built from this repository; Google's own encryption at rest does
  project       = var.project_id
  location      = var.region
  repository_id = "${var.name}-function"
  format        = "DOCKER"
  labels        = local.labels

  cleanup_policies {
    id     = "keep-ten"
    action = "KEEP"
    most_recent_versions {
      keep_count = 10
    }
  }

  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      older_than = "2592000s"
    }
  }

  depends_on = [google_project_service.needed]
}

resource "google_storage_bucket" "uploads" {
  #checkov:skip=CKV_GCP_78:Every upload has its own name, made from its content
  #checkov:skip=CKV_GCP_62:Only the deployer writes here
  project                     = var.project_id
  name                        = "${var.bucket}-function-source"
  location                    = var.region
  labels                      = local.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  depends_on = [google_project_service.needed]
}

resource "google_artifact_registry_repository_iam_member" "builder_pushes" {
  project    = var.project_id
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.builder.member
}

# Cloud Functions copies the upload into a bucket of its own, which is there only after the first deployment: so the
# grant is on the project, and its condition on that bucket.
resource "google_project_iam_member" "builder_reads_source" {
  project = var.project_id
  role    = "roles/storage.objectViewer"
  member  = google_service_account.builder.member
  condition {
    title      = "function sources only"
    expression = "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-${data.google_project.this.number}-\")"
  }
}

# Build logs: this role exists on projects only.
resource "google_project_iam_member" "builder_logs" {
  project = var.project_id
  role    = "roles/logging.logWriter"
  member  = google_service_account.builder.member
}
