resource "google_pubsub_topic" "sweep" {
  #checkov:skip=CKV_GCP_83:The message contains only one word
  project    = var.project_id
  name       = "${var.name}-sweep"
  labels     = local.labels
  depends_on = [google_project_service.needed]
}

# Cloud Scheduler's service agent may publish to topics in its own project, so no grant is needed.
resource "google_cloud_scheduler_job" "sweep" {
  project     = var.project_id
  region      = var.region
  name        = "${var.name}-sweep"
  description = "Triggers the sweep of files that are still in ${var.source_prefix}"
  schedule    = var.sweep_schedule
  time_zone   = "Etc/UTC"

  pubsub_target {
    topic_name = google_pubsub_topic.sweep.id
    data       = base64encode("sweep")
  }

  depends_on = [google_project_service.needed]
}
