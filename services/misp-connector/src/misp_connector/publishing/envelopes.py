"""Envelopes of what this service says."""

from __future__ import annotations

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


async def claimed(session: AsyncSession, blobs: BlobStore, message: Message, *, claims_url: str) -> DataRef | None:
    """Where a message's data lies when it is over the bus' limit; None when it travels in the envelope."""
    data = orjson.dumps(message.model_dump(mode="json", exclude_none=True))
    if len(data) <= MESSAGE_LIMIT - ROOM_FOR_ENVELOPE:
        return None
    sha256 = await store_claim(session, blobs, content=data)
    return DataRef.model_validate({"sha256": sha256, "size": len(data), "url": f"{claims_url}/{sha256}"})


def envelope_of(
    message: Message,
    *,
    id: UUID,
    key: str,
    organisation: str | None = None,
    causation_id: UUID | None = None,
    data_ref: DataRef | None = None,
) -> Envelope:
    """With `data_ref` the content stays here and the envelope only names it."""
    return Envelope(
        id=id,
        type=message.type,
        source=SOURCE,
        time=now_ms(),
        organisation=organisation,
        key=key,
        request_id=request_id(),
        causation_id=causation_id,
        data=None if data_ref else message.model_dump(mode="json", exclude_none=True),
        data_ref=data_ref,
    )
