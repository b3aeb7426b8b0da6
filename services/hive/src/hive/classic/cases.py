"""Classic routes of cases (contracts hive-v0 §2.2)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from hive.acting import Acting, Member
from hive.answers import answer, no_content
from hive.cases import merging, service
from hive.cases.edits import assignee_of
from hive.cases.lookup import find
from hive.cases.models import Case
from hive.cases.removal import remove
from hive.cases.service import CaseChanges, CaseDraft
from hive.catalogue import Catalogue
from hive.classic import fields, showing
from hive.classic.marks import MayAlert, classic_body
from hive.classic.preparing import prepared
from hive.classic.reading import Body, one_of, reference
from hive.classic.search import Wanted, searchable
from hive.classic.similar import linked_cases
from hive.classic.tasks import task_of
from hive.identity.permissions import Permission
from hive.templates import service as templates
from waggle.errors import BadRequest
from waggle.web.fields import read_fields

RESOLUTIONS = ("Indeterminate", "FalsePositive", "TruePositive", "Other", "Duplicated")
IMPACTS = ("NoImpact", "WithImpact", "NotApplicable")


async def created(acting: Acting, body: Body) -> dict[str, Any]:
    tlp, unknown = body.tlp()
    title, description = body.need("title", limit=512), body.need("description")
    named = fields.named(body)
    catalogue = await prepared(acting, fields=named)
    draft = CaseDraft(
        title=title, description=description, severity=body.severity() or 2,
        tlp=tlp or "AMBER", pap=body.pap() or "AMBER", start_date=body.date("startDate"),
        tags=[*(body.texts("tags") or []), *(["tlp:unknown"] if unknown else [])], flag=body.flag("flag") or False,
        summary=body.text("summary"), fields=fields.values_of(named, catalogue),
        tasks=[task_of(Body(t)) for t in body.objects("tasks")],
    )  # fmt: skip
    given = {
        name
        for name in ("title", "description", "severity", "tlp", "pap", "flag", "summary")
        if body.values.get(name) is not None
    }
    template = body.text("template", limit=128) or body.text("caseTemplate", limit=128)
    async with acting.begin() as session:
        draft = service.assigned(draft, await owner_of(session, acting, body))
        if template:
            found = await templates.find(session, template)
            draft = templates.applied(draft, found, catalogue, given=given, unite_tags=True)
        case = await service.create(session, acting.caller, draft, catalogue)
        (shown,) = await showing.cases(session, acting, [case])
        return shown


async def owner_of(session: AsyncSession, acting: Acting, body: Body) -> int | None:
    """The assignee: `owner` as in TheHive 3, else `user`; somebody who does not work here (thehivebackup) becomes the caller."""
    strict = acting.hive.settings.v0_strict4
    owner = None if strict else body.text("owner", limit=128)
    owner = owner or body.text("user", limit=128)
    try:
        return await assignee_of(session, acting.caller, owner)
    except BadRequest:
        return await assignee_of(session, acting.caller, None)


def changes_of(body: Body, case: Case, catalogue: Catalogue) -> tuple[CaseChanges, str | None]:
    """The changes, and the resolution that a bare `Resolved` leaves open."""
    columns: dict[str, Any] = {}
    for name, limit in (("title", 512), ("description", 1_048_576)):
        if (text := body.text(name, limit=limit)) is not None:
            columns[name] = text
    if body.has("summary"):
        columns["summary"] = body.text("summary")
    pairs = (
        ("severity", "severity", body.severity()), ("startDate", "start_date", body.date("startDate")),
        ("endDate", "end_date", body.date("endDate")), ("pap", "pap", body.pap()), ("tags", "tags", body.texts("tags")),
        ("flag", "flag", body.flag("flag")), ("impactStatus", "impact_status", one_of(body, "impactStatus", IMPACTS)),
    )  # fmt: skip
    columns |= {column: value for name, column, value in pairs if body.has(name) and value is not None}
    tlp, _ = body.tlp()
    if tlp is not None and not (tlp == "RED" and case.tlp == "AMBER+STRICT"):
        columns["tlp"] = tlp
    owner = body.text("owner", limit=128)
    status, resolution = _status(body, case)
    changes = CaseChanges(
        columns=columns, status=status, assignee=owner or None, clear_assignee=body.has("owner") and not owner,
        fields=fields.changed(body, case.custom_fields, catalogue), fields_mode="replace",
    )  # fmt: skip
    return changes, resolution


def _status(body: Body, case: Case) -> tuple[str | None, str | None]:
    """v1's status for the classic pair (domain model §1.4)."""
    status = one_of(body, "status", ("Open", "Resolved", "Duplicated", "Deleted"))
    wanted = body.text("resolutionStatus")
    resolution = "Duplicated" if wanted == "Duplicate" else one_of(body, "resolutionStatus", RESOLUTIONS)
    if status == "Open":
        return ("InProgress" if case.stage == "Closed" or case.in_progress_date else None), None
    if status == "Duplicated":
        return "Duplicated", "Duplicated"
    if status == "Resolved" or (resolution and case.stage == "Closed"):
        return resolution or "Other", resolution
    return None, None


def routes(router: APIRouter) -> None:
    @router.post("/case", status_code=201, openapi_extra=classic_body())
    async def create(request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.CASE_CREATE)
        async with read_fields(request, json_by_default=True) as given:
            return answer(await created(acting, Body(given.values)), 201)

    searchable(router, "/case", "case", showing.cases)

    @router.patch("/case/_bulk", openapi_extra=classic_body())
    async def update_batch(request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.CASE_UPDATE)
        async with read_fields(request, json_by_default=True) as given:
            body = Body(given.values)
        catalogue = await prepared(acting, fields=fields.named(body))
        async with acting.begin() as session:
            changed = []
            for one in sorted(set(body.ids("ids"))):
                case = await find(session, one, for_update=True)
                await edited(session, acting, case, body, catalogue)
                changed.append(case)
            return answer(await showing.cases(session, acting, changed))

    @router.get("/case/{case_id}")
    async def get(case_id: str, acting: Member, nstats: bool = False) -> Response:
        async with acting.read() as session:
            case = await find(session, reference(case_id), shells=True)
            return answer((await showing.cases(session, acting, [case], Wanted(stats=nstats)))[0])

    @router.patch("/case/{case_id}", openapi_extra=classic_body())
    async def update(case_id: str, request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.CASE_UPDATE)
        async with read_fields(request, json_by_default=True) as given:
            body = Body(given.values)
        catalogue = await prepared(acting, fields=fields.named(body))
        async with acting.begin() as session:
            case = await find(session, reference(case_id), for_update=True)
            await edited(session, acting, case, body, catalogue)
            return answer((await showing.cases(session, acting, [case]))[0])

    @router.delete("/case/{case_id}", status_code=204)
    @router.delete("/case/{case_id}/force", status_code=204)
    async def delete(case_id: str, acting: MayAlert) -> Response:
        """Gone from every list and read; what it was stays in the history."""
        acting.caller.check(Permission.CASE_DELETE)
        async with acting.begin() as session:
            await remove(session, acting.caller, await find(session, reference(case_id), for_update=True))
        return no_content()

    @router.post("/case/{first}/_merge/{second}", status_code=201)
    async def merge(first: str, second: str, acting: MayAlert) -> Response:
        """A new case with everything of both; the two stay, resolved as duplicates, and say where they went."""
        acting.caller.check(Permission.CASE_UPDATE)
        catalogue = await acting.hive.catalogues.current()
        async with acting.begin() as session:
            found = {one: await find(session, one, for_update=True) for one in sorted({reference(first), reference(second)})}
            merged = await merging.merge(
                session, acting.caller, [found[one] for one in dict.fromkeys((first, second))], catalogue
            )
            return answer((await showing.cases(session, acting, [merged]))[0], 201)

    @router.get("/case/{case_id}/links")
    async def links(case_id: str, acting: Member) -> Response:
        async with acting.read() as session:
            return answer(await linked_cases(session, acting, await find(session, reference(case_id))))


async def edited(session: AsyncSession, acting: Acting, case: Case, body: Body, catalogue: Catalogue) -> None:
    changes, resolution = changes_of(body, case, catalogue)
    if changes.status == "Other":
        case.resolution = resolution
    await service.change(session, acting.caller, case, changes, catalogue)
