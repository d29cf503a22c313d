"""The Cloud Function: validates each uploaded file and launches a run for the valid ones."""
