# Changes of rows, one message per change. The topic has no schema: each feed has its own columns, and a topic only one schema.
# It has no subscription either: one that nobody reads would keep a week of messages. docs/live.md has the command for one,
# with message ordering, which is a setting of the subscription.
resource "google_pubsub_topic" "changes" {
  #checkov:skip=CKV_GCP_83:Google's encryption at rest is enough; the same rows are in the bucket
  project = var.project_id
  name    = "${var.name}-changes"
  labels  = local.labels

  # Messages contain rows, which stay in the bucket's region.
  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.needed]
}

resource "google_pubsub_topic_iam_member" "job_publishes_changes" {
  project = var.project_id
  topic   = google_pubsub_topic.changes.id
  role    = "roles/pubsub.publisher"
  member  = local.job_member
}
