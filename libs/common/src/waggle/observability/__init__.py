"""Logs and metrics: JSON lines on standard error with secrets redacted, Prometheus in `waggle.web`'s /metrics."""

from waggle.observability.logs import configure_logs, redact

__all__ = ["configure_logs", "redact"]
