resource "google_storage_bucket" "files" {
  #checkov:skip=CKV_GCP_78:Soft delete keeps overwritten and deleted objects; versions would make every overwrite look alive to listings by version
  #checkov:skip=CKV_GCP_62:Data access is logged by Cloud Audit Logs where a project turns it on; usage logs would need one more bucket
  project  = var.project_id
  name     = var.bucket
  location = var.region
  labels   = local.labels

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # An upload that overwrote a good file, or somebody's rm -r: a week to get it back. The move to archive/ is not
  # covered by this, and needs not be: its bytes are in the archive.
  soft_delete_policy {
    retention_duration_seconds = 7 * 24 * 3600
  }

  # Nothing here ever ages objects in source/: what is there is not done yet.
  lifecycle_rule {
    condition {
      age                   = var.archive_nearline_days
      matches_prefix        = [var.archive_prefix]
      matches_storage_class = ["STANDARD"]
    }
    action {
      type          = "SetStorageClass"
      storage_class = "NEARLINE"
    }
  }

  lifecycle_rule {
    condition {
      age            = var.archive_delete_days
      matches_prefix = [var.archive_prefix]
    }
    action {
      type = "Delete"
    }
  }

  lifecycle_rule {
    condition {
      age            = var.rejected_delete_days
      matches_prefix = [var.rejected_prefix]
    }
    action {
      type = "Delete"
    }
  }

  lifecycle_rule {
    condition {
      age = 7
    }
    action {
      type = "AbortIncompleteMultipartUpload"
    }
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_project_service.needed]
}
