"""The routes on a service's queues and its outbox: how much waits, what was given up and why, and sending it again.

Counts are for whoever may read. What a message holds may be another organisation's: letters and reasons are for managers.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, FastAPI, Path, Query, Request
from pydantic import BaseModel, Field

from waggle.messaging.keeper import QueueKeeper

QueueName = Annotated[str, Path(max_length=100)]
Limit = Annotated[int, Query(ge=1, le=500)]


class QueueOutput(BaseModel):
    name: str
    ready: int
    delayed: int = Field(description="waiting for another try")
    in_hand: int = Field(description="being handled; on RabbitMQ by this process alone")
    dead: int


class DeadLetterOutput(BaseModel):
    message_id: UUID
    reason: str
    attempts: int
    died_at: int = Field(description="ms")
    body: str = Field(description="as it came")


class OutboxOutput(BaseModel):
    waiting: int = Field(description="messages that wait for the bus")
    refused: int = Field(description="messages that no bus takes")
    oldest_seconds: float = Field(description="age of the oldest that waits")


class RefusedOutput(BaseModel):
    message_id: UUID
    topic: str
    reason: str
    created_at: int = Field(description="ms")
    body: str


def install(app: FastAPI, keeper: QueueKeeper) -> None:
    """Gives the application's queue routes and its `/metrics` what they show."""
    app.state.queue_keeper = keeper


def keeper_of(request: Request) -> QueueKeeper:
    keeper: QueueKeeper = request.app.state.queue_keeper
    return keeper


def queue_router(prefix: str, *, read: Any, manage: Any) -> APIRouter:
    """`<prefix>/queues` and `<prefix>/outbox`. `read` and `manage` are the service's access marks: `Depends(<Requirement>)`."""
    router = APIRouter(prefix=prefix, tags=["operation"])

    @router.get("/queues", dependencies=[read])
    async def list_queues(request: Request) -> list[QueueOutput]:
        """The service's own queues."""
        depths = await keeper_of(request).depths()
        return [QueueOutput(name=name, **asdict(depth)) for name, depth in sorted(depths.items())]

    @router.get("/queues/{queue}/dead", dependencies=[manage])
    async def list_dead_letters(request: Request, queue: QueueName, limit: Limit = 50) -> list[DeadLetterOutput]:
        """The oldest dead letters, with the reason and the message as it came."""
        return [
            DeadLetterOutput(
                message_id=letter.message_id,
                reason=letter.reason,
                attempts=letter.attempts,
                died_at=letter.died_at,
                body=letter.body.decode(errors="replace"),
            )
            for letter in await keeper_of(request).dead(queue, limit=limit)
        ]

    @router.post("/queues/{queue}/dead/{message_id}/resend", status_code=202, dependencies=[manage])
    async def resend_dead_letter(request: Request, queue: QueueName, message_id: UUID) -> None:
        """Puts a dead letter back into its queue."""
        await keeper_of(request).resend(queue, message_id)

    @router.get("/outbox", dependencies=[read])
    async def show_outbox(request: Request) -> OutboxOutput:
        """What has not left yet; it answers while the broker is away, too."""
        return OutboxOutput(**asdict(await keeper_of(request).outbox()))

    @router.get("/outbox/refused", dependencies=[manage])
    async def list_refused(request: Request, limit: Limit = 50) -> list[RefusedOutput]:
        """The oldest messages that the bus will never take as they are."""
        return [RefusedOutput(**asdict(message)) for message in await keeper_of(request).refused(limit=limit)]

    @router.post("/outbox/refused/{message_id}/resend", status_code=202, dependencies=[manage])
    async def resend_refused(request: Request, message_id: UUID) -> None:
        """Lets the relay try once more."""
        await keeper_of(request).try_again(message_id)

    return router
