"""Secrets at rest: AES-256-GCM with a key id inside, so that keys can be rotated.

Format of a sealed value: version byte 1, key id (8 bytes), nonce (12 bytes), ciphertext with tag. The `context` (table and row,
say) is authenticated: a sealed value copied to another row does not open there.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = b"\x01"


class SealBroken(Exception):
    """The value was sealed with a key that is not here, or was changed, or belongs to another row."""


def new_secret_key() -> str:
    """A key for `SecretBox`, as text for a settings file."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


class SecretBox:
    """Seals with the first key, opens with any. Keys are the texts `new_secret_key` makes."""

    def __init__(self, keys: Sequence[str]) -> None:
        raw = [base64.urlsafe_b64decode(key) for key in keys]
        if not raw or any(len(key) != 32 for key in raw):
            raise ValueError("a secret key is 32 bytes in URL-safe base64; `waggle secret-key` prints one")
        self._boxes = {hashlib.sha256(b"waggle key id" + key).digest()[:8]: AESGCM(key) for key in raw}
        self._first = next(iter(self._boxes))

    def seal(self, secret: bytes, *, context: str) -> bytes:
        nonce = os.urandom(12)
        return VERSION + self._first + nonce + self._boxes[self._first].encrypt(nonce, secret, context.encode())

    def open(self, sealed: bytes, *, context: str) -> bytes:
        box = self._boxes.get(sealed[1:9]) if sealed[:1] == VERSION else None
        if box is None:
            raise SealBroken("sealed with a key that this service does not have")
        try:
            return box.decrypt(sealed[9:21], sealed[21:], context.encode())
        except InvalidTag:
            raise SealBroken("the sealed value was changed, or belongs to another row") from None
