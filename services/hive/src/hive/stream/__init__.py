"""Live pages: every change of the caller's organisation as server-sent events."""
