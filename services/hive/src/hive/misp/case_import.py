"""Cases from MISP events (hive-v1 §2.14). hive checks that a file is an event; the mapping of MISP's types is the connector's.

As long as no connector takes single events, the answer is 503 (domain model §7).
"""

from __future__ import annotations

from typing import Any

import orjson

from waggle.errors import BadRequest

MAX_EVENT = 64 << 20


def event_of(content: bytes) -> dict[str, Any]:
    """The event in a file as MISP exports it. Raises BadRequest in the words that clients look for (hive-v1 §1.4)."""
    try:
        read = orjson.loads(content)
    except orjson.JSONDecodeError:
        read = None
    if isinstance(read, dict):
        found = read.get("Event")
        if isinstance(found, dict) and isinstance(found.get("info"), str) and isinstance(found.get("uuid"), str):
            return found
    raise BadRequest("Could not convert json to MISP event")
