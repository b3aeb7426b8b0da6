"""Tasks of a case and their logs."""
