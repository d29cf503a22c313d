# Permissions on objects. Each verb has its own role, so that it can be granted only where it is needed. The roles are
# defined in the project and grant nothing by themselves. A test compares the grants with the table in docs/deploy.md.

locals {
  objects = "projects/_/buckets/${google_storage_bucket.files.name}/objects/"
  role_id = replace(var.name, "-", "_")
}

resource "google_project_iam_custom_role" "read" {
  project     = var.project_id
  role_id     = "${local.role_id}_read"
  title       = "Order tracking: list and read objects"
  permissions = ["storage.objects.get", "storage.objects.list"]
}

resource "google_project_iam_custom_role" "mark" {
  project     = var.project_id
  role_id     = "${local.role_id}_mark"
  title       = "Order tracking: change objects' metadata"
  permissions = ["storage.objects.update"]
}

resource "google_project_iam_custom_role" "move" {
  project     = var.project_id
  role_id     = "${local.role_id}_move"
  title       = "Order tracking: move objects away"
  permissions = ["storage.objects.move"]
}

resource "google_project_iam_custom_role" "put" {
  project     = var.project_id
  role_id     = "${local.role_id}_put"
  title       = "Order tracking: create objects"
  permissions = ["storage.objects.create"]
}

resource "google_project_iam_custom_role" "replace" {
  project     = var.project_id
  role_id     = "${local.role_id}_replace"
  title       = "Order tracking: replace objects"
  permissions = ["storage.objects.delete"]
}

# --- the function ------------------------------------------------------------------------------------------------

# A condition on the object's name can't restrict listing; the bucket contains nothing else anyway.
resource "google_storage_bucket_iam_member" "function_read" {
  bucket = google_storage_bucket.files.name
  role   = google_project_iam_custom_role.read.id
  member = google_service_account.function.member
}

resource "google_storage_bucket_iam_member" "function_mark" {
  bucket = google_storage_bucket.files.name
  role   = google_project_iam_custom_role.mark.id
  member = google_service_account.function.member
  condition {
    title      = "below source"
    expression = "resource.name.startsWith(\"${local.objects}${var.source_prefix}\")"
  }
}

resource "google_storage_bucket_iam_member" "function_move" {
  bucket = google_storage_bucket.files.name
  role   = google_project_iam_custom_role.move.id
  member = google_service_account.function.member
  condition {
    title      = "out of source"
    expression = "resource.name.startsWith(\"${local.objects}${var.source_prefix}\")"
  }
}

resource "google_storage_bucket_iam_member" "function_put" {
  bucket = google_storage_bucket.files.name
  role   = google_project_iam_custom_role.put.id
  member = google_service_account.function.member
  condition {
    title      = "into rejected"
    expression = "resource.name.startsWith(\"${local.objects}${var.rejected_prefix}\")"
  }
}

# A retry after a crash writes the report again, and replacing an object requires the delete permission.
resource "google_storage_bucket_iam_member" "function_replace" {
  bucket = google_storage_bucket.files.name
  role   = google_project_iam_custom_role.replace.id
  member = google_service_account.function.member
  condition {
    title      = "reports in rejected"
    expression = "resource.name.startsWith(\"${local.objects}${var.rejected_prefix}\") && resource.name.endsWith(\".report.json\")"
  }
}

# --- the job, with its service credential --------------------------------------------------------------------------

resource "google_storage_bucket_iam_member" "job_read" {
  bucket = google_storage_bucket.files.name
  role   = google_project_iam_custom_role.read.id
  member = local.job_member
}

resource "google_storage_bucket_iam_member" "job_move" {
  bucket = google_storage_bucket.files.name
  role   = google_project_iam_custom_role.move.id
  member = local.job_member
  condition {
    title      = "out of source"
    expression = "resource.name.startsWith(\"${local.objects}${var.source_prefix}\")"
  }
}

# Replays copy files into replay/ below source (named in spark_jobs/contract/marks.py); senders never upload there.
resource "google_storage_bucket_iam_member" "job_put" {
  bucket = google_storage_bucket.files.name
  role   = google_project_iam_custom_role.put.id
  member = local.job_member
  condition {
    title = "into archive, rejected and replay"
    expression = join(" || ", [
      "resource.name.startsWith(\"${local.objects}${var.archive_prefix}\")",
      "resource.name.startsWith(\"${local.objects}${var.rejected_prefix}\")",
      "resource.name.startsWith(\"${local.objects}${var.source_prefix}replay/\")",
    ])
  }
}

resource "google_storage_bucket_iam_member" "job_replace" {
  bucket = google_storage_bucket.files.name
  role   = google_project_iam_custom_role.replace.id
  member = local.job_member
  condition {
    title      = "reports in rejected"
    expression = "resource.name.startsWith(\"${local.objects}${var.rejected_prefix}\") && resource.name.endsWith(\".report.json\")"
  }
}

# --- Spark, with the external location -----------------------------------------------------------------------------

# Unity Catalog reads the bucket's settings before it grants access below source/.
resource "google_storage_bucket_iam_member" "spark_bucket" {
  bucket = google_storage_bucket.files.name
  role   = "roles/storage.legacyBucketReader"
  member = local.spark_member
}

resource "google_storage_bucket_iam_member" "spark_read" {
  bucket = google_storage_bucket.files.name
  role   = google_project_iam_custom_role.read.id
  member = local.spark_member
}

# --- senders -------------------------------------------------------------------------------------------------------

resource "google_storage_bucket_iam_member" "uploader_put" {
  for_each = var.uploaders

  bucket = google_storage_bucket.files.name
  role   = google_project_iam_custom_role.put.id
  member = each.value
  condition {
    title      = "into source"
    expression = "resource.name.startsWith(\"${local.objects}${var.source_prefix}\")"
  }
}

# A corrected file with the same name replaces the one that is still waiting.
resource "google_storage_bucket_iam_member" "uploader_replace" {
  for_each = var.uploaders

  bucket = google_storage_bucket.files.name
  role   = google_project_iam_custom_role.replace.id
  member = each.value
  condition {
    title      = "in source"
    expression = "resource.name.startsWith(\"${local.objects}${var.source_prefix}\")"
  }
}
