"""The identity of an observable: what makes two of them the same."""

from __future__ import annotations

import hashlib
from uuid import UUID


def value_key(data: str, *, case_sensitive: bool) -> UUID:
    """The first 16 bytes of SHA-256 over the value; folded to lower case for the types that compare so."""
    text = data if case_sensitive else data.lower()
    return UUID(bytes=hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16])


def content_key(sha256: bytes) -> UUID:
    """The key of a file observable: its content's hash."""
    return UUID(bytes=sha256[:16])
