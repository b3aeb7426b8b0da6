"""Keeps a worker's secrets out of everything that is stored of a job."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

REMOVED = "REMOVED"
SECRET_NAME = re.compile(r"key|passw|secret|token|credential|passphrase", re.IGNORECASE)
SHORTEST = 6
"""Shorter values are hidden where they stand, but not searched for: they would blank out ordinary words."""
USERINFO = re.compile(r"(?<=://)[^/\s@]+(?=@)")


def is_secret(name: str) -> bool:
    """Whether a configuration item of this name holds a secret."""
    return SECRET_NAME.search(name) is not None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def secret_values(config: Any) -> set[str]:
    """Every text that stands under a secret name anywhere in a configuration, and credentials inside URLs."""
    found: set[str] = set()
    if isinstance(config, dict):
        for name, value in config.items():
            found |= set(_strings(value)) if is_secret(str(name)) else secret_values(value)
    elif isinstance(config, list):
        for value in config:
            found |= secret_values(value)
    elif isinstance(config, str):
        found |= set(USERINFO.findall(config))
    return {value for value in found if value}


def masked(config: Any, mask: str = REMOVED) -> Any:
    """The configuration with the values of secret names replaced, however deep they stand."""
    if isinstance(config, dict):
        return {
            name: mask
            if is_secret(str(name)) and value not in (None, "", [], {}) and not isinstance(value, bool)
            else masked(value, mask)
            for name, value in config.items()
        }
    if isinstance(config, list):
        return [masked(value, mask) for value in config]
    return USERINFO.sub(mask, config) if isinstance(config, str) else config


class Scrubber:
    """Makes a value fit to store: without the secrets, without what PostgreSQL or JSON cannot hold.

    NUL characters become U+FFFD, lone surrogates `?`, numbers that JSON has not (NaN, infinities) null, integers of more
    than 64 bits text. Raises RecursionError for a value nested deeper than Python goes.
    """

    def __init__(self, config: Any) -> None:
        values = sorted((v for v in secret_values(config) if len(v) >= SHORTEST), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, values))) if values else None

    def text(self, text: str) -> str:
        if self._pattern is not None:
            text = self._pattern.sub(REMOVED, text)
        text = text.replace("\0", "\ufffd")
        return text if text.isascii() else text.encode("utf-8", "replace").decode()

    def value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(name)): self.value(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
            return str(value)
        return value
