"""Searchable fields of organisations and users, and their lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.identity.models import Organisation, User
from cortex.search import Column, Register, search_ids
from waggle.web.paging import Page

STAMPS = {
    "createdAt": Column("created_at", "number"),
    "createdBy": Column("created_by"),
    "updatedAt": Column("updated_at", "number"),
    "updatedBy": Column("updated_by"),
}
ORGANISATIONS = Register(
    table="organisations",
    key="id",
    columns={
        "id": Column("id"),
        "name": Column("id"),
        "description": Column("description"),
        "status": Column("status"),
        **STAMPS,
    },
    order="id",
    kind="organization",
)
USERS = Register(
    table="users",
    key="login",
    columns={
        "id": Column("login"),
        "login": Column("login"),
        "name": Column("name"),
        "status": Column("status"),
        "organization": Column("org_id"),
        "roles": Column("roles", "list"),
        **STAMPS,
    },
    order="name",
    kind="user",
)


async def find_organisations(
    session: AsyncSession, *, query: Any, page: Page, order: Sequence[str]
) -> tuple[list[Organisation], int]:
    keys, total = await search_ids(session, ORGANISATIONS, query=query, page=page, order=order)
    found = {o.id: o for o in await session.scalars(select(Organisation).where(Organisation.id.in_(keys)))}
    return [found[key] for key in keys], total


async def find_users(
    session: AsyncSession, *, organisation: str | None, query: Any, page: Page, order: Sequence[str]
) -> tuple[list[User], int]:
    """Users of one organisation, or of all the caller may see."""
    base, given = ("org_id = :organisation", {"organisation": organisation}) if organisation is not None else ("true", {})
    keys, total = await search_ids(session, USERS, query=query, page=page, order=order, base=base, **given)
    found = {u.login: u for u in await session.scalars(select(User).where(User.login.in_(keys)))}
    return [found[key] for key in keys], total
