"""Who changed what: one row per change, written in the change's own transaction."""

from __future__ import annotations

from typing import Any, Literal

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from waggle.ids import now_ms
from waggle.web import request_id

_INSERT = text(
    "INSERT INTO audit (at, request_id, action, kind, object_id, actor, details)"
    " VALUES (:at, :request_id, :action, :kind, :object_id, :actor, CAST(:details AS jsonb))"
)


async def record(
    session: AsyncSession,
    *,
    action: Literal["create", "update", "delete"],
    kind: str,
    object_id: str,
    actor: str,
    details: dict[str, Any],
) -> None:
    """`details` are the changed fields; secrets are named, their values never given."""
    await session.execute(
        _INSERT,
        {
            "at": now_ms(),
            "request_id": request_id(),
            "action": action,
            "kind": kind,
            "object_id": object_id,
            "actor": actor,
            "details": orjson.dumps(details).decode(),
        },
    )
