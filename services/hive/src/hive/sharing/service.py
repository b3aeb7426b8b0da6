"""Who else has a case, a task, an observable: the rules of hive-v1 §5.8.

The rows of other organisations are written by functions of the database's owner (migration 0002), which ask again whether the
case is the caller's to share. What is decided here takes effect with the next statement of the receiver.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.cases import rights
from hive.cases.models import Case
from hive.identity.caller import Caller
from hive.identity.models import Organisation, Profile
from hive.identity.permissions import Permission
from hive.identity.service import profile as find_profile
from hive.observables.models import Observable
from hive.sharing.models import Share
from hive.sharing.organisations import visible
from hive.sharing.profiles import DEFAULT_PROFILE, SHARING_PROFILES
from hive.tables import number_of
from hive.tasks.models import Task
from waggle.errors import BadRequest, NotFound


@dataclass(frozen=True, slots=True)
class ShareDraft:
    """A wish to share a case; None: as the owner's organisation has it by default."""

    organisation: str
    profile: str = DEFAULT_PROFILE
    task_rule: str | None = None
    observable_rule: str | None = None


async def shares(session: AsyncSession, case_id: int) -> list[Share]:
    """Everybody who has a case, for those who see it."""
    statement = select(Share).where(Share.case_id == case_id).order_by(Share.id)
    return list(await session.scalars(statement.execution_options(populate_existing=True)))


async def find_share(session: AsyncSession, reference: str) -> Share:
    """The share of an id. Raises NotFound."""
    found = await session.scalar(select(Share).where(Share.id == number_of(reference)))
    if found is None:
        raise NotFound(f"Share {reference[:64]} not found")
    return found


async def share_case(
    session: AsyncSession, caller: Caller, case: Case, drafts: Sequence[ShareDraft], *, base: bool = True
) -> list[Share]:
    """Shares with each organisation named, or changes how it is shared. One's own is accepted and changes nothing.

    Raises Forbidden for a receiver of the case, NotFound for an organisation that is not visible, BadRequest for a profile of
    the administration.
    """
    rights.check_owner(caller, case.org_id, "shares it")
    own = next(one for one in await shares(session, case.id) if one.owner)
    for draft in drafts:
        organisation = await visible(session, draft.organisation)
        if organisation.id == case.org_id:
            continue
        profile = await find_profile(session, draft.profile)
        if profile.kind == "Admin":
            raise BadRequest(f"the profile {profile.name} is for the administration and not for a share")
        await _share(
            session, caller, case, organisation, profile, draft.task_rule or own.task_rule,
            draft.observable_rule or own.observable_rule, base=base,
        )  # fmt: skip
    return await shares(session, case.id)


async def _share(
    session: AsyncSession, caller: Caller, case: Case, organisation: Organisation, profile: Profile, task_rule: str,
    observable_rule: str, *, base: bool,
) -> None:  # fmt: skip
    await session.execute(
        text("SELECT share_case(:case, :org, :profile, :tasks, :observables)"),
        {
            "case": case.id, "org": organisation.id, "profile": profile.id, "tasks": task_rule, "observables": observable_rule,
        },
    )  # fmt: skip
    details = {"share": {"organisation": organisation.name, "profile": profile.name}}
    root = Root("case", case.id)
    await record(session, caller, action="update", kind="case", object_id=case.id, root=root, details=details, base=base)


async def share_by_links(session: AsyncSession, caller: Caller, case: Case) -> None:
    """Shares a new case with the organisations whose link says so."""
    rows = await session.execute(
        text("SELECT o.id, l.link_type FROM organisation_links l JOIN organisations o ON o.id = l.other_org_id"
             " WHERE l.org_id = :org AND NOT o.locked ORDER BY o.id"),
        {"org": case.org_id},
    )  # fmt: skip
    for row in rows.all():
        kind = SHARING_PROFILES[row.link_type]
        if kind.auto_share:
            organisation = await session.get_one(Organisation, row.id)
            profile = await find_profile(session, kind.permission_profile)
            await _share(session, caller, case, organisation, profile, kind.task_rule, kind.observable_rule, base=False)


async def unshare_case(session: AsyncSession, caller: Caller, case: Case, organisations: Iterable[str]) -> None:
    """Takes the case away from organisations, with all its tasks and observables. The owner keeps it (BadRequest)."""
    rights.check_owner(caller, case.org_id, "takes it back")
    having = {one.org_id: one for one in await shares(session, case.id)}
    for reference in organisations:
        share = having.get((await visible(session, reference)).id)
        if share is None:
            raise NotFound(f"the case is not shared with {reference[:64]}")
        await remove_share(session, caller, case, share)


async def remove_share(session: AsyncSession, caller: Caller, case: Case, share: Share) -> None:
    rights.check_owner(caller, case.org_id, "takes it back")
    if share.owner:
        raise BadRequest("the owner of a case keeps it; give it to another organisation instead")
    await session.execute(text("SELECT unshare_case(:case, :org)"), {"case": case.id, "org": share.org_id})
    details = {"unshare": {"organisation": share.organisation}}
    root = Root("case", case.id)
    await record(session, caller, action="update", kind="case", object_id=case.id, root=root, details=details)


async def set_shares(session: AsyncSession, caller: Caller, case: Case, drafts: Sequence[ShareDraft]) -> list[Share]:
    """These shares and no others, beside the owner's own."""
    wanted = {(await visible(session, draft.organisation)).id for draft in drafts}
    for share in await shares(session, case.id):
        if not share.owner and share.org_id not in wanted:
            await remove_share(session, caller, case, share)
    return await share_case(session, caller, case, drafts)


async def give_case(
    session: AsyncSession, caller: Caller, case: Case, organisation: str, *, keep_profile: str | None, task_rule: str | None,
    observable_rule: str | None,
) -> None:  # fmt: skip
    """Another organisation becomes the owner. Without `keep_profile` the former one loses the case. To oneself: no change."""
    rights.check_owner(caller, case.org_id, "gives it away")
    receiver = await visible(session, organisation)
    if receiver.id == case.org_id:
        return
    keep = await find_profile(session, keep_profile) if keep_profile else None
    root = Root("case", case.id)
    details = {"owner": receiver.name}
    await record(session, caller, action="update", kind="case", object_id=case.id, root=root, details=details)
    await session.execute(
        text("SELECT give_case(:case, :org, :keep, :tasks, :observables)"),
        {
            "case": case.id, "org": receiver.id, "keep": keep.id if keep else None, "tasks": task_rule or "manual",
            "observables": observable_rule or "manual",
        },
    )  # fmt: skip


async def share_task(session: AsyncSession, caller: Caller, task: Task, organisations: Iterable[str], *, shared: bool) -> None:
    """Shows one task to organisations that have its case, or hides it from them. Raises BadRequest for one that has it not."""
    receivers = await _receivers(session, caller, task.case_id, task.org_id, organisations)
    for receiver in receivers:
        await session.execute(
            text("SELECT share_task(:id, :org, :shared)"), {"id": task.id, "org": receiver.org_id, "shared": shared}
        )
    await _record_part(session, caller, "task", task.id, task.case_id, receivers, shared=shared)


async def share_observable(
    session: AsyncSession, caller: Caller, observable: Observable, organisations: Iterable[str], *, shared: bool
) -> None:
    """As `share_task`. An alert's observable cannot be shared (BadRequest)."""
    if observable.case_id is None:
        raise BadRequest("observables of an alert are not shared")
    receivers = await _receivers(session, caller, observable.case_id, observable.org_id, organisations)
    for receiver in receivers:
        await session.execute(
            text("SELECT share_observable(:id, :org, :shared)"),
            {"id": observable.id, "org": receiver.org_id, "shared": shared},
        )
    await _record_part(session, caller, "observable", observable.id, observable.case_id, receivers, shared=shared)


async def _receivers(
    session: AsyncSession, caller: Caller, case_id: int, org_id: int, organisations: Iterable[str]
) -> list[Share]:
    await rights.check(session, caller, case_id=case_id, org_id=org_id, permission=Permission.SHARE)
    rights.check_owner(caller, org_id, "shares its parts")
    having = {one.org_id: one for one in await shares(session, case_id)}
    found: list[Share] = []
    for reference in organisations:
        organisation = await visible(session, reference)
        if organisation.id == org_id:
            continue
        if organisation.id not in having:
            raise BadRequest(f"the case is not shared with {organisation.name}")
        found.append(having[organisation.id])
    return found


async def _record_part(
    session: AsyncSession, caller: Caller, kind: str, object_id: int, case_id: int, receivers: Sequence[Share], *, shared: bool
) -> None:
    if receivers:
        details = {"share" if shared else "unshare": [one.organisation for one in receivers]}
        root = Root("case", case_id)
        await record(session, caller, action="update", kind=kind, object_id=object_id, root=root, details=details)


async def shares_of_task(session: AsyncSession, task: Task) -> list[Share]:
    """The organisations that see a task: its case's owner, and those it is shared with."""
    ids = set(await session.scalars(select(text("r.id")).select_from(text("receivers_of_task(:id) AS r(id)")), {"id": task.id}))
    return [one for one in await shares(session, task.case_id) if one.owner or one.org_id in ids]


async def shares_of_observable(session: AsyncSession, observable: Observable) -> list[Share]:
    """As `shares_of_task`; nobody for an alert's observable."""
    if observable.case_id is None:
        return []
    ids = set(
        await session.scalars(
            select(text("r.id")).select_from(text("receivers_of_observable(:id) AS r(id)")), {"id": observable.id}
        )
    )
    return [one for one in await shares(session, observable.case_id) if one.owner or one.org_id in ids]
