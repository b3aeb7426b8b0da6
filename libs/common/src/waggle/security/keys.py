"""API keys and session tokens: random, shown once, kept as a SHA-256 only.

A key has 256 bits of randomness, so a plain hash is enough: there is nothing to guess (threats S33).
"""

from __future__ import annotations

import base64
import hashlib
import secrets

PREFIX_LENGTH = 6


def new_key() -> str:
    """256 bits as URL-safe text that no client takes for a JSON number or literal."""
    return "wk" + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")


def key_hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def key_prefix(key: str) -> str:
    """The part that may be shown in lists to tell keys apart."""
    return key[:PREFIX_LENGTH]
