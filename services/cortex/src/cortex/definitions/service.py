"""Reading definitions, and making a scan happen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.definitions import catalogs, scan
from cortex.definitions.models import Definition
from waggle.errors import NotFound

if TYPE_CHECKING:
    from cortex.engine import Engine


async def list_definitions(session: AsyncSession, *, kind: str, flawed: bool = False) -> list[Definition]:
    """The definitions of a kind by name. `flawed` adds those that cannot be enabled, with their `readable_error`."""
    query = (
        select(Definition).where(Definition.kind == kind, Definition.gone_at.is_(None)).order_by(Definition.name, Definition.id)
    )
    if not flawed:
        query = query.where(Definition.readable_error.is_(None))
    return list(await session.scalars(query))


async def get_definition(session: AsyncSession, *, kind: str, definition_id: str) -> Definition:
    """Raises NotFound for one that is not there or has gone."""
    found = await session.get(Definition, (kind, definition_id))
    if found is None or found.gone_at is not None:
        raise NotFound(f"Worker {definition_id} not found")
    return found


async def rescan(engine: Engine) -> int:
    """Reads the folders and catalogs and stores what is there; returns how many definitions there are."""
    async with engine.scanning:
        fetched = await catalogs.fetch(engine.sources.urls)
        flavors = await asyncio.to_thread(scan.read_flavors, engine.sources, fetched)
        async with engine.database.system() as session:
            await scan.store(session, flavors, [url for url, content in fetched.items() if isinstance(content, str)])
    return len(flavors)
