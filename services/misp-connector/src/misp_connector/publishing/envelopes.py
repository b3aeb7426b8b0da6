"""Envelopes of what this service says."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from misp_connector.claims.service import store_claim
from waggle.blobs import BlobStore
from waggle.contracts.envelope import MESSAGE_LIMIT, DataRef, Envelope
from waggle.contracts.messages import Message
from waggle.ids import now_ms
from waggle.web import request_id

SOURCE = "misp-connector"
ROOM_FOR_ENVELOPE = 4096
"""Bytes left of the bus' limit for everything around the data."""


def data_of(message: Message) -> dict[str, Any]:
    """As it travels."""
    return message.model_dump(mode="json", exclude_none=True)


async def claimed(session: AsyncSession, blobs: BlobStore, data: dict[str, Any], *, claims_url: str) -> DataRef | None:
    """Where a message's data lies when it is over the bus' limit; None when it travels in the envelope."""
    body = orjson.dumps(data)
    if len(body) <= MESSAGE_LIMIT - ROOM_FOR_ENVELOPE:
        return None
    sha256 = await store_claim(session, blobs, content=body)
    return DataRef.model_validate({"sha256": sha256, "size": len(body), "url": f"{claims_url}/{sha256}"})


def envelope_of(
    message: Message,
    *,
    id: UUID,
    key: str,
    organisation: str | None = None,
    causation_id: UUID | None = None,
    data: dict[str, Any] | None = None,
    data_ref: DataRef | None = None,
) -> Envelope:
    """With `data_ref` the content stays here and the envelope only names it. `data`: the message's, if it was made before."""
    return Envelope(
        id=id,
        type=message.type,
        source=SOURCE,
        time=now_ms(),
        organisation=organisation,
        key=key,
        request_id=request_id(),
        causation_id=causation_id,
        data=None if data_ref else data_of(message) if data is None else data,
        data_ref=data_ref,
    )
