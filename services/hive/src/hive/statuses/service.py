"""Custom statuses. What the rules know by name (New, Imported, Duplicated…) is built in: its look may change, it never goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import or_, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.identity.caller import Caller
from hive.statuses.models import Status
from hive.tables import number_of, touch
from waggle.errors import BadRequest, CreateError, NotFound
from waggle.ids import now_ms

Kind = Literal["alert", "case"]
FIXED = ("value", "stage")
USED = text("SELECT status_used(:kind, :value)")


async def listed(session: AsyncSession, kind: Kind) -> list[Status]:
    return list(await session.scalars(select(Status).where(Status.kind == kind).order_by(Status.ord, Status.id)))


async def find(session: AsyncSession, kind: Kind, reference: str, *, for_update: bool = False) -> Status:
    """The status of an id or value. Raises NotFound."""
    statement = select(Status).where(Status.kind == kind, or_(Status.id == number_of(reference), Status.value == reference))
    if for_update:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    found = await session.scalar(statement)
    if found is None:
        raise NotFound(f"{kind.capitalize()}Status {reference[:64]} not found")
    return found


async def create(session: AsyncSession, caller: Caller, kind: Kind, *, value: str, stage: str, **look: Any) -> Status:
    """Raises CreateError for a value that exists among the statuses of that kind."""
    row = Status(kind=kind, value=value, stage=stage, created_at=now_ms(), created_by=caller.login, **look)
    try:
        async with session.begin_nested():
            session.add(row)
            await session.flush()
    except IntegrityError as error:
        raise CreateError(f"{kind.capitalize()}Status {value[:64]} already exist") from error
    await _record(session, caller, "create", row, {"value": value, "stage": stage})
    return row


async def change(session: AsyncSession, caller: Caller, row: Status, changes: Mapping[str, Any]) -> None:
    """Changes a status by column name. Raises BadRequest for another value or stage of one that is built in or in use."""
    changed = {name: value for name, value in changes.items() if getattr(row, name) != value}
    if not changed:
        return
    if any(name in changed for name in FIXED):
        await _refuse(session, row)
    try:
        async with session.begin_nested():
            for name, value in changed.items():
                setattr(row, name, value)
            touch(row, caller.login)
            await session.flush()
    except IntegrityError as error:
        raise CreateError(f"{row.kind.capitalize()}Status {changed.get('value', '')[:64]} already exist") from error
    await _record(session, caller, "update", row, changed)


async def remove(session: AsyncSession, caller: Caller, row: Status) -> None:
    """Raises BadRequest for a status that is built in or that some object has, in whatever organisation."""
    await _refuse(session, row)
    await _record(session, caller, "delete", row, {"value": row.value, "stage": row.stage})
    await session.delete(row)
    await session.flush()


async def _refuse(session: AsyncSession, row: Status) -> None:
    if row.built_in:
        raise BadRequest(f"the status {row.value} is built in")
    if await session.scalar(USED, {"kind": row.kind, "value": row.value}):
        raise BadRequest(f"the status {row.value} is in use")


async def _record(session: AsyncSession, caller: Caller, action: Any, row: Status, details: dict[str, Any]) -> None:
    root = Root("organisation", caller.org_id)
    kind = f"{row.kind}Status"
    await record(session, caller, action=action, kind=kind, object_id=row.id, root=root, details=details)
