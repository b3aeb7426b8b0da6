"""The bus on RabbitMQ: quorum queues, mandatory publishing with confirms, acknowledgement after the handler.

Publishing and consuming have a connection each: the broker slows a publisher down by not reading from its connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractIncomingMessage

from waggle.contracts.envelope import Envelope
from waggle.ids import uuid7
from waggle.messaging.bus import BusUnavailable, DeadLetter, Handler, Queue, QueueDepth, Unroutable
from waggle.messaging.policy import DELIVERY_LIMIT_REASON, LADDER, mandatory, seal
from waggle.messaging.rabbit_consumer import ATTEMPT, DIED_AT, REASON, Consumer
from waggle.messaging.rabbit_link import AWAY, CONNECT_SECONDS, Link
from waggle.messaging.rabbit_topology import retry_queue
from waggle.messaging.rights import EXCHANGE, returns_exchange
from waggle.messaging.signing import Keyring, Signer

CONFIRM_SECONDS: Final = 10.0
IN_FLIGHT: Final = 200


class RabbitBus:
    """`url` is the service's own user at the broker. The `ladder`'s delays are in seconds."""

    def __init__(self, url: str, *, signer: Signer, keyring: Keyring, ladder: Sequence[float] = LADDER) -> None:
        self._signer = signer
        self._keyring = keyring
        self._ladder = tuple(ladder)
        self._publishing = Link(url, "waggle publisher", self._open_publisher)
        self._consuming = Link(url, "waggle consumer", self._open_consumers)
        self._connection: AbstractConnection | None = None
        self._consumer_connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._exchanges: dict[str, AbstractExchange] = {}
        self._opening = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._consumers: dict[str, Consumer] = {}

    @property
    def healthy(self) -> bool:
        return self._publishing.up.is_set() and self._consuming.up.is_set()

    async def start(self) -> None:
        self._publishing.start()
        self._consuming.start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._publishing.up.wait()
                await self._consuming.up.wait()

    async def close(self) -> None:
        await asyncio.gather(*(consumer.close() for consumer in self._consumers.values()))
        await self._consuming.close()
        await self._publishing.close()

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        if not envelopes:
            return
        sealed = seal(envelopes, self._signer)
        results = await asyncio.gather(*(self._publish_one(envelope, body) for envelope, body in sealed), return_exceptions=True)
        unroutable = []
        for (envelope, _), result in zip(sealed, results, strict=True):
            if isinstance(result, aio_pika.exceptions.PublishError):
                unroutable.append(envelope.id)
            elif isinstance(result, BaseException):
                raise result
        if unroutable:
            raise Unroutable(unroutable)

    async def _publish_one(self, envelope: Envelope, body: bytes) -> None:
        message = aio_pika.Message(
            body,
            content_type="application/json",
            message_id=str(envelope.id),
            type=envelope.type,
            app_id=envelope.source,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        await self.send(EXCHANGE, envelope.routing_key, message, required=mandatory(envelope))

    async def send(self, exchange: str, key: str, message: aio_pika.Message, *, required: bool = True) -> None:
        """Publishes and waits for the broker's confirm. Raises BusUnavailable, or PublishError where no queue takes it."""
        async with self._slots:
            try:
                async with asyncio.timeout(CONFIRM_SECONDS):
                    target = await self._exchange(exchange)
                    await target.publish(message, key, mandatory=required)
            except aio_pika.exceptions.PublishError:
                raise
            except AWAY as error:
                raise BusUnavailable(f"RabbitMQ: {error or type(error).__name__}") from error

    async def subscribe(self, queue: Queue, handler: Handler, *, prefetch: int = 32, concurrency: int = 8) -> None:
        if queue.name in self._consumers:
            raise ValueError(f"{queue.name} has a handler in this process already")
        consumer = Consumer(
            self.send,
            queue,
            handler,
            keyring=self._keyring,
            ladder=self._ladder,
            prefetch=prefetch,
            concurrency=concurrency,
        )
        self._consumers[queue.name] = consumer
        if self._consumer_connection and self._consuming.up.is_set():
            try:
                await consumer.open(self._consumer_connection)
            except AWAY:
                if self._consumers.pop(queue.name, None):
                    await consumer.close()
                raise

    async def depths(self, queues: Sequence[Queue] | None = None) -> dict[str, QueueDepth]:
        wanted = [consumer.queue for consumer in self._consumers.values()] if queues is None else queues
        return {queue.name: await self._depth(queue) for queue in wanted}

    async def _depth(self, queue: Queue) -> QueueDepth:
        consumer = self._consumers.get(queue.name)
        in_hand = consumer.in_hand if consumer else 0
        async with self._look() as channel:
            try:
                waiting = [retry_queue(queue, delay) for delay in dict.fromkeys(self._ladder)]
                delayed = [await _count(channel, name) for name in waiting]
                ready, dead = await _count(channel, queue.name), await _count(channel, queue.dead)
            except aio_pika.exceptions.ChannelNotFoundEntity:
                return QueueDepth(0, 0, 0, in_hand)
        return QueueDepth(ready, sum(delayed), dead, in_hand)

    async def dead(self, queue: str, limit: int = 50) -> list[DeadLetter]:
        letters: list[DeadLetter] = []
        async with self._looking, self._look() as channel:  # closing the channel puts back what was taken
            source = await channel.get_queue(f"{queue}.dead", ensure=False)
            with contextlib.suppress(aio_pika.exceptions.ChannelNotFoundEntity):  # nobody declared it yet
                while len(letters) < limit and (message := await source.get(fail=False)):
                    letters.append(_dead_letter(queue, message))
        return letters

    async def resend(self, queue: str, message_id: UUID) -> bool:
        async with self._looking, self._look() as channel:
            source = await channel.get_queue(f"{queue}.dead", ensure=False)
            with contextlib.suppress(aio_pika.exceptions.ChannelNotFoundEntity):  # nobody declared it yet
                while message := await source.get(fail=False):
                    if message.message_id == str(message_id):
                        await self.send(returns_exchange(queue.partition(".")[0]), queue, _fresh(message))
                        await message.ack()
                        return True
        return False

    @contextlib.asynccontextmanager
    async def _look(self) -> Any:
        """A channel for looking after queues, closed at the end."""
        if self._connection is None or not self._publishing.up.is_set():
            raise BusUnavailable("RabbitMQ is away")
        try:
            async with asyncio.timeout(CONFIRM_SECONDS), self._connection.channel() as channel:
                yield channel
        except AWAY as error:
            raise BusUnavailable(f"RabbitMQ: {error or type(error).__name__}") from error

    async def _open_publisher(self, connection: AbstractConnection) -> None:
        self._connection = connection
        await self._open_channel()

    async def _open_channel(self) -> None:
        assert self._connection is not None
        self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        self._exchanges = {}

    async def _open_consumers(self, connection: AbstractConnection) -> None:
        self._consumer_connection = connection
        for consumer in self._consumers.values():
            await consumer.open(connection)

    async def _exchange(self, name: str) -> AbstractExchange:
        """The exchange on an open channel; a channel the broker closed (a refused publish) is opened again."""
        if not self._publishing.up.is_set():
            raise BusUnavailable("RabbitMQ is away")
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                await self._open_channel()
            assert self._channel is not None
            if name not in self._exchanges:
                self._exchanges[name] = await self._channel.get_exchange(name, ensure=False)
        return self._exchanges[name]


async def _count(channel: AbstractChannel, name: str) -> int:
    queue = await channel.declare_queue(name, passive=True)
    return int(queue.declaration_result.message_count or 0)


def _fresh(message: AbstractIncomingMessage) -> aio_pika.Message:
    """The message as it was sent at first, without the traces of its tries."""
    return aio_pika.Message(
        message.body,
        content_type=message.content_type,
        message_id=message.message_id,
        type=message.type,
        app_id=message.app_id,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


def _dead_letter(queue: str, message: AbstractIncomingMessage) -> DeadLetter:
    """Ours carry their reason; without one the broker gave the message up because its consumers died."""
    headers: dict[str, Any] = dict(message.headers)
    reason, died_at = headers.get(REASON), headers.get(DIED_AT)
    if died_at is None:
        deaths = headers.get("x-death") or [{}]
        moment = deaths[0].get("time")
        died_at = int(moment.timestamp() * 1000) if moment else 0
    return DeadLetter(
        UUID(message.message_id) if message.message_id else uuid7(),
        queue,
        str(reason) if reason is not None else DELIVERY_LIMIT_REASON,
        int(headers.get(ATTEMPT, 1)),
        int(died_at),
        message.body,
    )
