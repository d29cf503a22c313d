# Read off the function's log lines; tests/infra/gcp/test_observability.py holds the filters and the lines together.

locals {
  our_lines = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=(\"${local.intake}\" OR \"${local.sweep}\")"
}

resource "google_logging_metric" "function_errors" {
  project     = local.base.project_id
  name        = "${local.base.name}/function-errors"
  description = "Lines of severity ERROR or worse: trouble with the world, or a bug"
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
  description = "Files that went to rejected/, by the rule they broke"
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
  description = "Tellings of failed runs by the sweep; a new instance of it may tell a run again"
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
  description = "Tellings of runs that loaded everything and whose counts differ from the function's"
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
  description     = "Age of the oldest file in source/ past its grace, as each sweep found it; seconds"
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
  description = "Sweeps that came to their end"
  filter      = "${local.our_lines} AND jsonPayload.message=\"swept\""
  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
  }
}
