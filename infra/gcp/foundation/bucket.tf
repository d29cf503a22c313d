resource "google_storage_bucket" "files" {
  #checkov:skip=CKV_GCP_78:Soft delete keeps overwritten and deleted objects; object versioning would show overwritten objects as live in listings by version
  #checkov:skip=CKV_GCP_62:Cloud Audit Logs log data access if the project enables it; usage logs would need another bucket
  project  = var.project_id
  name     = var.bucket
  location = var.region
  labels   = local.labels

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # A week to recover a file after an accidental overwrite or delete. Moving a file to archive/ keeps its bytes anyway.
  soft_delete_policy {
    retention_duration_seconds = 7 * 24 * 3600
  }

  # No rule applies to source/: files there are not processed yet.
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
