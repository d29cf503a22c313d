# Metrics from the function's log lines; tests/infra/gcp/test_observability.py checks that the filters match the lines.

locals {
  our_lines = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=(\"${local.base.name}-intake\" OR \"${local.base.name}-sweep\")"

  counted_lines = {
    function_errors = {
      description = "Log lines with severity ERROR or higher: an unavailable dependency or a bug"
      filter      = "severity>=ERROR"
    }
    failed_runs = {
      description = "Failed runs that the sweep reports; a new instance of the sweep may report a run again"
      filter      = "jsonPayload.message=~\"^run failed: \""
    }
    unbalanced_log = {
      description = "Runs that loaded all files, but with other counts than the function's"
      filter      = "jsonPayload.message=~\"^log does not balance: \""
    }
    launches = {
      description = "Accepted files that were handed to a run; files of one window share a run"
      filter      = "jsonPayload.message=~\"^run [0-9]+ takes the files of this window$\""
    }
    unpublished_changes = {
      description = "Failed publications of changes that the sweep reports; the runs may have loaded all files"
      filter      = "jsonPayload.message=~\"^changes not published: \""
    }
    no_continuous_run = {
      description = "Sweeps that found no continuous run alive, although the function leaves the files to one"
      filter      = "jsonPayload.message=~\"^no continuous run is known to be alive: \""
    }
    sweeps = {
      description = "Completed sweeps"
      filter      = "jsonPayload.message=\"swept\""
    }
  }
}

resource "google_logging_metric" "counted_lines" {
  for_each = local.counted_lines

  project     = local.base.project_id
  name        = "${local.base.name}/${replace(each.key, "_", "-")}"
  description = each.value.description
  filter      = "${local.our_lines} AND ${each.value.filter}"
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
