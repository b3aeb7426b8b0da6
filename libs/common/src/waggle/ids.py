"""Times and identifiers every service makes."""

from __future__ import annotations

import os
import time
from uuid import UUID


def now_ms() -> int:
    """Milliseconds since the epoch, UTC: the unit of every time an API shows."""
    return time.time_ns() // 1_000_000


def uuid7() -> UUID:
    """A time-ordered UUID (RFC 9562, version 7); the standard library has none before Python 3.14."""
    value = int.from_bytes(now_ms().to_bytes(6, "big") + os.urandom(10), "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return UUID(int=value)
