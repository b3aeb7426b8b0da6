"""The bus as the services see it: publish envelopes, subscribe to a queue, look after the dead letters.

`RabbitBus` and `PostgresBus` keep the same promises, and one suite of tests holds them to it: a published message is on disk
when `publish` returns; it is handled at least once; a failed handler is tried again with growing delay; what cannot be
handled lies in the dead letters with its reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from waggle.contracts.envelope import Envelope
from waggle.contracts.messages import Message


class BusError(Exception):
    """The base of what `publish` raises; the caller keeps its messages."""


class BusUnavailable(BusError):
    """The broker does not answer or did not confirm in time. The messages may or may not have arrived: send them again."""


class Unroutable(BusError):
    """No queue takes these messages although somebody must receive them; the others of the call are confirmed."""

    def __init__(self, ids: Sequence[UUID]) -> None:
        super().__init__(f"no queue takes {len(ids)} message(s): {', '.join(map(str, ids[:5]))}")
        self.ids = tuple(ids)


class Unsendable(BusError):
    """No other try will send this message; nothing of the call was sent."""

    def __init__(self, message_id: UUID, reason: str) -> None:
        super().__init__(f"message {message_id}: {reason}")
        self.message_id = message_id
        self.reason = reason


class TooBig(Unsendable):
    """The encoded envelope is over the limit: its data belongs behind a `data_ref`."""

    def __init__(self, message_id: UUID, size: int, limit: int) -> None:
        super().__init__(message_id, f"{size} bytes are over the limit of {limit}: send a data_ref instead")


class Refused(Unsendable):
    """This service may not publish messages of this type."""


class Retry(Exception):
    """Raised by a handler: try again, after at least `after` seconds (None: the ladder's next delay)."""

    def __init__(self, after: float | None = None) -> None:
        super().__init__("the handler asks for another try")
        self.after = after


class Poison(Exception):
    """Raised by a handler: no other try will do; the message goes to the dead letters with this reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Queue:
    """A consumer group's queue. `patterns` are AMQP topic patterns over routing keys (`*` one word, `#` any number)."""

    name: str
    patterns: tuple[str, ...]

    @property
    def owner(self) -> str:
        """The first word of the name: the service whose queue it is."""
        return self.name.partition(".")[0]

    @property
    def dead(self) -> str:
        return f"{self.name}.dead"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message handed to a handler. `message` is the checked `data`; None where the envelope carries a `data_ref`.

    `attempt` counts from 1 and grows with every failed try; a consumer lost on the way does not raise it.
    """

    envelope: Envelope
    message: Message | None
    attempt: int
    queue: str


Handler = Callable[[Delivery], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How many messages a queue holds: ready to be taken, waiting for another try, dead, and being handled.

    `in_hand` counts at least what this process holds. PostgresBus knows every process' leases; RabbitMQ tells no user what
    another connection holds.
    """

    ready: int
    delayed: int
    dead: int
    in_hand: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up. `body` is as it came, which may be no envelope at all; `message_id` names it for `resend`."""

    message_id: UUID
    queue: str
    reason: str
    attempts: int
    died_at: int
    """ms since the epoch"""
    body: bytes


class Bus(Protocol):
    """See the module's text. Every method may be called from any task of the loop `start` ran on."""

    @property
    def healthy(self) -> bool:
        """Whether the broker can be reached now."""

    async def start(self) -> None:
        """Connects. A broker that is away is no error: the bus goes on trying in the background."""

    async def close(self) -> None:
        """Takes no new message, lets the handlers that run end, and disconnects."""

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Signs and sends; returns when all are confirmed. Raises Unsendable, Unroutable or BusUnavailable."""

    async def subscribe(self, queue: Queue, handler: Handler, *, prefetch: int = 32, concurrency: int = 8) -> None:
        """Declares the queue and hands its messages to `handler`, up to `concurrency` at once.

        The message is done when the handler returns. `Poison` makes it a dead letter; `Retry` and any other exception bring
        it back later, until the ladder's steps are used up. While the broker is away the subscription waits for it; a broker
        that is there and refuses the queue is an error.
        """

    async def depths(self, queues: Sequence[Queue] | None = None) -> dict[str, QueueDepth]:
        """The depth of these queues by name; None: of those this process subscribed to. One nobody declared yet is empty."""

    async def dead(self, queue: str, limit: int = 50) -> list[DeadLetter]:
        """The oldest dead letters of a queue."""

    async def resend(self, queue: str, message_id: UUID) -> bool:
        """Puts a dead letter back into its queue as if it were new; False where it is not there."""
