"""Searchable fields of organisations and users, and their lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cortex.identity.models import Organisation, User
from cortex.search import STAMPS, find_all
from waggle.query import Entity, Field, Relation
from waggle.web.paging import Page

ORGANISATIONS = Entity(
    kind="organization",
    table="organisations",
    org="id",
    date="created_at",
    texts=("name", "description"),
    fields={
        "_id": Field("{t}.id"),
        "id": Field("{t}.id"),
        "name": Field("{t}.id"),
        "description": Field("{t}.description"),
        "status": Field("{t}.status"),
        **STAMPS,
    },
)
OF_ORGANISATION = {"organization": Relation(lambda: ORGANISATIONS, "{t}.org_id = {other}.id")}
USERS = Entity(
    kind="user",
    table="users",
    id="login",
    date="created_at",
    texts=("id", "name"),
    fields={
        "_id": Field("{t}.login"),
        "id": Field("{t}.login"),
        "login": Field("{t}.login"),
        "name": Field("{t}.name"),
        "status": Field("{t}.status"),
        "organization": Field("{t}.org_id"),
        "roles": Field("{t}.roles", "list"),
        **STAMPS,
    },
    parents=OF_ORGANISATION,
)


async def find_organisations(
    session: AsyncSession, *, query: Any, page: Page, order: Sequence[str]
) -> tuple[list[Organisation], int]:
    """Of all organisations: only superadmins list them."""
    return await find_all(
        session, Organisation, ORGANISATIONS, organisation=None, query=query, page=page, order=order, usual_order="name"
    )


async def find_users(
    session: AsyncSession, *, organisation: str | None, query: Any, page: Page, order: Sequence[str]
) -> tuple[list[User], int]:
    """Users of one organisation, or of all of them for superadmins."""
    return await find_all(
        session, User, USERS, organisation=organisation, query=query, page=page, order=order, usual_order="name"
    )
