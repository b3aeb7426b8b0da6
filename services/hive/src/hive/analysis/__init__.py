"""Hive's side of analysis: servers, workers, jobs, reports, verdicts."""
