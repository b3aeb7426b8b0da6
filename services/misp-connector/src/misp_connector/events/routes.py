"""`/api/queues`: the connector's queue on the bus, and its dead letters, from which a message can be sent again."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field

from misp_connector.access.guards import Manager, Reader
from misp_connector.runtime import runtime_of
from waggle.errors import NotFound, Unavailable
from waggle.messaging import Bus, BusError
from waggle.messaging.rights import MISP_COMMANDS

router = APIRouter(prefix="/api", tags=["operation"])
QueueName = Annotated[str, Path(max_length=100)]


class QueueOutput(BaseModel):
    name: str
    ready: int
    delayed: int = Field(description="waiting for another try")
    dead: int
    in_hand: int = Field(description="being handled by this process")


class DeadLetterOutput(BaseModel):
    message_id: UUID
    reason: str
    attempts: int
    died_at: int = Field(description="ms")
    body: str


@router.get("/queues")
async def list_queues(request: Request, caller: Reader) -> list[QueueOutput]:
    bus = _bus(request)
    try:
        depths = await bus.depths()
    except BusError as error:
        raise Unavailable(str(error)) from None
    return [
        QueueOutput(name=name, ready=d.ready, delayed=d.delayed, dead=d.dead, in_hand=d.in_hand)
        for name, d in sorted(depths.items())
    ]


@router.get("/queues/{queue}/dead")
async def list_dead_letters(
    request: Request, caller: Manager, queue: QueueName, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> list[DeadLetterOutput]:
    """The oldest dead letters, with the reason and the message as it came."""
    bus = _bus(request)
    try:
        letters = await bus.dead(_own(queue), limit)
    except BusError as error:
        raise Unavailable(str(error)) from None
    return [
        DeadLetterOutput(
            message_id=letter.message_id,
            reason=letter.reason,
            attempts=letter.attempts,
            died_at=letter.died_at,
            body=letter.body.decode(errors="replace"),
        )
        for letter in letters
    ]


@router.post("/queues/{queue}/dead/{message_id}/resend", status_code=202)
async def resend_dead_letter(request: Request, caller: Manager, queue: QueueName, message_id: UUID) -> None:
    """Puts a dead letter back into its queue."""
    bus = _bus(request)
    try:
        found = await bus.resend(_own(queue), message_id)
    except BusError as error:
        raise Unavailable(str(error)) from None
    if not found:
        raise NotFound("no such dead letter")


def _own(queue: str) -> str:
    if queue != MISP_COMMANDS.name:
        raise NotFound(f"the connector's queue is {MISP_COMMANDS.name}")
    return queue


def _bus(request: Request) -> Bus:
    bus = runtime_of(request).bus
    if bus is None:
        raise Unavailable("this process only answers requests; ask one that works")
    return bus
