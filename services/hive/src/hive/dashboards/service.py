"""Making, changing and removing dashboards. One's own is private until it is shared with the organisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Action, Root, record
from hive.dashboards.models import Dashboard
from hive.identity.caller import Caller
from hive.identity.permissions import Permission
from hive.tables import number_of, touch
from waggle.errors import NotFound
from waggle.ids import now_ms


async def create(
    session: AsyncSession, caller: Caller, *, title: str, description: str, shared: bool, definition: str
) -> Dashboard:
    """Raises Forbidden without manageDashboard."""
    caller.check(Permission.DASHBOARD)
    row = Dashboard(
        org_id=caller.org_id, owner_id=caller.user_id, title=title, description=description, shared=shared,
        definition=definition, created_at=now_ms(), created_by=caller.login,
    )  # fmt: skip
    session.add(row)
    await session.flush()
    await session.refresh(row)
    await _record(session, caller, row, "create", {"title": title, "description": description, "shared": shared})
    return row


async def find(session: AsyncSession, reference: str, *, for_update: bool = False) -> Dashboard:
    """A dashboard that the caller sees. Raises NotFound."""
    statement = select(Dashboard).where(Dashboard.id == number_of(reference))
    if for_update:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    found = await session.scalar(statement)
    if found is None:
        raise NotFound(f"Dashboard {reference[:200]} not found")
    return found


async def change(session: AsyncSession, caller: Caller, row: Dashboard, columns: Mapping[str, Any]) -> None:
    """Applies changes by column name. Raises Forbidden without manageDashboard."""
    caller.check(Permission.DASHBOARD)
    changed = {name: value for name, value in columns.items() if getattr(row, name) != value}
    if not changed:
        return
    for name, value in changed.items():
        setattr(row, name, value)
    touch(row, caller.login)
    await session.flush()
    await _record(session, caller, row, "update", {k: v for k, v in changed.items() if k != "definition"})


async def remove(session: AsyncSession, caller: Caller, row: Dashboard) -> None:
    """Raises Forbidden without manageDashboard."""
    caller.check(Permission.DASHBOARD)
    await session.delete(row)
    await session.flush()
    await _record(session, caller, row, "delete", {"title": row.title})


async def _record(session: AsyncSession, caller: Caller, row: Dashboard, action: Action, details: Mapping[str, Any]) -> None:
    """History, but for what is private: that is nobody else's to read."""
    if row.shared:
        root = Root("organisation", caller.org_id)
        await record(session, caller, action=action, kind="dashboard", object_id=row.id, root=root, details=details)
