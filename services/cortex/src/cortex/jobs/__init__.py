"""Jobs: one run of a worker each. Asking for one, waiting for it, its report and its artifacts."""
