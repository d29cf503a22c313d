# One account per actor, and no keys: each is used only from where it is attached.
resource "google_service_account" "function" {
  project      = var.project_id
  account_id   = "${var.name}-function"
  display_name = "Order tracking: the function"
  depends_on   = [google_project_service.needed]
}

resource "google_service_account" "trigger" {
  project      = var.project_id
  account_id   = "${var.name}-trigger"
  display_name = "Order tracking: Eventarc calls the function as this"
  depends_on   = [google_project_service.needed]
}

resource "google_service_account" "builder" {
  project      = var.project_id
  account_id   = "${var.name}-builder"
  display_name = "Order tracking: Cloud Build builds the function as this"
  depends_on   = [google_project_service.needed]
}
