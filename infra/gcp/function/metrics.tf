# Metrics from the function's log lines; tests/infra/gcp/test_observability.py checks that the filters match the lines.

locals {
  our_lines = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=(\"${local.intake}\" OR \"${local.sweep}\")"
}

resource "google_logging_metric" "function_errors" {
  project     = local.base.project_id
  name        = "${local.base.name}/function-errors"
  description = "Log lines with severity ERROR or higher: an unavailable dependency or a bug"
  filter      = "${local.our_lines} AND severity>=ERROR"
  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
  }
}

resource "google_logging_metric" "rejected_files" {
  project     = local.base.project_id
  name        = "${local.base.name}/rejected-files"
  description = "Rejected files by violation code"
  filter      = "${local.our_lines} AND jsonPayload.message=~\"^rejected: \""
  label_extractors = {
    code = "EXTRACT(jsonPayload.code)"
  }
  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
    labels {
      key        = "code"
      value_type = "STRING"
    }
  }
}

resource "google_logging_metric" "failed_runs" {
  project     = local.base.project_id
  name        = "${local.base.name}/failed-runs"
  description = "Failed runs that the sweep reports; a new instance of the sweep may report a run again"
  filter      = "${local.our_lines} AND jsonPayload.message=~\"^run failed: \""
  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
  }
}

resource "google_logging_metric" "unbalanced_log" {
  project     = local.base.project_id
  name        = "${local.base.name}/unbalanced-log"
  description = "Runs that loaded all files, but with other counts than the function's"
  filter      = "${local.our_lines} AND jsonPayload.message=~\"^log does not balance: \""
  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
  }
}

resource "google_logging_metric" "oldest_in_source" {
  project         = local.base.project_id
  name            = "${local.base.name}/oldest-in-source"
  description     = "Age in seconds of the oldest file in source/ after the grace period, measured by each sweep"
  filter          = "${local.our_lines} AND jsonPayload.message=\"swept\""
  value_extractor = "EXTRACT(jsonPayload.oldest_seconds)"
  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
    unit        = "s"
  }
  bucket_options {
    exponential_buckets {
      num_finite_buckets = 40
      growth_factor      = 1.5
      scale              = 1
    }
  }
}

resource "google_logging_metric" "sweeps" {
  project     = local.base.project_id
  name        = "${local.base.name}/sweeps"
  description = "Completed sweeps"
  filter      = "${local.our_lines} AND jsonPayload.message=\"swept\""
  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
  }
}
