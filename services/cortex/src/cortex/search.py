"""Lists in the classic search language (contracts/cortex.md §2.12): one page of keys, and how many match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from waggle.query import CORTEX, Entity, Field, Search, count_sql, page_sql, parse_filter, parse_sort
from waggle.query.statement import Narrowing, Statement
from waggle.web.paging import Page

STAMPS = {
    "createdAt": Field("{t}.created_at", "integer"),
    "createdBy": Field("{t}.created_by"),
    "updatedAt": Field("{t}.updated_at", "integer"),
    "updatedBy": Field("{t}.updated_by"),
}


async def search_keys(
    session: AsyncSession,
    entity: Entity,
    *,
    organisation: str | None,
    query: Any,
    page: Page,
    order: Sequence[str],
    usual_order: str | None = None,
    narrowing: Narrowing | None = None,
) -> tuple[list[Any], int]:
    """The ids of the page's objects in order, and how many match in all.

    `organisation` None: of all organisations the caller may see. `usual_order` where none is asked for; without it newest first.
    """
    search = Search(
        entity=entity,
        query=parse_filter(query, CORTEX),
        org=organisation,
        sort=parse_sort(list(order) or usual_order),
        offset=page.offset,
        limit=page.limit,
        coerces=True,
        narrowing=narrowing,
    )
    ((total,),) = await _rows(session, count_sql(search))
    if total <= page.offset:
        return [], total
    return [key for (key,) in await _rows(session, page_sql(search, f"{{t}}.{entity.id}"))], total


async def _rows(session: AsyncSession, statement: Statement) -> list[Any]:
    """Runs the statement in the session's transaction. Its parameters are numbered, as the driver takes them."""
    pooled = await (await session.connection()).get_raw_connection()
    connection = pooled.driver_connection
    assert connection is not None
    return list(await connection.fetch(statement.sql, *statement.args))
