"""Restricting a case to named users, within the organisations that have it (hive-v1 §5.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.cases import rights
from hive.cases.models import Case, CaseReader
from hive.identity.caller import Caller
from hive.identity.models import Membership, User
from hive.identity.permissions import Permission
from hive.tables import touch
from waggle.errors import BadRequest

NAMING = ("users", "external")


async def set_access(
    session: AsyncSession, caller: Caller, case: Case, word: str, users: Sequence[str], *, base: bool = True
) -> None:
    """Who sees a case (`word` as stored). The caller and the assignee always do, so that nobody locks themselves out.

    Raises Forbidden; BadRequest for users who belong to none of the organisations the caller can see.
    """
    external = word in ("external", "all_external")
    needed = Permission.CASE_ACCESS_EXTERNAL if external else Permission.CASE_ACCESS_RESTRICT
    caller.check(needed)
    rights.check_owner(caller, case.org_id, "says who sees it")
    if users and word not in NAMING:
        raise BadRequest("this kind of access names no users")
    readers = await _readers(session, caller, case, users) if word != "organisation" else set()
    # The readers come first: a case that its own changer may not see any more cannot be written.
    for user_id in sorted(readers):
        await session.merge(CaseReader(case_id=case.id, user_id=user_id))
    await session.flush()
    case.access = word
    touch(case, caller.login)
    await session.flush()
    await session.execute(delete(CaseReader).where(CaseReader.case_id == case.id, CaseReader.user_id.not_in(readers)))
    details = {"access": word, "users": list(users)}
    root = Root("case", case.id)
    await record(session, caller, action="update", kind="case", object_id=case.id, root=root, details=details, base=base)
    await session.refresh(case)


async def _readers(session: AsyncSession, caller: Caller, case: Case, logins: Iterable[str]) -> set[int]:
    wanted = {login.lower() for login in logins}
    rows = await session.execute(
        select(User.id, User.login)
        .join(Membership, Membership.user_id == User.id)
        .where(User.login.in_(wanted), or_(Membership.org_id == case.org_id, Membership.org_id == func.waggle_org()))
    )
    found = {row.login: row.id for row in rows}
    if unknown := sorted(wanted - found.keys()):
        raise BadRequest(f"nobody of the organisation: {', '.join(unknown)[:500]}")
    always = {one for one in (caller.user_id, case.assignee_id) if one}
    return set(found.values()) | always
