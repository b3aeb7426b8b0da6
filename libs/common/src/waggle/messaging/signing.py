"""Who says it: every envelope is signed with its sender's Ed25519 key and checked by its receiver.

The broker's own access rules are the first wall; this one also holds where a message was put into a queue by other means.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from waggle.contracts.envelope import Envelope
from waggle.contracts.messages import MESSAGES


class Forged(Exception):
    """The envelope is not what it says; the text is the reason, for the dead letter and the log."""


class Signer:
    """Signs for one service instance. `private_key` is 32 raw bytes in base64, as `new_key` makes them."""

    def __init__(self, private_key: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(private_key, validate=True))

    @staticmethod
    def new_key() -> str:
        return base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()

    @property
    def public_key(self) -> str:
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, envelope: Envelope) -> Envelope:
        signature = self._key.sign(envelope.signed_bytes())
        return envelope.model_copy(update={"signature": base64.b64encode(signature).decode()})


@dataclass(frozen=True, slots=True)
class Sender:
    """A known sender: its public keys (two while a key is being replaced) and the organisations it may speak for.

    `organisations` None: all of them, and the platform. Otherwise only those named, and not the platform.
    """

    keys: tuple[str, ...]
    organisations: frozenset[str] | None = None


class Keyring:
    """The senders a service listens to, by the `source` of their envelopes."""

    def __init__(self, senders: Mapping[str, Sender]) -> None:
        self._senders = dict(senders)
        self._keys = {
            source: [Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True)) for key in sender.keys]
            for source, sender in senders.items()
        }

    def verify(self, envelope: Envelope) -> None:
        """Raises Forged where the sender is unknown, the signature wrong, or the sender may not say this."""
        sender = self._senders.get(envelope.source)
        if sender is None:
            raise Forged(f"unknown sender {envelope.source}")
        if not self._signed(envelope):
            raise Forged(f"the signature is not that of {envelope.source}")
        if sender.organisations is not None and envelope.organisation not in sender.organisations:
            raise Forged(f"{envelope.source} may not speak for {envelope.organisation or 'the platform'}")
        message = MESSAGES.get(envelope.type)
        if message is not None and message.sender != envelope.service:
            raise Forged(f"{envelope.source} may not send {envelope.type}")

    def _signed(self, envelope: Envelope) -> bool:
        try:
            signature = base64.b64decode(envelope.signature, validate=True)
        except binascii.Error:
            return False
        content = envelope.signed_bytes()
        for key in self._keys[envelope.source]:
            try:
                key.verify(signature, content)
            except InvalidSignature:
                continue
            return True
        return False
