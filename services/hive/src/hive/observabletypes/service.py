"""Making and removing observable types."""

from __future__ import annotations

from typing import Any

from sqlalchemy import or_, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.identity.caller import Caller
from hive.observabletypes.models import ObservableType
from hive.tables import number_of, touch
from waggle.errors import BadRequest, CreateError, NotFound
from waggle.ids import now_ms

USED = text("SELECT observable_type_used(:name)")


async def find(session: AsyncSession, reference: str, *, for_update: bool = False) -> ObservableType:
    """The type of an id or name. Raises NotFound."""
    statement = select(ObservableType).where(or_(ObservableType.id == number_of(reference), ObservableType.name == reference))
    if for_update:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    found = await session.scalar(statement)
    if found is None:
        raise NotFound(f"ObservableType {reference[:64]} not found")
    return found


async def create(
    session: AsyncSession, caller: Caller, *, name: str, is_attachment: bool = False, is_case_sensitive: bool = True
) -> ObservableType:
    """Raises CreateError for a name that exists."""
    row = ObservableType(
        name=name, is_attachment=is_attachment, is_case_sensitive=is_case_sensitive, created_at=now_ms(), created_by=caller.login
    )
    try:
        async with session.begin_nested():
            session.add(row)
            await session.flush()
    except IntegrityError as error:
        raise CreateError(f"ObservableType {name[:64]} already exist") from error
    await _record(session, caller, "create", row, {"name": name, "isAttachment": is_attachment})
    return row


async def change(session: AsyncSession, caller: Caller, row: ObservableType, *, is_case_sensitive: bool) -> None:
    """Raises BadRequest while observables of the type exist: their keys were made with the former rule."""
    if row.is_case_sensitive == is_case_sensitive:
        return
    await _refuse_used(session, row)
    row.is_case_sensitive = is_case_sensitive
    touch(row, caller.login)
    await session.flush()
    await _record(session, caller, "update", row, {"isCaseSensitive": is_case_sensitive})


async def remove(session: AsyncSession, caller: Caller, row: ObservableType) -> None:
    """Raises BadRequest for a type some observable has, in whatever organisation."""
    await _refuse_used(session, row)
    await _record(session, caller, "delete", row, {"name": row.name})
    await session.delete(row)
    await session.flush()


async def _refuse_used(session: AsyncSession, row: ObservableType) -> None:
    if await session.scalar(USED, {"name": row.name}):
        raise BadRequest(f"ObservableType {row.name} is in use")


async def _record(session: AsyncSession, caller: Caller, action: Any, row: ObservableType, details: dict[str, Any]) -> None:
    root = Root("organisation", caller.org_id)
    await record(session, caller, action=action, kind="observableType", object_id=row.id, root=root, details=details)
