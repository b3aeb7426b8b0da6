"""Search rows of what hangs on an alert or a case: comments, tasks, logs, pages. Written beside the text, in its transaction."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

ParentKind = Literal["alert", "case"]


async def index_part(
    session: AsyncSession, *, of: ParentKind, parent_id: int, org_id: int, kind: str, entity_id: int, title: str, body: str
) -> None:
    """`title`: shown in results, may be empty. `body`: everything that is found by its words."""
    await session.execute(
        text(
            f"INSERT INTO {of}_texts (entity_id, kind, {of}_id, org_id, title, document)"
            " VALUES (:id, :kind, :parent, :org, CAST(:title AS text), search_document(:body))"
        ),
        {"id": entity_id, "kind": kind, "parent": parent_id, "org": org_id, "title": title, "body": body},
    )


async def reindex_part(session: AsyncSession, *, of: ParentKind, entity_id: int, title: str, body: str) -> None:
    await session.execute(
        text(f"UPDATE {of}_texts SET title = CAST(:title AS text), document = search_document(:body) WHERE entity_id = :id"),
        {"id": entity_id, "title": title, "body": body},
    )


async def drop_part(session: AsyncSession, *, of: ParentKind, entity_id: int) -> None:
    await session.execute(text(f"DELETE FROM {of}_texts WHERE entity_id = :id"), {"id": entity_id})
