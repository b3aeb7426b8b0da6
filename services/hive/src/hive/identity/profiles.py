"""Making profiles, and what they may hold."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.identity.caller import Caller
from hive.identity.models import Profile
from hive.identity.permissions import ADMINISTRATION, ORGANISATION_WIDE, expanded
from waggle.errors import CreateError, InvalidFields
from waggle.ids import now_ms


def permitted(names: Iterable[str], kind: str) -> list[str]:
    """The permissions of names; those of the platform stay with profiles of the administration (threats S16)."""
    try:
        found = expanded(names)
    except KeyError as unknown:
        raise InvalidFields.invalid("permissions", f"there is no permission {unknown.args[0][:64]}") from None
    allowed = ADMINISTRATION if kind == "Admin" else ORGANISATION_WIDE
    if beyond := sorted(found - allowed):
        raise InvalidFields.invalid("permissions", f"a profile of type {kind} cannot hold {', '.join(beyond)}")
    return sorted(found)


async def create(session: AsyncSession, caller: Caller, *, name: str, kind: str, permissions: list[str]) -> Profile:
    """Raises CreateError for a name that is taken."""
    if await session.scalar(select(Profile.id).where(Profile.name == name)):
        raise CreateError(f"Profile {name} already exist")
    row = Profile(name=name, kind=kind, permissions=permissions, created_at=now_ms(), created_by=caller.login)
    session.add(row)
    await session.flush()
    root = Root("organisation", caller.org_id)
    details = {"name": row.name, "permissions": permissions}
    await record(session, caller, action="create", kind="profile", object_id=row.id, root=root, details=details)
    return row
