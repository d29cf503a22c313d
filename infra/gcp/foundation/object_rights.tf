# What may be done with objects, one role per verb, so that each can be bound to the one place where it is needed.
# Roles are defined in the project and grant nothing by themselves. docs/deploy.md has the table; a test compares them.

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

# Listing can't be limited to a prefix by a condition on the object's name; the bucket holds nothing else.
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

# A report is written again when the step is repeated after a crash, and replacing an object wants delete.
resource "google_storage_bucket_iam_member" "function_replace" {
  bucket = google_storage_bucket.files.name
  role   = google_project_iam_custom_role.replace.id
  member = google_service_account.function.member
  condition {
    title      = "reports in rejected"
    expression = "resource.name.startsWith(\"${local.objects}${var.rejected_prefix}\") && resource.name.endsWith(\".report.json\")"
  }
}

# --- the job, by its service credential ----------------------------------------------------------------------------

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

# replay/ below source is the folder that spark_jobs/contract/marks.py names: replays copy into it, no upload goes there.
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

# --- Spark, by the external location -------------------------------------------------------------------------------

# Unity Catalog asks the bucket for its settings before it hands out access below source/.
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

# Sending a mended file under the same name replaces the one that is still waiting.
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
