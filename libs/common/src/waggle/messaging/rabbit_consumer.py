"""One subscription of RabbitBus: workers that handle what the broker hands out, and what becomes of it afterwards."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final, Protocol
from uuid import UUID

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue

from waggle.ids import now_ms, uuid7
from waggle.messaging.bus import BusUnavailable, Handler, Queue
from waggle.messaging.policy import Again, Done, handle
from waggle.messaging.rabbit_link import AWAY
from waggle.messaging.rabbit_topology import declare, retry_queue
from waggle.messaging.rights import returns_exchange
from waggle.messaging.signing import Keyring

log = structlog.get_logger("waggle.messaging")

ATTEMPT: Final = "x-waggle-attempt"
REASON: Final = "x-waggle-reason"
DIED_AT: Final = "x-waggle-died-at"
DRAIN_SECONDS: Final = 30.0
PAUSE_SECONDS: Final = 1.0


class Send(Protocol):
    async def __call__(self, exchange: str, key: str, message: aio_pika.Message, *, required: bool = True) -> None: ...


class Consumer:
    def __init__(
        self,
        send: Send,
        queue: Queue,
        handler: Handler,
        *,
        keyring: Keyring,
        ladder: Sequence[float],
        prefetch: int,
        concurrency: int,
    ) -> None:
        self.queue = queue
        self._send = send
        self._handler = handler
        self._keyring = keyring
        self._ladder = ladder
        self._prefetch = prefetch
        self._todo: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()
        self._running = 0
        self._closing = False
        self._channel: AbstractChannel | None = None
        self._source: tuple[AbstractQueue, str] | None = None
        self._workers = [asyncio.create_task(self._work()) for _ in range(concurrency)]

    @property
    def in_hand(self) -> int:
        return self._todo.qsize() + self._running

    async def open(self, connection: AbstractConnection) -> None:
        """Declares and consumes on a new connection; what came over the old one will be delivered again."""
        if self._closing:
            return
        while not self._todo.empty():
            self._todo.get_nowait()
        self._channel = await connection.channel()
        await self._channel.set_qos(prefetch_count=self._prefetch)
        source = await declare(connection, self._channel, self.queue, self._ladder)
        self._source = source, await source.consume(self._todo.put)

    async def close(self) -> None:
        """Takes nothing new and waits for the handlers that run; what no handler has begun goes back with the channel."""
        self._closing = True
        if self._source:
            source, tag = self._source
            with contextlib.suppress(*AWAY):
                await source.cancel(tag)
        while not self._todo.empty():
            self._todo.get_nowait()
        for _ in self._workers:
            self._todo.put_nowait(None)
        _, stuck = await asyncio.wait(self._workers, timeout=DRAIN_SECONDS)
        for worker in stuck:
            worker.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        if self._channel:
            with contextlib.suppress(*AWAY):
                await self._channel.close()

    async def _work(self) -> None:
        while (message := await self._todo.get()) is not None:
            self._running += 1
            try:
                await self._handle(message)
            except AWAY as error:
                # The answer is lost with the channel, and the broker will deliver the message again.
                log.warning("answer not delivered", queue=self.queue.name, reason=str(error) or type(error).__name__)
            except Exception as error:
                log.error("consumer failed", queue=self.queue.name, exc_info=error)
            finally:
                self._running -= 1

    async def _handle(self, message: AbstractIncomingMessage) -> None:
        attempt = _attempt(message)
        outcome = await handle(
            message.body,
            queue=self.queue.name,
            attempt=attempt,
            handler=self._handler,
            keyring=self._keyring,
            ladder=self._ladder,
        )
        if isinstance(outcome, Done):
            await message.ack()
            return
        if isinstance(outcome, Again):
            key = retry_queue(self.queue, self._ladder[outcome.step])
            headers: dict[str, Any] = {ATTEMPT: attempt + 1}
        else:
            key = self.queue.dead
            headers = {ATTEMPT: attempt, REASON: outcome.reason, DIED_AT: now_ms()}
        try:
            await self._send(returns_exchange(self.queue.owner), key, _copy(message, headers))
        except (BusUnavailable, aio_pika.exceptions.PublishError) as error:
            log.error("message stays in its queue", queue=self.queue.name, reason=str(error))
            await asyncio.sleep(PAUSE_SECONDS)
            await message.nack(requeue=True)
        else:
            await message.ack()


def _attempt(message: AbstractIncomingMessage) -> int:
    value = message.headers.get(ATTEMPT, 1)
    return value if isinstance(value, int) else 1


def _copy(message: AbstractIncomingMessage, headers: dict[str, Any]) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        headers=headers,
        content_type=message.content_type,
        message_id=_message_id(message),
        type=message.type,
        app_id=message.app_id,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


def _message_id(message: AbstractIncomingMessage) -> str:
    """Its own, or a new one for what no client of ours has sent: a dead letter must have a name."""
    try:
        return str(UUID(message.message_id or ""))
    except ValueError:
        return str(uuid7())
