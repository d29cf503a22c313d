resource "google_pubsub_schema" "outcome" {
  project    = var.project_id
  name       = "${var.name}-outcome"
  type       = "PROTOCOL_BUFFER"
  definition = file("${path.module}/../outcome.proto")
  depends_on = [google_project_service.needed]
}

resource "google_pubsub_topic" "outcomes" {
  #checkov:skip=CKV_GCP_83:Messages contain file names and counts, no file contents; Google's encryption at rest is enough
  project = var.project_id
  name    = "${var.name}-outcomes"
  labels  = local.labels

  schema_settings {
    schema   = google_pubsub_schema.outcome.id
    encoding = "JSON"
  }
}

# Messages that a consumer failed to process five times, kept for a week; an alert watches them.
resource "google_pubsub_topic" "outcomes_dead" {
  #checkov:skip=CKV_GCP_83:As above
  project    = var.project_id
  name       = "${var.name}-outcomes-dead"
  labels     = local.labels
  depends_on = [google_project_service.needed]
}

resource "google_pubsub_subscription" "outcomes" {
  project              = var.project_id
  name                 = "${var.name}-outcomes"
  topic                = google_pubsub_topic.outcomes.id
  ack_deadline_seconds = 60
  labels               = local.labels

  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.outcomes_dead.id
    max_delivery_attempts = 5
  }
}

resource "google_pubsub_subscription" "outcomes_dead" {
  project                    = var.project_id
  name                       = "${var.name}-outcomes-dead"
  topic                      = google_pubsub_topic.outcomes_dead.id
  message_retention_duration = "604800s"
  labels                     = local.labels

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_topic_iam_member" "function_announces" {
  project = var.project_id
  topic   = google_pubsub_topic.outcomes.id
  role    = "roles/pubsub.publisher"
  member  = google_service_account.function.member
}

resource "google_pubsub_topic_iam_member" "job_announces" {
  project = var.project_id
  topic   = google_pubsub_topic.outcomes.id
  role    = "roles/pubsub.publisher"
  member  = local.job_member
}

# Pub/Sub itself moves messages to the dead-letter topic, which requires both grants.
resource "google_pubsub_topic_iam_member" "pubsub_buries" {
  project = var.project_id
  topic   = google_pubsub_topic.outcomes_dead.id
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_subscription_iam_member" "pubsub_takes" {
  project      = var.project_id
  subscription = google_pubsub_subscription.outcomes.id
  role         = "roles/pubsub.subscriber"
  member       = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}
