"""Observables of alerts and cases: values and files, their identity, their verdicts."""
