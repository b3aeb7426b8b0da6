"""What a caller may do in a case their organisation received: their own profile's permissions, within those of the share."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.cases.models import CaseShare
from hive.identity.caller import Caller
from hive.identity.models import Profile
from hive.identity.permissions import Permission
from waggle.errors import Forbidden


async def check(session: AsyncSession, caller: Caller, *, case_id: int | None, org_id: int, permission: Permission) -> None:
    """Raises Forbidden. `org_id` is the owner's; what is the organisation's own, the route has checked already."""
    if case_id is None or org_id == caller.org_id:
        return
    caller.check(permission)
    shared = await session.scalar(
        select(Profile.permissions)
        .join(CaseShare, CaseShare.profile_id == Profile.id)
        .where(CaseShare.case_id == case_id, CaseShare.org_id == caller.org_id)
    )
    if shared is None or permission not in shared:
        raise Forbidden(f"the case is shared with your organisation without the permission {permission}")


def check_owner(caller: Caller, org_id: int, what: str) -> None:
    """Raises Forbidden for a receiver of the case."""
    if org_id != caller.org_id:
        raise Forbidden(f"only the organisation that owns the case {what}")
