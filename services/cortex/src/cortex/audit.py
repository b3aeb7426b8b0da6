"""One row per change of people and workers: who changed what. Written in the transaction of the change."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.acting import Actor
from waggle.ids import now_ms

_INSERT = text(
    "INSERT INTO audit (at, org_id, request_id, action, kind, object_id, actor, details)"
    " VALUES (:at, :org, :request, :action, :kind, :object, :actor, CAST(:details AS jsonb))"
)


async def record(
    session: AsyncSession, actor: Actor, action: str, kind: str, object_id: str, details: dict[str, Any] | None = None
) -> None:
    """`action`: create, update or delete. `details` are the changed fields; secrets never belong there."""
    values = {"at": now_ms(), "org": actor.organisation, "request": actor.request_id or None, "actor": actor.login}
    values |= {"action": action, "kind": kind, "object": object_id, "details": orjson.dumps(details or {}).decode()}
    await session.execute(_INSERT, values)
