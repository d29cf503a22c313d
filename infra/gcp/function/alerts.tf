# Alerts that need a person. Only Databricks knows about failed runs and a log that does not balance: the sweep queries
# Databricks and logs them, a few minutes after the bundle's own mails (alert_emails in infra/databricks/databricks.yml).

resource "google_monitoring_notification_channel" "email" {
  count = var.alert_email == "" ? 0 : 1

  project      = local.base.project_id
  type         = "email"
  display_name = local.base.name
  labels = {
    email_address = var.alert_email
  }
}

locals {
  channels = google_monitoring_notification_channel.email[*].id
  on_run   = "resource.type = \"cloud_run_revision\""
  our      = "metric.type = \"logging.googleapis.com/user"

  # Each policy alerts when the values within one period, combined by `aligner` and `reducer`, exceed `more_than`, or when
  # there is none `absent_for` this long. An incident closes itself when there has been no data for `auto_close`: metrics
  # that count log lines have no data when there are no lines, so the shortest possible, half an hour.
  alerts = {
    function_errors = {
      title      = "the function reports errors"
      severity   = "ERROR"
      condition  = "more than 5 in 10 minutes"
      filter     = "${local.our}/${google_logging_metric.counted_lines["function_errors"].name}\" AND ${local.on_run}"
      more_than  = 5
      absent_for = null
      auto_close = "1800s"
      period     = "600s"
      aligner    = "ALIGN_SUM"
      reducer    = "REDUCE_SUM"
      help       = "Each log line names the unavailable service (Cloud Storage, Databricks, Pub/Sub) or the wrong setting. Eventarc retries events for 24 hours, and the sweep takes over after that: no file is lost. docs/deploy.md, When something is wrong."
    }
    rejected_files = {
      title      = "files are rejected"
      severity   = "WARNING"
      condition  = "any in 10 minutes"
      filter     = "${local.our}/${google_logging_metric.rejected_files.name}\" AND ${local.on_run}"
      more_than  = 0
      absent_for = null
      auto_close = "1800s"
      period     = "600s"
      aligner    = "ALIGN_SUM"
      reducer    = "REDUCE_SUM"
      help       = "The report next to each file in rejected/ lists the violations; the sender fixes the file and uploads it again. docs/deploy.md, When something is wrong."
    }
    failed_runs = {
      title      = "runs fail"
      severity   = "ERROR"
      condition  = "any in 30 minutes"
      filter     = "${local.our}/${google_logging_metric.counted_lines["failed_runs"].name}\" AND ${local.on_run}"
      more_than  = 0
      absent_for = null
      auto_close = "1800s"
      period     = "1800s" # longer than the sweep looks back, so that a run that is reported twice is one incident
      aligner    = "ALIGN_SUM"
      reducer    = "REDUCE_SUM"
      help       = "The sweep's log line names the run and its error; the run's page in Databricks has the details. No file is lost: the next run takes all files that a failed run leaves. docs/deploy.md, When something is wrong."
    }
    unpublished_changes = {
      title      = "changes are not published"
      severity   = "WARNING"
      condition  = "any in 30 minutes"
      filter     = "${local.our}/${google_logging_metric.counted_lines["unpublished_changes"].name}\" AND ${local.on_run}"
      more_than  = 0
      absent_for = null
      auto_close = "1800s"
      period     = "1800s"
      aligner    = "ALIGN_SUM"
      reducer    = "REDUCE_SUM"
      help       = "The tables are complete; consumers of the changes topic lag behind. The sweep's log line has the error. The next run publishes what is missing, in order. docs/deploy.md, When something is wrong."
    }
    no_continuous_run = {
      title      = "no continuous run is alive"
      severity   = "ERROR"
      condition  = "more than once in an hour"
      filter     = "${local.our}/${google_logging_metric.counted_lines["no_continuous_run"].name}\" AND ${local.on_run}"
      more_than  = 1 # a sweep may fall into the minute between two runs
      absent_for = null
      auto_close = "1800s"
      period     = "3600s" # several sweeps, also with the slowest schedule
      aligner    = "ALIGN_SUM"
      reducer    = "REDUCE_SUM"
      help       = "No file is lost: until a continuous run is alive again, each sweep starts a run for the files that wait. Check in Databricks whether the job …-live is paused and why its last runs failed. docs/deploy.md, When something is wrong."
    }
    unbalanced_log = {
      title      = "the log does not balance"
      severity   = "ERROR"
      condition  = "any in 30 minutes"
      filter     = "${local.our}/${google_logging_metric.counted_lines["unbalanced_log"].name}\" AND ${local.on_run}"
      more_than  = 0
      absent_for = null
      auto_close = "1800s"
      period     = "1800s"
      aligner    = "ALIGN_SUM"
      reducer    = "REDUCE_SUM"
      help       = "All files are loaded and archived, but function and job counted different numbers of rows, which is a bug. The files are in the feed's ingest log (…_ingest_log) where balanced = false; keep them. docs/deploy.md, When something is wrong."
    }
    oldest_in_source = {
      title      = "a file has been waiting too long"
      severity   = "ERROR"
      condition  = "oldest file in source/"
      filter     = "${local.our}/${google_logging_metric.oldest_in_source.name}\" AND ${local.on_run}"
      more_than  = var.waiting_alert_seconds
      absent_for = null
      auto_close = "1800s"
      period     = "900s"
      aligner    = "ALIGN_PERCENTILE_99"
      reducer    = "REDUCE_MAX"
      help       = "Runs fail or don't start, or a writer left an empty file behind. Check the job's last runs first. docs/deploy.md, When something is wrong."
    }
    outcomes_dead = {
      title      = "a consumer can't digest outcomes"
      severity   = "WARNING"
      condition  = "messages in the dead-letter subscription"
      filter     = "metric.type = \"pubsub.googleapis.com/subscription/num_undelivered_messages\" AND resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${local.base.dead_subscription}\""
      more_than  = 0
      absent_for = null
      auto_close = "1800s"
      period     = "600s"
      aligner    = "ALIGN_MAX"
      reducer    = null
      help       = "The dead-letter subscription keeps the messages for a week. They only report outcomes; the tables are complete without them."
    }
    no_sweep = {
      title      = "the sweep has stopped"
      severity   = "ERROR"
      condition  = "none for an hour"
      filter     = "${local.our}/${google_logging_metric.counted_lines["sweeps"].name}\" AND ${local.on_run}"
      more_than  = null
      absent_for = "3600s"
      auto_close = "604800s" # here, no data is the problem: the incident stays until the sweep runs again, for a week
      period     = "600s"
      aligner    = "ALIGN_SUM"
      reducer    = "REDUCE_SUM"
      help       = "Nothing recovers from missed events and failed runs now. Check whether the Cloud Scheduler job is paused and whether the sweep function starts. docs/deploy.md, When something is wrong."
    }
  }
}

resource "google_monitoring_alert_policy" "alerts" {
  for_each = local.alerts

  project               = local.base.project_id
  display_name          = "${local.base.name}: ${each.value.title}"
  combiner              = "OR"
  notification_channels = local.channels
  severity              = each.value.severity

  conditions {
    display_name = each.value.condition

    dynamic "condition_threshold" {
      for_each = each.value.more_than[*]
      content {
        filter          = each.value.filter
        comparison      = "COMPARISON_GT"
        threshold_value = condition_threshold.value
        duration        = "0s"
        aggregations {
          alignment_period     = each.value.period
          per_series_aligner   = each.value.aligner
          cross_series_reducer = each.value.reducer
        }
      }
    }

    dynamic "condition_absent" {
      for_each = each.value.absent_for[*]
      content {
        filter   = each.value.filter
        duration = condition_absent.value
        aggregations {
          alignment_period     = each.value.period
          per_series_aligner   = each.value.aligner
          cross_series_reducer = each.value.reducer
        }
      }
    }
  }

  alert_strategy {
    auto_close = each.value.auto_close
  }

  documentation {
    content = each.value.help
  }
}
