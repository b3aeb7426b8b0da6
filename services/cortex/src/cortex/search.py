"""Lists in the classic search language (contracts/cortex.md §2.12): one page of rows, and how many match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from waggle.query import CORTEX, Entity, Field, Search, count_all, find_page, parse_filter, parse_sort
from waggle.query.statement import Narrowing
from waggle.web.paging import Page

STAMPS = {
    "createdAt": Field("{t}.created_at", "integer"),
    "createdBy": Field("{t}.created_by"),
    "updatedAt": Field("{t}.updated_at", "integer"),
    "updatedBy": Field("{t}.updated_by"),
}


async def find_all(
    session: AsyncSession,
    model: Any,
    entity: Entity,
    *,
    organisation: str | None,
    query: Any,
    page: Page,
    order: Sequence[str],
    usual_order: str | None = None,
    narrowing: Narrowing | None = None,
) -> tuple[list[Any], int]:
    """The page's rows in order, and how many match in all.

    `organisation` None: of all organisations the caller may see. `usual_order` where none is asked for; without it newest first.
    """
    search = Search(
        entity=entity,
        query=parse_filter(query, CORTEX),
        org=organisation,
        sort=parse_sort(list(order) or usual_order),
        offset=page.offset,
        limit=page.limit,
        coerces=CORTEX.coerces,
        narrowing=narrowing,
    )
    total = await count_all(session, search)
    if total <= page.offset:
        return [], total
    return await find_page(session, model, search), total
