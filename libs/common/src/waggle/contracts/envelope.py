"""The envelope every broker message travels in: one JSON object, the same on RabbitMQ and on PostgreSQL.

Fields a receiver does not know are kept, because the signature covers them too, and are otherwise ignored. So an optional
field may be added within a version; anything else is a new version of the message's type.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import orjson
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, model_validator

MESSAGE_LIMIT: Final = 256 * 1024
"""Bytes of an encoded envelope. What is larger stays with its owner and is named by a `DataRef`."""


class DataRef(BaseModel):
    """Where the receiver fetches content with its service key, and how it checks what it got."""

    model_config = ConfigDict(frozen=True)

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0, description="bytes")
    url: AnyUrl


class Envelope(BaseModel):
    """Who says what, for whom, and why. `data` has the form of the type's message in `waggle.contracts.messages`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: UUID = Field(description="UUIDv7; a derived message has a UUIDv5 over its natural key, so that a repeat has the same")
    type: str = Field(pattern=r"^[a-z_]+(\.[a-z_]+)+\.v[0-9]+$")
    source: str = Field(min_length=1, description="the sending service, or service@instance")
    time: int = Field(description="milliseconds since the epoch, when the sender wrote it")
    organisation: str | None = Field(default=None, description="name of the organisation it is about; absent: the platform")
    key: str = Field(min_length=1, description="the aggregate it is about, such as alert:~4096")
    actor: str | None = Field(default=None, description="login of the person or service that caused it")
    request_id: str = ""
    causation_id: UUID | None = Field(default=None, description="the message that led to this one")
    traceparent: str | None = Field(default=None, description="W3C trace context")
    target: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]+$", description="the cortex instance it is for")
    signature: str = Field(default="", description="Ed25519 over all other fields, base64")
    data: dict[str, Any] | None = None
    data_ref: DataRef | None = None

    @model_validator(mode="after")
    def _has_content(self) -> Envelope:
        if (self.data is None) == (self.data_ref is None):
            raise ValueError("exactly one of data and data_ref is needed")
        return self

    @property
    def routing_key(self) -> str:
        """The type, and the target's name behind it where the message is for one instance."""
        return f"{self.type}.{self.target}" if self.target else self.type

    @property
    def service(self) -> str:
        """The service the source belongs to: `cortex` for `cortex@paris`."""
        return self.source.partition("@")[0]

    def signed_bytes(self) -> bytes:
        """What the signature covers: every field but the signature, absent ones left out, keys sorted."""
        content = self._content()
        content.pop("signature")
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)

    def encode(self) -> bytes:
        """The JSON that travels. Raises TypeError for a text that UTF-8 cannot hold (half of a surrogate pair)."""
        return orjson.dumps(self._content())

    def _content(self) -> dict[str, Any]:
        return {name: value for name, value in self.model_dump(mode="json").items() if value is not None}
