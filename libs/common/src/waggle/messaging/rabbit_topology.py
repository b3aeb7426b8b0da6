"""What exists on the broker: the shared topic exchange, and per queue its retries and its dead letters.

    waggle.events ──type──▶ hive.alerts
    hive.alerts ──handler fails──▶ hive.returns ──▶ hive.alerts.retry.5s ──TTL──▶ hive.returns ──▶ hive.alerts
    hive.alerts ──given up, or 20 crashes──▶ hive.returns ──▶ hive.alerts.dead

Retries go through an exchange of the service's own and not through the default one: writing there would be a right to write
into every queue of the broker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue, ExchangeType

from waggle.messaging.bus import Queue
from waggle.messaging.policy import DELIVERY_LIMIT
from waggle.messaging.rights import EXCHANGE, returns_exchange

# RabbitMQ 4 gives every quorum queue a limit of 20; looking at dead letters delivers them, which must not use them up.
_NO_DELIVERY_LIMIT: Final = 1_000_000
_QUORUM: Final[dict[str, Any]] = {"x-queue-type": "quorum"}
# at-least-once needs reject-publish: otherwise the broker itself may lose a message between two queues.
_SAFE_DEAD_LETTERS: Final[dict[str, Any]] = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}


def retry_queue(queue: Queue, delay: float) -> str:
    """`hive.alerts.retry.2m`: the queue in which a message waits `delay` seconds."""
    milliseconds = round(delay * 1000)
    for unit, length in (("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds % length == 0:
            return f"{queue.name}.retry.{milliseconds // length}{unit}"
    return f"{queue.name}.retry.{milliseconds}ms"


async def declare(
    connection: AbstractConnection, channel: AbstractChannel, queue: Queue, ladder: Sequence[float]
) -> AbstractQueue:
    """Declares everything that belongs to one queue; returns the queue itself."""
    returns_name = returns_exchange(queue.owner)
    back = {"x-dead-letter-exchange": returns_name, **_SAFE_DEAD_LETTERS}
    returns = await channel.declare_exchange(returns_name, ExchangeType.DIRECT, durable=True)
    main = await channel.declare_queue(
        queue.name,
        durable=True,
        arguments={**_QUORUM, **back, "x-dead-letter-routing-key": queue.dead, "x-delivery-limit": DELIVERY_LIMIT},
    )
    await main.bind(returns, queue.name)
    dead = await channel.declare_queue(queue.dead, durable=True, arguments={**_QUORUM, "x-delivery-limit": _NO_DELIVERY_LIMIT})
    await dead.bind(returns, queue.dead)
    for delay in ladder:
        waiting = await channel.declare_queue(
            retry_queue(queue, delay),
            durable=True,
            arguments={
                **_QUORUM,
                **back,
                "x-dead-letter-routing-key": queue.name,
                "x-message-ttl": round(delay * 1000),
            },
        )
        await waiting.bind(returns, waiting.name)
    await _ensure_events(connection)
    for pattern in queue.patterns:
        await main.bind(EXCHANGE, pattern)
    return main


async def _ensure_events(connection: AbstractConnection) -> None:
    """The shared exchange comes from the broker's definitions; where there are none, who may declare it does.

    Asked for on a channel of its own, since a missing exchange closes the channel.
    """
    async with connection.channel() as probe:
        try:
            await probe.declare_exchange(EXCHANGE, passive=True)
            return
        except aio_pika.exceptions.ChannelNotFoundEntity:
            pass
    async with connection.channel() as channel:
        await channel.declare_exchange(EXCHANGE, ExchangeType.TOPIC, durable=True)
