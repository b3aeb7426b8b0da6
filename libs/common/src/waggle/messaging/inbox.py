"""The inbox: a message that is delivered twice takes effect once."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

INBOX_SQL: Final = """
CREATE TABLE inbox (
  consumer text,
  message_id uuid,
  received_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, message_id)
);
CREATE INDEX inbox_by_age ON inbox (received_at);
GRANT SELECT, INSERT ON inbox TO {app};
GRANT SELECT, INSERT, DELETE ON inbox TO {system};
"""
"""DDL with the names of the service's two logins."""

KEEP_DAYS: Final = 14
BATCH: Final = 5000

_INSERT: Final = text(
    "INSERT INTO inbox (consumer, message_id) VALUES (:consumer, :message_id) ON CONFLICT DO NOTHING RETURNING 1"
)


async def first_time(session: AsyncSession, consumer: str, message_id: UUID) -> bool:
    """Whether this consumer has not seen the message yet. Call it first in the handler's transaction: the row stands or

    falls with the effect, and a second delivery waits for the first to end.
    """
    result = await session.execute(_INSERT, {"consumer": consumer, "message_id": message_id})
    return result.scalar() is not None


async def forget(connection: asyncpg.Connection, days: int = KEEP_DAYS) -> int:
    """Deletes what is older than `days`, batch by batch; returns how many rows. No broker redelivers after so long."""
    total = 0
    while True:
        gone = await connection.fetch(
            "DELETE FROM inbox WHERE (consumer, message_id) IN ("
            " SELECT consumer, message_id FROM inbox WHERE received_at < now() - make_interval(days => $1) LIMIT $2)"
            " RETURNING 1",
            days,
            BATCH,
        )
        total += len(gone)
        if len(gone) < BATCH:
            return total
