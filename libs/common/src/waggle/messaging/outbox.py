"""The outbox: messages leave only if the change they tell of was committed, and then they leave for certain."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

import asyncpg
import structlog
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from waggle.contracts.envelope import Envelope
from waggle.db.database import LOST
from waggle.messaging import inbox
from waggle.messaging.bus import Bus, BusUnavailable, Unroutable, Unsendable
from waggle.messaging.policy import encode
from waggle.waiting import wait_at_most

log = structlog.get_logger("waggle.messaging")

# `json`, not `jsonb`: it keeps the text as written, and a report may hold the escape \\u0000, which jsonb refuses.
OUTBOX_SQL: Final = """
CREATE TABLE outbox (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  message_id uuid NOT NULL,
  topic text NOT NULL,
  key text NOT NULL,
  body json NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  refused text
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
GRANT INSERT ON outbox TO {app};
GRANT SELECT, UPDATE, DELETE ON outbox TO {system};
"""
"""DDL with the names of the service's two logins. `body` is the envelope, unsigned; `refused` says why it can never leave."""

BATCH: Final = 200
POLL_SECONDS: Final = 1.0
LONGEST_PAUSE: Final = 30.0
SWEEP_SECONDS: Final = 3600.0
SIGNATURE_BYTES: Final = 128
"""Room for the signature that is added on the way."""

_INSERT: Final = text(
    "INSERT INTO outbox (message_id, topic, key, body) VALUES (:message_id, :topic, :key, CAST(CAST(:body AS text) AS json))"
)


async def enqueue(connection: AsyncSession | asyncpg.Connection, envelopes: Sequence[Envelope]) -> None:
    """Writes the messages in the caller's transaction. Raises Unsendable for one that no bus would take.

    After the commit, wake the relay (`Notifier.wake("outbox")`); it also looks every second.
    """
    rows = []
    for envelope in envelopes:
        body = encode(envelope, room=SIGNATURE_BYTES)
        rows.append((envelope.id, envelope.routing_key, envelope.key, body.decode()))
    if not rows:
        return
    if isinstance(connection, AsyncSession):
        names = ("message_id", "topic", "key", "body")
        await connection.execute(_INSERT, [dict(zip(names, row, strict=True)) for row in rows])
    else:
        await connection.execute(
            "INSERT INTO outbox (message_id, topic, key, body) SELECT id, topic, key, body::json"
            " FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS rows (id, topic, key, body)",
            *map(list, zip(*rows, strict=True)),
        )


class Connects(Protocol):
    """The part of `waggle.db.Database` that the relay needs."""

    def raw(self, *, system: bool = False) -> AbstractAsyncContextManager[asyncpg.Connection]: ...


class Relay:
    """Sends the outbox' rows in order and deletes them once they are confirmed. One relay per database is active.

    A broker that is away makes the rows wait. A type nobody takes waits by itself, and the others go on. What can never be
    sent (over the limit, not a message of this service) keeps its row, with the reason in `refused`.
    """

    def __init__(self, db: Connects, bus: Bus, channel: str = "outbox") -> None:
        self._db = db
        self._bus = bus
        self._channel = channel
        self._wake = asyncio.Event()
        self._held: dict[str, tuple[float, float]] = {}
        self._swept = 0.0

    async def run(self) -> None:
        """Works until it is cancelled; survives the database going away."""
        while True:
            try:
                async with self._db.raw(system=True) as connection:
                    await self._serve(connection)
            except LOST as error:
                log.warning("relay lost its database", reason=str(error) or type(error).__name__)
            except Exception as error:
                # Whatever it was, messages must go on leaving.
                log.error("relay failed", exc_info=error)
            await asyncio.sleep(POLL_SECONDS)

    async def _serve(self, connection: asyncpg.Connection) -> None:
        """Relays over one connection, while this is the one that holds the lock; ends when the connection is lost."""
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _lock_key(self._channel)):
            return
        await connection.add_listener(self._channel, self._notified)
        try:
            pause = 0.0
            while True:
                self._wake.clear()
                try:
                    sent = await self._batch(connection)
                    pause = 0.0
                except BusUnavailable as error:
                    pause = min(max(pause * 2, 0.1), LONGEST_PAUSE)
                    log.warning("outbox waits for the bus", reason=str(error), pause=pause)
                    await asyncio.sleep(pause)
                    continue
                if sent < BATCH:
                    await self._sweep(connection)
                    await wait_at_most(self._wake, POLL_SECONDS)
        except LOST:
            raise  # the lock went with the connection
        except BaseException:
            # A pooled connection goes back without the lock and without the listener.
            await connection.remove_listener(self._channel, self._notified)
            await connection.execute("SELECT pg_advisory_unlock($1)", _lock_key(self._channel))
            raise

    async def _batch(self, connection: asyncpg.Connection) -> int:
        """Sends up to BATCH rows; returns how many left."""
        now = time.monotonic()
        held = [topic for topic, (until, _) in self._held.items() if until > now]
        rows = await connection.fetch(
            "SELECT seq, topic, body::text FROM outbox WHERE refused IS NULL AND topic <> ALL($1::text[]) ORDER BY seq LIMIT $2",
            held,
            BATCH,
        )
        waiting: dict[int, Envelope] = {}
        topics: dict[int, str] = {}
        for row in rows:
            try:
                waiting[row["seq"]] = Envelope.model_validate_json(row["body"])
                topics[row["seq"]] = row["topic"]
            except ValidationError as error:
                await self._refuse(connection, row["seq"], f"no envelope: {error}")
        return await self._send(connection, waiting, topics)

    async def _send(self, connection: asyncpg.Connection, waiting: dict[int, Envelope], topics: dict[int, str]) -> int:
        while waiting:
            try:
                await self._bus.publish(list(waiting.values()))
            except Unsendable as error:
                seq = next(seq for seq, envelope in waiting.items() if envelope.id == error.message_id)
                await self._refuse(connection, seq, error.reason)
                del waiting[seq]
                continue
            except Unroutable as error:
                lost = {seq for seq, envelope in waiting.items() if envelope.id in error.ids}
                self._hold({topics[seq] for seq in lost})
                waiting = {seq: envelope for seq, envelope in waiting.items() if seq not in lost}
            await connection.execute("DELETE FROM outbox WHERE seq = ANY($1::bigint[])", list(waiting))
            for seq in waiting:
                self._held.pop(topics[seq], None)
            return len(waiting)
        return 0

    def _hold(self, topics: set[str]) -> None:
        """Lets these topics wait, longer each time, so that a service that is not there yet stops nobody else's messages."""
        for topic in topics:
            _, last = self._held.get(topic, (0.0, 0.0))
            pause = min(max(last * 2, POLL_SECONDS), LONGEST_PAUSE)
            self._held[topic] = time.monotonic() + pause, pause
            log.warning("no queue takes these messages yet", topic=topic, pause=pause)

    async def _refuse(self, connection: asyncpg.Connection, seq: int, reason: str) -> None:
        log.error("message can never be sent", seq=seq, reason=reason)
        await connection.execute("UPDATE outbox SET refused = $2 WHERE seq = $1", seq, reason)

    async def _sweep(self, connection: asyncpg.Connection) -> None:
        """Once an hour forgets what the inbox need not remember any more: the relay is the one process that is alone."""
        if time.monotonic() - self._swept > SWEEP_SECONDS or not self._swept:
            self._swept = time.monotonic()
            await inbox.forget(connection)

    def _notified(self, *_: Any) -> None:
        self._wake.set()


def _lock_key(channel: str) -> int:
    return int.from_bytes(hashlib.sha256(f"waggle relay {channel}".encode()).digest()[:8], "big", signed=True)
