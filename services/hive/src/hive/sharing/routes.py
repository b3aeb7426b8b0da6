"""The v1 routes of sharing: cases, tasks, observables, who owns a case and who sees it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from hive.acting import Acting, Member, require
from hive.answers import answer, no_content
from hive.cases.access import set_access
from hive.cases.lookup import find as find_case
from hive.cases.models import Case
from hive.cases.schemas import InputSetAccess
from hive.identity.permissions import Permission
from hive.observables.service import find as find_observable
from hive.sharing import service
from hive.sharing.models import Share
from hive.sharing.profiles import SHARING_PROFILES
from hive.sharing.schemas import (
    InputOrganisations,
    InputOwner,
    InputShareIds,
    InputShareProfile,
    InputShares,
    OutputShare,
    OutputSharingProfile,
    drafts_of,
    share_out,
    sharing_profile_out,
)
from hive.sharing.service import ShareDraft
from hive.tables import text_id
from hive.tasks.service import find as find_task
from waggle.errors import NotFound

router = APIRouter(prefix="/api/v1", tags=["sharing"])
Reference = Annotated[str, Path(description="id (~4096) or number")]
Id = Annotated[str, Path(description="id (~4096)")]
MayShare = Annotated[Acting, require(Permission.SHARE)]
MayRestrict = Annotated[Acting, require(Permission.CASE_ACCESS_RESTRICT)]
MayGive = Annotated[Acting, require(Permission.CASE_CHANGE_OWNERSHIP)]


def _others(acting: Acting, shares: Iterable[Share]) -> list[OutputShare]:
    """Without the caller's own organisation, as clients expect it."""
    return [share_out(one) for one in shares if one.org_id != acting.caller.org_id]


async def _case_of_share(session: AsyncSession, reference: str) -> tuple[Case, Share]:
    """The case that a share's id belongs to, and the share. Raises NotFound."""
    found = await service.find_share(session, reference)
    return await find_case(session, text_id(found.case_id)), found


@router.patch("/case/share/{share}", status_code=204)
async def change_share(share: Id, given: InputShareProfile, acting: MayShare) -> Response:
    async with acting.begin() as session:
        case, found = await _case_of_share(session, share)
        draft = ShareDraft(found.organisation, given.profile, found.task_rule, found.observable_rule)
        await service.share_case(session, acting.caller, case, [draft])
    return no_content()


@router.delete("/case/share/{share}", status_code=204)
async def remove_share(share: Id, acting: MayShare) -> Response:
    async with acting.begin() as session:
        await service.remove_share(session, acting.caller, *await _case_of_share(session, share))
    return no_content()


@router.delete("/case/shares", status_code=204)
async def remove_shares(given: InputShareIds, acting: MayShare) -> Response:
    """All of them or none."""
    async with acting.begin() as session:
        for one in sorted(set(given.ids)):
            await service.remove_share(session, acting.caller, *await _case_of_share(session, one))
    return no_content()


@router.get("/case/{reference}/shares", response_model=list[OutputShare])
async def case_shares(reference: Reference, acting: Member) -> Response:
    """The other organisations that have the case. Of an observable's id: those that see it, for thehive4py asks so."""
    async with acting.read() as session:
        try:
            case = await find_case(session, reference)
        except NotFound:
            observable = await find_observable(session, reference)
            return answer(_others(acting, await service.shares_of_observable(session, observable)))
        return answer(_others(acting, await service.shares(session, case.id)))


@router.post("/case/{reference}/shares", status_code=201, response_model=list[OutputShare])
async def share_case(reference: Reference, given: InputShares, acting: MayShare) -> Response:
    """Shares the case with more organisations; those that have it keep it."""
    async with acting.begin() as session:
        case = await find_case(session, reference, for_update=True)
        shares = await service.share_case(session, acting.caller, case, drafts_of(given.shares))
        return answer([share_out(one) for one in shares], 201)


@router.put("/case/{reference}/shares", response_model=list[OutputShare])
async def set_shares(reference: Reference, given: InputShares, acting: MayShare) -> Response:
    """These organisations have the case, and no others beside its owner."""
    async with acting.begin() as session:
        case = await find_case(session, reference, for_update=True)
        return answer([share_out(one) for one in await service.set_shares(session, acting.caller, case, drafts_of(given.shares))])


@router.delete("/case/{reference}/shares", status_code=204)
async def unshare_case(reference: Reference, given: InputOrganisations, acting: MayShare) -> Response:
    async with acting.begin() as session:
        case = await find_case(session, reference, for_update=True)
        await service.unshare_case(session, acting.caller, case, given.organisations)
    return no_content()


@router.post("/case/{reference}/access", status_code=204)
async def manage_access(reference: Reference, given: InputSetAccess, acting: MayRestrict) -> Response:
    """Who sees the case, within the organisations that have it."""
    async with acting.begin() as session:
        case = await find_case(session, reference, for_update=True)
        await set_access(session, acting.caller, case, given.access.word, given.access.users or [])
    return no_content()


@router.post("/case/{reference}/owner", status_code=204)
async def change_owner(reference: Reference, given: InputOwner, acting: MayGive) -> Response:
    async with acting.begin() as session:
        await service.give_case(
            session, acting.caller, await find_case(session, reference, for_update=True), given.organisation,
            keep_profile=given.keep_profile, task_rule=given.task_rule, observable_rule=given.observable_rule,
        )  # fmt: skip
    return no_content()


@router.get("/task/{reference}/shares", response_model=list[OutputShare])
async def task_shares(reference: Id, acting: Member) -> Response:
    async with acting.read() as session:
        task = await find_task(session, reference)
        return answer(_others(acting, await service.shares_of_task(session, task)))


async def _share_task(reference: str, given: InputOrganisations, acting: Acting, *, shared: bool) -> Response:
    async with acting.begin() as session:
        task = await find_task(session, reference)
        await service.share_task(session, acting.caller, task, given.organisations, shared=shared)
    return no_content()


@router.post("/task/{reference}/shares", status_code=204)
async def share_task(reference: Id, given: InputOrganisations, acting: MayShare) -> Response:
    return await _share_task(reference, given, acting, shared=True)


@router.delete("/task/{reference}/shares", status_code=204)
async def unshare_task(reference: Id, given: InputOrganisations, acting: MayShare) -> Response:
    return await _share_task(reference, given, acting, shared=False)


@router.get("/observable/{reference}/shares", response_model=list[OutputShare])
async def observable_shares(reference: Id, acting: Member) -> Response:
    async with acting.read() as session:
        observable = await find_observable(session, reference)
        return answer(_others(acting, await service.shares_of_observable(session, observable)))


async def _share_observable(reference: str, given: InputOrganisations, acting: Acting, *, shared: bool) -> Response:
    async with acting.begin() as session:
        observable = await find_observable(session, reference)
        await service.share_observable(session, acting.caller, observable, given.organisations, shared=shared)
    return no_content()


@router.post("/observable/{reference}/shares", status_code=204)
async def share_observable(reference: Id, given: InputOrganisations, acting: MayShare) -> Response:
    return await _share_observable(reference, given, acting, shared=True)


@router.delete("/observable/{reference}/shares", status_code=204)
async def unshare_observable(reference: Id, given: InputOrganisations, acting: MayShare) -> Response:
    return await _share_observable(reference, given, acting, shared=False)


@router.get("/sharingProfile", response_model=list[OutputSharingProfile])
async def sharing_profiles(acting: Member) -> Response:
    """What a link between two organisations can share by itself."""
    return answer([sharing_profile_out(one) for one in SHARING_PROFILES.values()])
