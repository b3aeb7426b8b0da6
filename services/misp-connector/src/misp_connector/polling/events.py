"""What was imported of an instance, for people: events with their state, attributes with what became of them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from waggle.errors import NotFound

_LIST = text(
    "SELECT uuid, event_id, timestamp, publish_timestamp, state, reason, retries,"
    " CAST(extract(epoch FROM next_retry_at) * 1000 AS bigint) AS next_retry FROM events"
    " WHERE instance_id = :instance AND (CAST(:state AS text) IS NULL OR state = :state)"
    " ORDER BY publish_timestamp DESC, uuid LIMIT :limit OFFSET :offset"
)
_ONE = text(
    "SELECT uuid, event_id, timestamp, publish_timestamp, state, reason, retries,"
    " CAST(extract(epoch FROM next_retry_at) * 1000 AS bigint) AS next_retry FROM events"
    " WHERE instance_id = :instance AND uuid = CAST(:uuid AS uuid)"
)
_ATTRIBUTES = text(
    "SELECT uuid, object_uuid, timestamp, outputs, reason, removed FROM event_attributes"
    " WHERE instance_id = :instance AND event_uuid = CAST(:uuid AS uuid) ORDER BY position, uuid"
)


class EventOutput(BaseModel):
    uuid: str
    event_id: str | None
    timestamp: int = Field(description="s")
    publish_timestamp: int = Field(description="s")
    state: str = Field(description="seen (to be read again), sent, filtered, failed or gone")
    reason: str | None
    retries: int
    next_retry: int | None = Field(description="ms")


class AttributeOutput(BaseModel):
    uuid: str
    object_uuid: str | None
    timestamp: int = Field(description="s")
    outputs: list[str] = Field(description="data type and value of the observables made of it")
    reason: str | None = Field(description="why it made none")
    removed: bool = Field(description="no longer in the event")


class EventDetailOutput(EventOutput):
    attributes: list[AttributeOutput]


async def list_events(session: AsyncSession, *, instance: int, state: str | None, limit: int, offset: int) -> list[EventOutput]:
    """Newest publication first."""
    values = {"instance": instance, "state": state, "limit": limit, "offset": offset}
    return [EventOutput.model_validate(_event(row._mapping)) for row in await session.execute(_LIST, values)]


async def get_event(session: AsyncSession, *, instance: int, uuid: str) -> EventDetailOutput:
    """One event with all its attributes, those that made no observable included. Raises NotFound."""
    values = {"instance": instance, "uuid": uuid}
    row = (await session.execute(_ONE, values)).one_or_none()
    if row is None:
        raise NotFound("no such event is known of this instance")
    attributes = [
        {
            "uuid": str(a.uuid),
            "object_uuid": None if a.object_uuid is None else str(a.object_uuid),
            "timestamp": a.timestamp,
            "outputs": a.outputs,
            "reason": a.reason,
            "removed": a.removed,
        }
        for a in await session.execute(_ATTRIBUTES, values)
    ]
    return EventDetailOutput.model_validate({**_event(row._mapping), "attributes": attributes})


def _event(row: Any) -> dict[str, Any]:
    return {**row, "uuid": str(row["uuid"])}
