"""Which of hive's organisations receive the alerts of instances that name none themselves."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from misp_connector.audit.service import record

_ALL = text("SELECT organisation FROM receivers ORDER BY organisation")
_ADD = text("INSERT INTO receivers (organisation) VALUES (:organisation) ON CONFLICT DO NOTHING")
_ALL_KNOWN = text("DELETE FROM unknown_receivers")
_KEEP_ONLY = text("DELETE FROM receivers WHERE organisation <> ALL(CAST(:organisations AS text[]))")


async def default_receivers(session: AsyncSession) -> tuple[str, ...]:
    return tuple((await session.execute(_ALL)).scalars())


async def set_default_receivers(session: AsyncSession, *, organisations: Sequence[str], actor: str) -> None:
    """Replaces the list. Alerts that were sent stay where they are."""
    if set(organisations) == set(await default_receivers(session)):
        return
    await session.execute(_ALL_KNOWN)
    await session.execute(_KEEP_ONLY, {"organisations": list(organisations)})
    for organisation in organisations:
        await session.execute(_ADD, {"organisation": organisation})
    details = {"organisations": sorted(set(organisations))}
    await record(session, action="update", kind="receivers", object_id="default", actor=actor, details=details)
