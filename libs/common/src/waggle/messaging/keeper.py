"""What an operator sees of a service's messages, and what he can do about those that are stuck.

A message is in one of two places: in the outbox until the bus has it, and in a queue until its handler is done. Both keep
what can go no further with the reason: the outbox as refused rows, a queue as dead letters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

import asyncpg

from waggle.errors import NotFound, Unavailable
from waggle.messaging.bus import Bus, BusError, DeadLetter, Queue, QueueDepth

_DEPTH: Final = (
    "SELECT count(*) FILTER (WHERE refused IS NULL) AS waiting, count(*) FILTER (WHERE refused IS NOT NULL) AS refused,"
    " coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE refused IS NULL)), 0)::float8 AS oldest FROM outbox"
)
_REFUSED: Final = (
    "SELECT message_id, topic, refused, body::text, (extract(epoch FROM created_at) * 1000)::bigint AS created_at"
    " FROM outbox WHERE refused IS NOT NULL ORDER BY seq LIMIT $1"
)
_RESEND: Final = "UPDATE outbox SET refused = NULL WHERE message_id = $1 AND refused IS NOT NULL RETURNING seq"


@dataclass(frozen=True, slots=True)
class OutboxDepth:
    """Rows that wait for the bus, rows that can never leave, and the age in seconds of the oldest that waits."""

    waiting: int
    refused: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class RefusedMessage:
    """A message of the outbox that no bus takes. `created_at` is ms; `body` the unsigned envelope."""

    message_id: UUID
    topic: str
    reason: str
    created_at: int
    body: str


class Reads(Protocol):
    """The part of `waggle.db.Database` that the keeper needs."""

    async def fetch(self, sql: str, *args: Any, system: bool = False) -> list[asyncpg.Record]: ...


class QueueKeeper:
    """A service's own queues and its outbox. `bus` may be None in a process that was given none; the outbox answers always."""

    def __init__(self, database: Reads, bus: Bus | None, queues: Sequence[Queue]) -> None:
        self._database = database
        self._bus = bus
        self.queues = tuple(queues)

    @property
    def has_bus(self) -> bool:
        return self._bus is not None

    async def depths(self) -> dict[str, QueueDepth]:
        """By name. Raises Unavailable while the broker is away."""
        try:
            return await self._the_bus().depths(self.queues)
        except BusError as error:
            raise Unavailable(str(error)) from error

    async def dead(self, queue: str, *, limit: int) -> list[DeadLetter]:
        """The oldest dead letters. Raises NotFound for a queue that is not this service's, Unavailable."""
        self._check(queue)
        try:
            return await self._the_bus().dead(queue, limit)
        except BusError as error:
            raise Unavailable(str(error)) from error

    async def resend(self, queue: str, message_id: UUID) -> None:
        """Puts a dead letter back into its queue. Raises NotFound, Unavailable."""
        self._check(queue)
        try:
            found = await self._the_bus().resend(queue, message_id)
        except BusError as error:
            raise Unavailable(str(error)) from error
        if not found:
            raise NotFound(f"{queue} has no dead letter {message_id}")

    async def outbox(self) -> OutboxDepth:
        (row,) = await self._database.fetch(_DEPTH, system=True)
        return OutboxDepth(row["waiting"], row["refused"], max(0.0, row["oldest"]))

    async def refused(self, *, limit: int) -> list[RefusedMessage]:
        """The oldest rows that the relay refused."""
        rows = await self._database.fetch(_REFUSED, limit, system=True)
        return [RefusedMessage(r["message_id"], r["topic"], r["refused"], r["created_at"], r["body"]) for r in rows]

    async def try_again(self, message_id: UUID) -> None:
        """Lets the relay try a refused row once more, for when its cause is mended. Raises NotFound."""
        if not await self._database.fetch(_RESEND, message_id, system=True):
            raise NotFound(f"the outbox has refused no message {message_id}")

    def _check(self, queue: str) -> None:
        names = [own.name for own in self.queues]
        if queue not in names:
            raise NotFound(f"this service's queues are {', '.join(names)}")

    def _the_bus(self) -> Bus:
        if self._bus is None:
            raise Unavailable("this process has no bus: neither WAGGLE_AMQP_URL nor BUS_DATABASE_URL is set")
        return self._bus
