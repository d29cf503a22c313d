# Permissions on objects. Each verb has its own role, so that it can be granted only where it is needed. The roles are
# defined in the project and grant nothing by themselves. A test compares the grants with the table in docs/deploy.md.

locals {
  verbs = {
    read    = { title = "list and read objects", permissions = ["storage.objects.get", "storage.objects.list"] }
    mark    = { title = "change objects' metadata", permissions = ["storage.objects.update"] }
    move    = { title = "move objects away", permissions = ["storage.objects.move"] }
    put     = { title = "create objects", permissions = ["storage.objects.create"] }
    replace = { title = "replace objects", permissions = ["storage.objects.delete"] }
  }

  objects        = "projects/_/buckets/${google_storage_bucket.files.name}/objects/"
  below_source   = "resource.name.startsWith(\"${local.objects}${var.source_prefix}\")"
  below_archive  = "resource.name.startsWith(\"${local.objects}${var.archive_prefix}\")"
  below_rejected = "resource.name.startsWith(\"${local.objects}${var.rejected_prefix}\")"
  # Replays copy files there (named in spark_jobs/contract/marks.py); senders never upload there.
  below_replay = "resource.name.startsWith(\"${local.objects}${var.source_prefix}replay/\")"

  in_source   = { title = "below source", expression = local.below_source }
  in_rejected = { title = "below rejected", expression = local.below_rejected }
  # A retry after a crash writes the report again, and replacing an object requires the delete permission.
  reports = {
    title      = "reports in rejected"
    expression = "${local.below_rejected} && resource.name.endsWith(\".report.json\")"
  }
  written_by_job = {
    title      = "below archive, rejected and replay"
    expression = "${local.below_archive} || ${local.below_rejected} || ${local.below_replay}"
  }

  # A condition on the object's name can't restrict listing; the bucket contains nothing else anyway.
  grants = {
    function_read    = { member = google_service_account.function.member, verb = "read", only = null }
    function_mark    = { member = google_service_account.function.member, verb = "mark", only = local.in_source }
    function_move    = { member = google_service_account.function.member, verb = "move", only = local.in_source }
    function_put     = { member = google_service_account.function.member, verb = "put", only = local.in_rejected }
    function_replace = { member = google_service_account.function.member, verb = "replace", only = local.reports }

    job_read    = { member = local.job_member, verb = "read", only = null }
    job_move    = { member = local.job_member, verb = "move", only = local.in_source }
    job_put     = { member = local.job_member, verb = "put", only = local.written_by_job }
    job_replace = { member = local.job_member, verb = "replace", only = local.reports }

    spark_read = { member = local.spark_member, verb = "read", only = null }
  }
}

resource "google_project_iam_custom_role" "objects" {
  for_each = local.verbs

  project     = var.project_id
  role_id     = "${replace(var.name, "-", "_")}_${each.key}"
  title       = "${var.name}: ${each.value.title}"
  permissions = each.value.permissions
}

resource "google_storage_bucket_iam_member" "objects" {
  for_each = local.grants

  bucket = google_storage_bucket.files.name
  role   = google_project_iam_custom_role.objects[each.value.verb].id
  member = each.value.member

  dynamic "condition" {
    for_each = each.value.only[*]
    content {
      title      = condition.value.title
      expression = condition.value.expression
    }
  }
}

# Unity Catalog reads the bucket's settings before it grants access below source/.
resource "google_storage_bucket_iam_member" "spark_bucket" {
  bucket = google_storage_bucket.files.name
  role   = "roles/storage.legacyBucketReader"
  member = local.spark_member
}

resource "google_storage_bucket_iam_member" "senders_put" {
  for_each = var.uploaders

  bucket = google_storage_bucket.files.name
  role   = google_project_iam_custom_role.objects["put"].id
  member = each.value
  condition {
    title      = local.in_source.title
    expression = local.in_source.expression
  }
}

# A corrected file with the same name replaces the one that is still waiting.
resource "google_storage_bucket_iam_member" "senders_replace" {
  for_each = var.uploaders

  bucket = google_storage_bucket.files.name
  role   = google_project_iam_custom_role.objects["replace"].id
  member = each.value
  condition {
    title      = local.in_source.title
    expression = local.in_source.expression
  }
}
