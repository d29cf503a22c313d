# One upload, two functions: they differ in entry point and trigger. Their settings are functions/config.py's.

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
      LAUNCH_WINDOW_SECONDS = tostring(var.launch_window_seconds)
      MAX_BAD_ROW_RATIO     = tostring(var.max_bad_row_ratio)
      SWEEP_GRACE_SECONDS   = tostring(var.sweep_grace_seconds)
      LOG_EXECUTION_ID      = "true"
    },
    local.base.federation_audience == "" ? {} : { DATABRICKS_FEDERATION_AUDIENCE = local.base.federation_audience },
  )
  secrets = local.base.databricks_secret == null ? [] : [local.base.databricks_secret]
}

resource "google_cloudfunctions2_function" "intake" {
  project     = local.base.project_id
  location    = local.base.region
  name        = local.intake
  description = "Judges every uploaded file, and has the job take those that pass"
  labels      = local.labels

  build_config {
    runtime           = "python311"
    entry_point       = "on_object_finalized"
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
    # Only Eventarc calls it.
    ingress_settings = "ALLOW_INTERNAL_ONLY"
    # Validation streams, so memory doesn't grow with the file; SDKs take most of this.
    available_memory = "1Gi"
    available_cpu    = "1"
    timeout_seconds  = 540
    # Judging a file keeps a processor busy: two at once would only slow each other down.
    max_instance_request_concurrency = 1
    max_instance_count               = var.max_instances
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
    event_type            = "google.cloud.storage.object.v1.finalized"
    service_account_email = local.base.trigger_account
    # Whatever is not the file's fault raises, and comes again for a day; after that the sweep has long taken over.
    retry_policy = "RETRY_POLICY_RETRY"
    event_filters {
      attribute = "bucket"
      value     = local.base.bucket
    }
  }
}

resource "google_cloudfunctions2_function" "sweep" {
  project     = local.base.project_id
  location    = local.base.region
  name        = local.sweep
  description = "Looks at what is still in source/ past its grace"
  labels      = local.labels

  build_config {
    runtime           = "python311"
    entry_point       = "on_sweep"
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
    service_account_email            = local.base.function_account
    ingress_settings                 = "ALLOW_INTERNAL_ONLY"
    available_memory                 = "1Gi"
    available_cpu                    = "1"
    timeout_seconds                  = 540
    max_instance_request_concurrency = 1
    max_instance_count               = 1
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
    event_type            = "google.cloud.pubsub.topic.v1.messagePublished"
    pubsub_topic          = local.base.sweep_topic
    service_account_email = local.base.trigger_account
    # The next tick does the same, and more recently.
    retry_policy = "RETRY_POLICY_DO_NOT_RETRY"
  }
}

resource "google_cloud_run_service_iam_member" "trigger_calls_intake" {
  project  = local.base.project_id
  location = local.base.region
  service  = google_cloudfunctions2_function.intake.name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${local.base.trigger_account}"
}

resource "google_cloud_run_service_iam_member" "trigger_calls_sweep" {
  project  = local.base.project_id
  location = local.base.region
  service  = google_cloudfunctions2_function.sweep.name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${local.base.trigger_account}"
}
