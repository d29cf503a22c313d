"""The Cloud Function: judges each uploaded file and launches a run for those that pass."""
