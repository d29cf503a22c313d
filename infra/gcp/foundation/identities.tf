# One account per actor, without keys: each is used only by the resource that it is attached to.
resource "google_service_account" "function" {
  project      = var.project_id
  account_id   = "${var.name}-function"
  display_name = "${var.name}: the function"
  depends_on   = [google_project_service.needed]
}

resource "google_service_account" "trigger" {
  project      = var.project_id
  account_id   = "${var.name}-trigger"
  display_name = "${var.name}: Eventarc's calls of the function"
  depends_on   = [google_project_service.needed]
}

resource "google_service_account" "builder" {
  project      = var.project_id
  account_id   = "${var.name}-builder"
  display_name = "${var.name}: Cloud Build's builds of the function"
  depends_on   = [google_project_service.needed]
}
