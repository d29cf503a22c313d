# The two project-wide grants that Eventarc requires; neither can be granted on a single resource.

# Eventarc creates a topic for the bucket's events; Cloud Storage publishes to it as its service agent. All installations in
# the project have this grant in common: `make destroy` removes it from the state before it destroys one of them.
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
