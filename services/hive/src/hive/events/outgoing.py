"""What hive tells: messages written to the outbox in the transaction of the change they tell of."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from hive.identity.caller import Caller
from waggle.contracts.envelope import DataRef, Envelope
from waggle.contracts.messages.base import Message
from waggle.ids import now_ms, uuid7
from waggle.messaging.outbox import enqueue
from waggle.web import request_id


async def tell(
    session: AsyncSession,
    caller: Caller,
    message: Message,
    *,
    key: str,
    target: str | None = None,
    message_id: UUID | None = None,
    causation_id: UUID | None = None,
    data_ref: DataRef | None = None,
) -> None:
    """`key`: the aggregate, such as `case:~4096`. `target`: the cortex instance a request is for. `data_ref`: where the message
    lies, if it is too long to travel."""
    data = None if data_ref else message.model_dump(mode="json", by_alias=True, exclude_none=True)
    envelope = Envelope(
        id=message_id or uuid7(), type=type(message).type, source="hive", time=now_ms(), organisation=caller.organisation,
        key=key, actor=caller.login, request_id=request_id(), causation_id=causation_id, target=target,
        data=data, data_ref=data_ref,
    )  # fmt: skip
    await enqueue(session, [envelope])
