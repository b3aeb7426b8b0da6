"""With whose rights a report's operations are applied: those that the person who asked for the run has today."""

from __future__ import annotations

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.analysis.models import Run
from hive.identity.caller import Caller
from hive.identity.models import Membership, Profile, User
from hive.identity.permissions import expanded
from hive.tables import SYSTEM_LOGIN

ACT_AS = text("SELECT set_config('waggle.user', :user, true)")


async def who_asked(session: AsyncSession, platform: Caller, run: Run) -> Caller | None:
    """The person who asked, as a member of the platform caller's organisation; None if they are that no more."""
    if run.created_by == SYSTEM_LOGIN:
        return platform
    found = (
        await session.execute(
            select(User.id, User.login, User.name, Profile.name.label("profile"), Profile.permissions)
            .join(Membership, Membership.user_id == User.id)
            .join(Profile, Profile.id == Membership.profile_id)
            .where(User.login == run.created_by, Membership.org_id == platform.org_id, User.locked.is_(False))
        )
    ).one_or_none()
    if found is None:
        return None
    return Caller(
        found.id, found.login, found.name, platform.org_id, platform.organisation, found.profile, expanded(found.permissions)
    )


async def act_as(session: AsyncSession, caller: Caller) -> None:
    """From here on row-level security sees this person."""
    await session.execute(ACT_AS, {"user": str(caller.user_id)})
