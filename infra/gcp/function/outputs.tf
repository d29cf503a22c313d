output "intake" {
  value = google_cloudfunctions2_function.intake.name
}

output "sweep" {
  value = google_cloudfunctions2_function.sweep.name
}
