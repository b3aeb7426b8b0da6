"""Looking up people for the other rooms."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Text, any_, cast, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from hive.identity.models import Membership, Profile, User
from hive.identity.permissions import Permission
from waggle.errors import BadRequest

WORKING = [str(p) for p in (Permission.TASK, Permission.CASE_CREATE, Permission.CASE_UPDATE, Permission.ALERT_UPDATE)]


async def assignable(session: AsyncSession, *, org_id: int, login: str, case_id: int | None = None) -> User:
    """The user of that login, if able to work in the organisation, or in any that has the case. Raises BadRequest."""
    able = or_(*(literal(p) == any_(Profile.permissions) for p in WORKING))
    member = (
        select(Membership.user_id)
        .join(Profile, Profile.id == Membership.profile_id)
        .where(Membership.user_id == User.id, Membership.org_id == org_id, able)
    )
    working: ColumnElement[bool] = member.exists()
    if case_id is not None:
        # People of other organisations are behind their wall; a function of the database's owner answers for one login.
        working = or_(working, User.id == func.assignable_in(case_id, login.lower(), cast(WORKING, ARRAY(Text))))
    found = await session.scalar(select(User).where(User.login == login.lower(), User.locked.is_(False), working))
    if found is None:
        raise BadRequest(f"{login[:128]} is nobody who can work on this")
    return found
