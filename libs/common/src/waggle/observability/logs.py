"""structlog as JSON lines. A key that names a secret never shows its value (threats S19)."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

SECRET_NAME = re.compile(r"passw|secret|api_?key|token|authorization|cookie|signature|sealed|private", re.IGNORECASE)
URL_PASSWORD = re.compile(r"(\w+://[^/\s:@]*):[^/\s@]+@")
REMOVED = "REMOVED"


def redact(value: Any) -> Any:
    """A copy without the values of secret-named keys and without passwords in URLs, at any depth."""
    if isinstance(value, dict):
        return {k: REMOVED if isinstance(k, str) and SECRET_NAME.search(k) and v else redact(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [redact(v) for v in value]
    if isinstance(value, str):
        return URL_PASSWORD.sub(rf"\1:{REMOVED}@", value)
    return value


def _redacted(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return dict(redact(dict(event)))


def _line(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()


def configure_logs(service: str, level: str = "INFO") -> None:
    """Sends the service's and its libraries' logs as JSON lines to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redacted,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_line)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processor=structlog.processors.JSONRenderer(serializer=_line)
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for noisy in ("uvicorn.access", "httpx", "httpcore", "aiormq", "aio_pika", "alembic"):
        logging.getLogger(noisy).setLevel("WARNING")
