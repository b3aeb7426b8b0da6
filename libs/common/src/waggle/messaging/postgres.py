"""The bus on PostgreSQL: the embedded default. Messages wait in a database of their own and are leased to consumers.

A consumer that dies keeps its messages until the lease ends; one that lives extends it, however long a handler takes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from waggle.contracts.envelope import Envelope
from waggle.messaging.bus import BusUnavailable, DeadLetter, Handler, Queue, QueueDepth, Unroutable
from waggle.messaging.policy import LADDER, mandatory, seal
from waggle.messaging.postgres_consumer import Consumer
from waggle.messaging.postgres_schema import CHANNEL
from waggle.messaging.signing import Keyring, Signer

log = structlog.get_logger("waggle.messaging")

CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 10.0
RECONNECT_SECONDS = 1.0
FIRST_CONTACT_SECONDS = 10.0

# InternalClientError: asyncpg loses its way when the server goes while a statement is being prepared.
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class PostgresBus:
    """`url` is the service's own login at the database `bus`. `lease` and the `ladder`'s delays are in seconds."""

    def __init__(
        self, url: str, *, signer: Signer, keyring: Keyring, ladder: Sequence[float] = LADDER, lease: float = 30.0
    ) -> None:
        self._url = url
        self._signer = signer
        self._keyring = keyring
        self._ladder = tuple(ladder)
        self._lease = lease
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._consumers: dict[str, Consumer] = {}
        self._listening = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        return self._listening.is_set()

    async def start(self) -> None:
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=6,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            max_inactive_connection_lifetime=60,
            server_settings={"application_name": "waggle bus"},
        )
        self._listener = asyncio.create_task(self._listen(), name="bus listener")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._listening.wait(), CONNECT_SECONDS)

    async def close(self) -> None:
        await asyncio.gather(*(consumer.close() for consumer in self._consumers.values()))
        if self._listener:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        if self._pool:
            self._pool.terminate()

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        if not envelopes:
            return
        sealed = seal(envelopes, self._signer)
        async with self.connection() as connection:
            lost = await connection.fetchval(
                "SELECT bus.publish($1, $2, $3, $4)",
                [envelope.id for envelope, _ in sealed],
                [envelope.routing_key for envelope, _ in sealed],
                [body.decode() for _, body in sealed],
                [mandatory(envelope) for envelope, _ in sealed],
            )
        if lost:
            raise Unroutable(lost)

    async def subscribe(self, queue: Queue, handler: Handler, *, prefetch: int = 32, concurrency: int = 8) -> None:
        if queue.name in self._consumers:
            raise ValueError(f"{queue.name} has a handler in this process already")
        consumer = Consumer(
            self.connection,
            queue,
            handler,
            keyring=self._keyring,
            ladder=self._ladder,
            lease=self._lease,
            prefetch=prefetch,
            concurrency=concurrency,
        )
        self._consumers[queue.name] = consumer
        consumer.start()
        if self.healthy:
            await asyncio.wait_for(consumer.declared.wait(), FIRST_CONTACT_SECONDS)

    async def depths(self, queues: Sequence[Queue] | None = None) -> dict[str, QueueDepth]:
        names = list(self._consumers) if queues is None else [queue.name for queue in queues]
        async with self.connection() as connection:
            found = {}
            for name in names:
                row = await connection.fetchrow("SELECT ready, delayed, dead, leased FROM bus.depth($1)", name)
                found[name] = QueueDepth(row["ready"], row["delayed"], row["dead"], row["leased"])
            return found

    async def dead(self, queue: str, limit: int = 50) -> list[DeadLetter]:
        async with self.connection() as connection:
            rows = await connection.fetch(
                "SELECT message_id, body, attempts, reason, (extract(epoch FROM died_at) * 1000)::bigint AS died_at"
                " FROM bus.dead_letters($1, $2)",
                queue,
                limit,
            )
        return [DeadLetter(r["message_id"], queue, r["reason"], r["attempts"], r["died_at"], r["body"].encode()) for r in rows]

    async def resend(self, queue: str, message_id: UUID) -> bool:
        async with self.connection() as connection:
            return bool(await connection.fetchval("SELECT bus.resend($1, $2)", queue, message_id))

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A connection of the pool. A database that is away, full or read-only becomes BusUnavailable."""
        if self._pool is None:
            raise BusUnavailable("the bus is not started")
        try:
            async with self._pool.acquire(timeout=COMMAND_SECONDS) as connection:
                yield connection
        except asyncpg.SyntaxOrAccessError:
            raise
        except AWAY as error:
            raise BusUnavailable(f"the bus' database: {error or type(error).__name__}") from error

    async def _listen(self) -> None:
        """Wakes the consumers on notifications; reconnects for ever. They also look by themselves every second."""
        while True:
            try:
                connection = await asyncpg.connect(self._url, timeout=CONNECT_SECONDS, command_timeout=COMMAND_SECONDS)
            except AWAY as error:
                log.warning("bus database is away", reason=str(error) or type(error).__name__)
                await asyncio.sleep(RECONNECT_SECONDS)
                continue
            lost = asyncio.Event()
            connection.add_termination_listener(lambda *_, lost=lost: lost.set())
            try:
                await connection.add_listener(CHANNEL, self._notified)
                self._listening.set()
                for consumer in self._consumers.values():
                    consumer.wake()
                await lost.wait()
                log.warning("connection to the bus database is lost")
            except AWAY as error:
                log.warning("bus database is away", reason=str(error) or type(error).__name__)
                await asyncio.sleep(RECONNECT_SECONDS)
            finally:
                self._listening.clear()
                connection.terminate()

    def _notified(self, _connection: Any, _pid: int, _channel: str, queue: Any) -> None:
        consumer = self._consumers.get(queue)
        if consumer:
            consumer.wake()
