# The two project-wide grants that Eventarc itself demands: neither can be given on a single resource.

# The bucket's events travel over a topic that Eventarc makes; Cloud Storage publishes to it as its own agent.
data "google_storage_project_service_account" "this" {
  project    = var.project_id
  depends_on = [google_project_service.needed]
}

resource "google_project_iam_member" "storage_publishes" {
  project = var.project_id
  role    = "roles/pubsub.publisher"
  member  = data.google_storage_project_service_account.this.member
}

resource "google_project_iam_member" "trigger_receives" {
  project = var.project_id
  role    = "roles/eventarc.eventReceiver"
  member  = google_service_account.trigger.member
}
