"""How often workers may run: contracts/cortex.md §4.4, but a job over the limit waits for its turn.

A base configuration stands for one account at somebody's service, so the workers that share one are counted together. The
window slides: of any `rate` + 1 turns in a row, the last is at least a unit after the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from cortex.acting import Actor
from waggle.db.database import context_sql
from waggle.ids import now_ms

UNIT_MS = {"Second": 1000, "Minute": 60_000, "Hour": 3_600_000, "Day": 86_400_000, "Month": 30 * 86_400_000}
NEVER = 2**53
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('rate ' || $1 || ' ' || $2, 0))"
_TURN = f"""
WITH {context_sql()}
SELECT turn.due_at FROM ctx CROSS JOIN LATERAL (
  SELECT due_at FROM jobs WHERE org_id = ctx.org AND rate_bucket = $4 ORDER BY due_at DESC OFFSET $5 LIMIT 1
) turn
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `rate` jobs in any `unit_ms` milliseconds, over all workers of the bucket."""

    bucket: str
    rate: int
    unit_ms: int


async def enter(connection: asyncpg.Connection, actor: Actor, limit: Limit) -> None:
    """Waits until no other request of this bucket is under way; it is left with the transaction."""
    await connection.execute(_LOCK, actor.organisation, limit.bucket)


async def turn(connection: asyncpg.Connection, actor: Actor, limit: Limit) -> int:
    """When (ms) the next job may run."""
    if limit.rate == 0:
        return NEVER
    last = await connection.fetchval(_TURN, *actor.scope.parameters(), limit.bucket, limit.rate - 1)
    return max(now_ms(), 0 if last is None else int(last) + limit.unit_ms)
