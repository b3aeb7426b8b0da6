"""Classic routes of sharing, as TheHive 4 had them (contracts hive-v0 §2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from hive.acting import Member
from hive.answers import answer, no_content
from hive.cases.lookup import find as find_case
from hive.classic.marks import MayAlert, classic_body
from hive.classic.outputs import share_out
from hive.classic.reading import Body, one_of, reference
from hive.identity.permissions import Permission
from hive.sharing import service
from hive.sharing.profiles import DEFAULT_PROFILE
from hive.sharing.service import ShareDraft
from hive.tables import text_id
from waggle.errors import InvalidFields
from waggle.web.fields import read_fields

# `all` of TheHive 4 shared everything there was and what came later; `none` left it to the owner.
RULES = {"all": "autoShare", "none": "manual", "autoShare": "autoShare", "manual": "manual"}


def draft_of(given: Mapping[str, Any]) -> ShareDraft:
    body = Body(given)
    name = body.text("organisationName", limit=64) or body.text("organisation", limit=64)
    if not name:
        raise InvalidFields.missing("organisationName")
    rules = [one_of(body, first, tuple(RULES)) or one_of(body, second, tuple(RULES))
             for first, second in (("tasks", "taskRule"), ("observables", "observableRule"))]  # fmt: skip
    task_rule, observable_rule = (RULES[one] if one else None for one in rules)
    return ShareDraft(reference(name), body.text("profile", limit=64) or DEFAULT_PROFILE, task_rule, observable_rule)


def routes(router: APIRouter) -> None:
    @router.get("/case/{case_id}/shares")
    async def shares(case_id: str, acting: Member) -> Response:
        """The other organisations that have the case."""
        async with acting.read() as session:
            case = await find_case(session, reference(case_id))
            found = await service.shares(session, case.id)
        return answer([share_out(one) for one in found if one.org_id != acting.caller.org_id])

    @router.post("/case/{case_id}/shares", status_code=201, openapi_extra=classic_body())
    async def share(case_id: str, request: Request, acting: MayAlert) -> Response:
        """`{"shares": [{"organisationName", "profile", "tasks", "observables"}]}`, or one of them by itself."""
        acting.caller.check(Permission.SHARE)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        drafts = [draft_of(one) for one in (body.objects("shares") if body.has("shares") else [body.values])]
        async with acting.begin() as session:
            case = await find_case(session, reference(case_id), for_update=True)
            return answer([share_out(one) for one in await service.share_case(session, acting.caller, case, drafts)], 201)

    @router.delete("/case/{case_id}/shares", status_code=204, openapi_extra=classic_body())
    async def unshare(case_id: str, request: Request, acting: MayAlert) -> Response:
        """`{"organisations": [name]}`."""
        acting.caller.check(Permission.SHARE)
        async with read_fields(request, json_by_default=True) as fields:
            names = [reference(one) for one in Body(fields.values).ids("organisations")]
        async with acting.begin() as session:
            case = await find_case(session, reference(case_id), for_update=True)
            await service.unshare_case(session, acting.caller, case, names)
        return no_content()

    @router.patch("/case/share/{share_id}", openapi_extra=classic_body())
    async def change(share_id: str, request: Request, acting: MayAlert) -> Response:
        """Another profile: `{"profile": name}`."""
        acting.caller.check(Permission.SHARE)
        async with read_fields(request, json_by_default=True) as fields:
            profile = Body(fields.values).need("profile", limit=64)
        async with acting.begin() as session:
            found = await service.find_share(session, reference(share_id))
            case = await find_case(session, text_id(found.case_id), for_update=True)
            draft = ShareDraft(found.organisation, reference(profile), found.task_rule, found.observable_rule)
            await service.share_case(session, acting.caller, case, [draft])
            session.expunge(found)
            return answer(share_out(await service.find_share(session, text_id(found.id))))

    @router.delete("/case/share/{share_id}", status_code=204)
    async def remove(share_id: str, acting: MayAlert) -> Response:
        acting.caller.check(Permission.SHARE)
        async with acting.begin() as session:
            found = await service.find_share(session, reference(share_id))
            case = await find_case(session, text_id(found.case_id), for_update=True)
            await service.remove_share(session, acting.caller, case, found)
        return no_content()
