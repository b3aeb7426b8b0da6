"""Searchable fields of workers, and their lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.identity.search import STAMPS
from cortex.search import Column, Register, search_ids
from cortex.workers.models import Worker
from waggle.web.paging import Page

WORKERS = Register(
    table="workers",
    key="id",
    columns={
        "id": Column("id"),
        "name": Column("name"),
        "version": Column("flavor_version"),
        "workerDefinitionId": Column("definition_id"),
        "analyzerDefinitionId": Column("definition_id"),
        "description": Column("description"),
        "author": Column("author"),
        "license": Column("license"),
        "baseConfig": Column("base_config"),
        "dataTypeList": Column("data_types", "list"),
        "type": Column("kind"),
        "organization": Column("org_id"),
        **STAMPS,
    },
    order="name",
    kind="worker",
)


async def find_workers(
    session: AsyncSession, *, kind: str, query: Any, page: Page, order: Sequence[str]
) -> tuple[list[Worker], int]:
    keys, total = await search_ids(session, WORKERS, query=query, page=page, order=order, base="kind = :kind", kind=kind)
    found = {w.id: w for w in await session.scalars(select(Worker).where(Worker.id.in_(keys)))}
    return [found[key] for key in keys], total
