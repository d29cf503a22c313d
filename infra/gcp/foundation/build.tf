# Storage for the function's image and source, and the permissions of Cloud Build. Without its own account, it would use
# the Compute Engine default account, which is an editor of the whole project in many organizations.

resource "google_artifact_registry_repository" "images" {
  #checkov:skip=CKV_GCP_84:Contains the function's image, built from this repository; Google's encryption at rest is enough
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
  #checkov:skip=CKV_GCP_78:Each upload has a unique name that contains the hash of its content
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

# Cloud Functions copies the upload into its own bucket, which exists only after the first deployment. Therefore the grant
# is on the project, with a condition on that bucket.
resource "google_project_iam_member" "builder_reads_source" {
  project = var.project_id
  role    = "roles/storage.objectViewer"
  member  = google_service_account.builder.member
  condition {
    title      = "function sources only"
    expression = "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-${data.google_project.this.number}-\")"
  }
}

# Build logs: this role can only be granted on a project.
resource "google_project_iam_member" "builder_logs" {
  project = var.project_id
  role    = "roles/logging.logWriter"
  member  = google_service_account.builder.member
}
