"""Looking up people for the other rooms."""

from __future__ import annotations

from sqlalchemy import any_, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.identity.models import Membership, Organisation, Profile, User
from hive.identity.permissions import Permission
from waggle.errors import BadRequest

WORKING = [str(p) for p in (Permission.TASK, Permission.CASE_CREATE, Permission.CASE_UPDATE, Permission.ALERT_UPDATE)]


async def assignable(session: AsyncSession, *, org_id: int, login: str) -> User:
    """The user of that login, if able to work in the organisation, or in the caller's (a received case). Raises BadRequest."""
    found = await session.scalar(
        select(User)
        .join(Membership, Membership.user_id == User.id)
        .join(Profile, Profile.id == Membership.profile_id)
        .where(
            User.login == login.lower(),
            or_(Membership.org_id == org_id, Membership.org_id == func.waggle_org()),
            User.locked.is_(False),
        )
        .where(or_(*(literal(p) == any_(Profile.permissions) for p in WORKING)))
    )
    if found is None:
        raise BadRequest(f"{login[:128]} is nobody who can work on this")
    return found


async def organisation_by_name(session: AsyncSession, name: str) -> Organisation | None:
    return await session.scalar(select(Organisation).where(Organisation.name == name))
