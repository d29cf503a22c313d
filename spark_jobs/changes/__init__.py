"""The stream of changes: every change to the content of a target row is published as one message (docs/live.md)."""
