# The two project-wide grants that Eventarc requires; neither can be granted on a single resource.

# Eventarc creates a topic for the bucket's events; Cloud Storage publishes to it as its service agent, which Google creates
# when it is first read.
data "google_storage_project_service_account" "this" {
  project    = var.project_id
  depends_on = [google_project_service.needed]
}

resource "google_project_iam_member" "storage_publishes" {
  project = var.project_id
  role    = "roles/pubsub.publisher"
  # Not read from the agent: whenever the list of services changes, that would be unknown, and this grant be replaced.
  member = "serviceAccount:service-${data.google_project.this.number}@gs-project-accounts.iam.gserviceaccount.com"

  # All installations in the project have this grant in common: destroying one must not stop the events of the others.
  # `make destroy` removes it from the state first.
  lifecycle {
    prevent_destroy = true
  }

  depends_on = [data.google_storage_project_service_account.this]
}

resource "google_project_iam_member" "trigger_receives" {
  project = var.project_id
  role    = "roles/eventarc.eventReceiver"
  member  = google_service_account.trigger.member
}
