# Two functions from the same source: they differ in entry point, trigger and number of instances. functions/config.py
# reads their settings.

resource "google_storage_bucket_object" "source" {
  bucket = local.base.upload_bucket
  name   = "function-${filesha256(var.source_archive)}.zip"
  source = var.source_archive
}

locals {
  settings = merge(
    {
      SOURCE_BUCKET         = local.base.bucket
      SOURCE_PREFIX         = local.base.source_prefix
      ARCHIVE_PREFIX        = local.base.archive_prefix
      REJECTED_PREFIX       = local.base.rejected_prefix
      OUTCOME_TOPIC         = local.base.outcome_topic
      DATABRICKS_JOB_ID     = var.job_id
      DATABRICKS_HOST       = local.base.databricks_host
      DATABRICKS_CLIENT_ID  = local.base.databricks_client_id
      LAUNCH                = var.continuous_job_id == "" ? "window" : "never"
      LAUNCH_WINDOW_SECONDS = tostring(var.launch_window_seconds)
      MAX_BAD_ROW_RATIO     = tostring(var.max_bad_row_ratio)
      SWEEP_GRACE_SECONDS   = tostring(var.sweep_grace_seconds)
      LOG_EXECUTION_ID      = "true"
    },
    var.continuous_job_id == "" ? {} : { CONTINUOUS_JOB_ID = var.continuous_job_id },
    local.base.federation_audience == "" ? {} : { DATABRICKS_FEDERATION_AUDIENCE = local.base.federation_audience },
  )
  secrets = local.base.databricks_secret == "" ? [] : [local.base.databricks_secret]

  functions = {
    intake = {
      description = "Validates each uploaded file and starts a Databricks run for the valid ones"
      entry_point = "on_object_finalized"
      instances   = var.max_instances
      event_type  = "google.cloud.storage.object.v1.finalized"
      bucket      = local.base.bucket
      topic       = null
      # Transient errors raise, and Eventarc retries the event for a day. The sweep takes over long before that.
      retry_policy = "RETRY_POLICY_RETRY"
    }
    sweep = {
      description = "Handles files that are still in source/ after the grace period"
      entry_point = "on_sweep"
      instances   = 1
      event_type  = "google.cloud.pubsub.topic.v1.messagePublished"
      bucket      = null
      topic       = local.base.sweep_topic
      # No retry, because the next tick does the same.
      retry_policy = "RETRY_POLICY_DO_NOT_RETRY"
    }
  }
}

resource "google_cloudfunctions2_function" "functions" {
  for_each = local.functions

  project     = local.base.project_id
  location    = local.base.region
  name        = "${local.base.name}-${each.key}"
  description = each.value.description
  labels      = local.labels

  build_config {
    runtime           = "python311"
    entry_point       = each.value.entry_point
    service_account   = local.base.builder_account
    docker_repository = local.base.image_repository
    source {
      storage_source {
        bucket = google_storage_bucket_object.source.bucket
        object = google_storage_bucket_object.source.name
      }
    }
  }

  service_config {
    service_account_email = local.base.function_account
    # Only Eventarc calls them.
    ingress_settings = "ALLOW_INTERNAL_ONLY"
    # Validation streams the file, so memory does not grow with its size; the SDKs use most of it.
    available_memory = "1Gi"
    available_cpu    = "1"
    timeout_seconds  = 540
    # Validation is CPU-bound: two files at once would only slow each other down.
    max_instance_request_concurrency = 1
    max_instance_count               = each.value.instances
    environment_variables            = local.settings

    dynamic "secret_environment_variables" {
      for_each = local.secrets
      content {
        key        = "DATABRICKS_CLIENT_SECRET"
        project_id = local.base.project_id
        secret     = secret_environment_variables.value
        version    = "latest"
      }
    }
  }

  event_trigger {
    trigger_region        = local.base.region
    event_type            = each.value.event_type
    service_account_email = local.base.trigger_account
    retry_policy          = each.value.retry_policy
    pubsub_topic          = each.value.topic
    dynamic "event_filters" {
      for_each = each.value.bucket[*]
      content {
        attribute = "bucket"
        value     = event_filters.value
      }
    }
  }
}

resource "google_cloud_run_service_iam_member" "trigger_calls" {
  for_each = google_cloudfunctions2_function.functions

  project  = local.base.project_id
  location = local.base.region
  service  = each.value.name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${local.base.trigger_account}"
}
