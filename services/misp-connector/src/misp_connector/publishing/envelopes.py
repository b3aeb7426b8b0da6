"""Envelopes of what this service says."""

from __future__ import annotations

from uuid import UUID

from waggle.contracts.envelope import DataRef, Envelope
from waggle.contracts.messages import Message
from waggle.ids import now_ms
from waggle.web import request_id

SOURCE = "misp-connector"


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
