"""Searchable fields of workers, and their lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cortex.identity.search import OF_ORGANISATION
from cortex.search import STAMPS, find_all
from cortex.workers.models import Worker
from waggle.query import Entity, Field
from waggle.web.paging import Page

WORKERS = Entity(
    kind="worker",
    table="workers",
    date="created_at",
    texts=("name", "description"),
    fields={
        "_id": Field("{t}.id"),
        "id": Field("{t}.id"),
        "name": Field("{t}.name"),
        "version": Field("{t}.flavor_version"),
        "workerDefinitionId": Field("{t}.definition_id"),
        "analyzerDefinitionId": Field("{t}.definition_id"),
        "description": Field("{t}.description"),
        "author": Field("{t}.author"),
        "license": Field("{t}.license"),
        "baseConfig": Field("{t}.base_config"),
        "dataTypeList": Field("{t}.data_types", "list"),
        "type": Field("{t}.kind"),
        "organization": Field("{t}.org_id"),
        **STAMPS,
    },
    parents=OF_ORGANISATION,
)


async def find_workers(
    session: AsyncSession, *, organisation: str, kind: str, query: Any, page: Page, order: Sequence[str]
) -> tuple[list[Worker], int]:
    return await find_all(
        session,
        Worker,
        WORKERS,
        organisation=organisation,
        query=query,
        page=page,
        order=order,
        usual_order="name",
        narrowing=lambda compiler: f"{compiler.alias}.kind = {compiler.parameters.bind(kind, 'text')}",
    )
