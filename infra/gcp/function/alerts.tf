# Alerts that need a person. Only Databricks knows about failed runs and a log that does not balance: the sweep queries
# Databricks and logs them, a few minutes after the bundle's own mails (alert_emails in infra/databricks/databricks.yml).

resource "google_monitoring_notification_channel" "email" {
  count = var.alert_email == "" ? 0 : 1

  project      = local.base.project_id
  type         = "email"
  display_name = "Order tracking"
  labels = {
    email_address = var.alert_email
  }
}

locals {
  channels = google_monitoring_notification_channel.email[*].id
  on_run   = "resource.type = \"cloud_run_revision\""
}

resource "google_monitoring_alert_policy" "function_errors" {
  project               = local.base.project_id
  display_name          = "Order tracking: the function reports errors"
  combiner              = "OR"
  notification_channels = local.channels
  severity              = "ERROR"
  conditions {
    display_name = "more than 5 in 10 minutes"
    condition_threshold {
      filter          = "metric.type = \"logging.googleapis.com/user/${google_logging_metric.function_errors.name}\" AND ${local.on_run}"
      comparison      = "COMPARISON_GT"
      threshold_value = 5
      duration        = "0s"
      aggregations {
        alignment_period     = "600s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }
  documentation {
    content = "Each log line names the unavailable service (Cloud Storage, Databricks, Pub/Sub) or the wrong setting. Eventarc retries events for 24 hours, and the sweep takes over after that: no file is lost. docs/deploy.md, When something is wrong."
  }
}

resource "google_monitoring_alert_policy" "rejected_files" {
  project               = local.base.project_id
  display_name          = "Order tracking: files are rejected"
  combiner              = "OR"
  notification_channels = local.channels
  severity              = "WARNING"
  conditions {
    display_name = "any in 10 minutes"
    condition_threshold {
      filter          = "metric.type = \"logging.googleapis.com/user/${google_logging_metric.rejected_files.name}\" AND ${local.on_run}"
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"
      aggregations {
        alignment_period     = "600s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }
  documentation {
    content = "The report next to each file in rejected/ lists the violations; the sender fixes the file and uploads it again. docs/deploy.md, When something is wrong."
  }
}

resource "google_monitoring_alert_policy" "failed_runs" {
  project               = local.base.project_id
  display_name          = "Order tracking: runs fail"
  combiner              = "OR"
  notification_channels = local.channels
  severity              = "ERROR"
  conditions {
    display_name = "any in 30 minutes"
    condition_threshold {
      filter          = "metric.type = \"logging.googleapis.com/user/${google_logging_metric.failed_runs.name}\" AND ${local.on_run}"
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"
      aggregations {
        # Longer than the sweep looks back, so that a run that is reported twice is one incident.
        alignment_period     = "1800s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }
  documentation {
    content = "The sweep's log line names the run and its error; the run's page in Databricks has the details. No file is lost: the next run takes all files that a failed run leaves. docs/deploy.md, When something is wrong."
  }
}

resource "google_monitoring_alert_policy" "unbalanced_log" {
  project               = local.base.project_id
  display_name          = "Order tracking: the log does not balance"
  combiner              = "OR"
  notification_channels = local.channels
  severity              = "ERROR"
  conditions {
    display_name = "any in 30 minutes"
    condition_threshold {
      filter          = "metric.type = \"logging.googleapis.com/user/${google_logging_metric.unbalanced_log.name}\" AND ${local.on_run}"
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"
      aggregations {
        alignment_period     = "1800s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }
  documentation {
    content = "All files are loaded and archived, but function and job counted different numbers of rows, which is a bug. The files are in the feed's ingest log (…_ingest_log) where balanced = false; keep them. docs/deploy.md, When something is wrong."
  }
}

resource "google_monitoring_alert_policy" "oldest_in_source" {
  project               = local.base.project_id
  display_name          = "Order tracking: a file has been waiting too long"
  combiner              = "OR"
  notification_channels = local.channels
  severity              = "ERROR"
  conditions {
    display_name = "oldest file in source/"
    condition_threshold {
      filter          = "metric.type = \"logging.googleapis.com/user/${google_logging_metric.oldest_in_source.name}\" AND ${local.on_run}"
      comparison      = "COMPARISON_GT"
      threshold_value = var.waiting_alert_seconds
      duration        = "0s"
      aggregations {
        alignment_period     = "900s"
        per_series_aligner   = "ALIGN_PERCENTILE_99"
        cross_series_reducer = "REDUCE_MAX"
      }
    }
  }
  documentation {
    content = "Runs fail or don't start, or a writer left an empty file behind. Check the job's last runs first. docs/deploy.md, When something is wrong."
  }
}

resource "google_monitoring_alert_policy" "no_sweep" {
  project               = local.base.project_id
  display_name          = "Order tracking: the sweep has stopped"
  combiner              = "OR"
  notification_channels = local.channels
  severity              = "ERROR"
  conditions {
    display_name = "none for an hour"
    condition_absent {
      filter   = "metric.type = \"logging.googleapis.com/user/${google_logging_metric.sweeps.name}\" AND ${local.on_run}"
      duration = "3600s"
      aggregations {
        alignment_period     = "600s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }
  documentation {
    content = "Nothing recovers from missed events and failed runs now. Check whether the Cloud Scheduler job is paused and whether the sweep function starts. docs/deploy.md, When something is wrong."
  }
}

resource "google_monitoring_alert_policy" "outcomes_dead" {
  project               = local.base.project_id
  display_name          = "Order tracking: a consumer can't digest outcomes"
  combiner              = "OR"
  notification_channels = local.channels
  severity              = "WARNING"
  conditions {
    display_name = "messages in the dead-letter subscription"
    condition_threshold {
      filter          = "metric.type = \"pubsub.googleapis.com/subscription/num_undelivered_messages\" AND resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${local.base.dead_subscription}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"
      aggregations {
        alignment_period   = "600s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }
  documentation {
    content = "The dead-letter subscription keeps the messages for a week. They only report outcomes; the tables are complete without them."
  }
}
