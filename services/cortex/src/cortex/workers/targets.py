"""A worker as a job needs it: what may be asked of it, and how often. Read by one statement."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from cortex.acting import Actor
from waggle.db.database import context_sql
from waggle.db.recent import Recent
from waggle.errors import NotFound

# The scope is set in `ctx`; the lateral join makes the table be read after it, and by the second wall's rules.
_FIND = f"""
WITH {context_sql()}
SELECT w.* FROM ctx CROSS JOIN LATERAL (
  SELECT id, org_id, name, kind, definition_id, data_types, base_config, max_tlp, max_pap, rate, rate_unit, cache_minutes
  FROM workers WHERE org_id = ctx.org AND kind = $4 AND CASE WHEN $5::text IS NULL THEN name = $6 ELSE id = $5 END OFFSET 0
) w
"""


@dataclass(frozen=True, slots=True)
class Target:
    """`max_tlp` and `max_pap` are words, None = no limit; `cache_minutes` None = the service's default."""

    id: str
    org_id: str
    name: str
    kind: str
    definition_id: str
    data_types: list[str]
    base_config: str
    max_tlp: str | None
    max_pap: str | None
    rate: int | None
    rate_unit: str | None
    cache_minutes: int | None


async def find_target(
    connection: asyncpg.Connection,
    actor: Actor,
    recent: Recent[Target],
    *,
    kind: str,
    worker_id: str | None,
    name: str | None,
) -> Target:
    """By id, else by name; from memory when it was just asked for. Raises NotFound, also for another organisation's."""
    key, generation = (actor.organisation, kind, worker_id, name), recent.generation
    if known := recent.get(key):
        return known
    row = await connection.fetchrow(_FIND, *actor.scope.parameters(), kind, worker_id, name)
    if row is None:
        raise NotFound(f"worker {worker_id or name} not found")
    found = Target(**row)
    recent.keep(key, found, generation)
    return found
