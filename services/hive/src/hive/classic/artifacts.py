"""Classic routes of observables in cases and alerts (contracts hive-v0 §2.1, §2.5)."""

from __future__ import annotations

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from hive.acting import Acting, Member
from hive.alerts.lookup import find as find_alert
from hive.answers import answer, no_content
from hive.attachments.unzipped import unzipped
from hive.cases.lookup import find as find_case
from hive.catalogue import Catalogue
from hive.classic import observables as artifacts
from hive.classic import showing
from hive.classic.marks import MayAlert, classic_body
from hive.classic.outputs import observable_out
from hive.classic.preparing import prepared, spelled
from hive.classic.reading import Body, reference
from hive.classic.search import Wanted, below, listed, searchable
from hive.classic.similar import similar_artifacts
from hive.configuration import service as configuration
from hive.identity.permissions import Permission
from hive.observables import service as observables
from hive.observables.drafts import ObservableDraft
from hive.observables.exchange_routes import export_answer
from hive.observables.export import Format, Selection
from hive.observables.models import Observable
from hive.observables.service import Parent
from hive.observables.uploads import stored_parts
from waggle.archives import PASSWORD
from waggle.errors import InvalidFields
from waggle.web.fields import read_fields

REPLY = "v0_observable_reply"


def routes(router: APIRouter) -> None:
    searchable(router, "/case/artifact", "case_artifact", showing.observables)

    @router.patch("/alert/artifact/_bulk", status_code=204, openapi_extra=classic_body())
    @router.patch("/case/artifact/_bulk", status_code=204, openapi_extra=classic_body())
    async def update_batch(request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.OBSERVABLE)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        catalogue = await _retyping(acting, body)
        async with acting.begin() as session:
            for one in sorted(set(body.ids("ids"))):
                await _edited(session, acting, one, body, catalogue)
        return no_content()

    @router.get("/alert/artifact/{artifact_id}")
    @router.get("/case/artifact/{artifact_id}")
    async def get_artifact(artifact_id: str, acting: Member, nstats: bool = False) -> Response:
        async with acting.read() as session:
            found = await observables.find(session, reference(artifact_id))
            return answer((await showing.observables(session, acting, [found], Wanted(stats=nstats)))[0])

    @router.patch("/alert/artifact/{artifact_id}", openapi_extra=classic_body())
    @router.patch("/case/artifact/{artifact_id}", openapi_extra=classic_body())
    async def update_artifact(artifact_id: str, request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.OBSERVABLE)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        catalogue = await _retyping(acting, body)
        async with acting.begin() as session:
            return answer(observable_out(await _edited(session, acting, reference(artifact_id), body, catalogue)))

    @router.delete("/alert/artifact/{artifact_id}", status_code=204)
    @router.delete("/case/artifact/{artifact_id}", status_code=204)
    async def delete_artifact(artifact_id: str, acting: MayAlert) -> Response:
        acting.caller.check(Permission.OBSERVABLE)
        async with acting.begin() as session:
            row = await observables.find(session, reference(artifact_id), for_update=True)
            await observables.remove(session, acting.caller, row, gone=observable_out(row))
        return no_content()

    @router.get("/case/artifact/{artifact_id}/similar")
    async def similar(artifact_id: str, acting: Member) -> Response:
        async with acting.read() as session:
            found = await observables.find(session, reference(artifact_id))
            return answer(await similar_artifacts(session, acting, found))

    @router.get("/case/{case_id}/artifact/_export")
    async def export(case_id: str, acting: Member, format: Format = "csv", protect: bool = True) -> Response:
        """Our extension of the classic API; TheHive has it in its pages only."""
        return await export_answer(acting, "case", reference(case_id), format, protected=protect, chosen=Selection())

    @router.post("/case/{case_id}/artifact/_search", openapi_extra=classic_body())
    async def artifacts_of(case_id: str, request: Request, acting: Member) -> Response:
        async with acting.read() as session:
            case = await find_case(session, reference(case_id))
        async with read_fields(request, json_by_default=True) as fields:
            narrowing = below("case_id", case.id)
            return await listed(acting, "case_artifact", request, fields, showing.observables, narrowing=narrowing)

    @router.post("/case/{case_id}/artifact", status_code=201, openapi_extra=classic_body())
    async def add_to_case(case_id: str, request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.OBSERVABLE)
        return await _add(acting, request, "case", reference(case_id))

    @router.post("/alert/{alert_id}/artifact", status_code=201, openapi_extra=classic_body())
    async def add_to_alert(alert_id: str, request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.OBSERVABLE)
        return await _add(acting, request, "alert", reference(alert_id))


async def _retyping(acting: Acting, body: Body) -> Catalogue:
    name = body.text("dataType", limit=64)
    return await prepared(acting, types=[name] if name else [])


async def _edited(session: AsyncSession, acting: Acting, artifact_id: str, body: Body, catalogue: Catalogue) -> Observable:
    row = await observables.find(session, artifact_id, for_update=True)
    changes = artifacts.changes_of(body, row)
    if "data_type" in changes:
        changes["data_type"] = spelled(changes["data_type"])
    await observables.change(session, acting.caller, row, changes, catalogue)
    return row


async def _parent(session: AsyncSession, kind: str, parent_id: str) -> Parent:
    if kind == "alert":
        alert = await find_alert(session, parent_id)
        return Parent("alert", alert.id, alert.org_id)
    case = await find_case(session, parent_id)
    return Parent("case", case.id, case.org_id)


async def _add(acting: Acting, request: Request, kind: str, parent_id: str) -> Response:
    """Observables into an alert or case: 201 with a list, or with the one object where 3.x answered so and that is wished for;
    207 where some were there already."""
    async with acting.read() as session:
        await _parent(session, kind, parent_id)
    async with read_fields(request, json_by_default=True) as fields:
        given = Body(fields.values)
        parts = fields.files.get("attachment", [])
        files = await stored_parts(acting, parts) if parts else []
        if given.flag("isZip"):
            password = given.text("zipPassword", limit=512) or PASSWORD
            files = [one for archive in files for one in await unzipped(acting.hive, archive, password=password, top_only=True)]
        given.need("dataType", limit=64)
        catalogue = await prepared(acting, types=artifacts.type_names([fields.values]))
        drafts = await artifacts.drafts_of(acting, fields.values, catalogue, files=files)
    if not drafts:
        raise InvalidFields.missing("data")
    async with acting.begin() as session:
        parent = await _parent(session, kind, parent_id)
        made, refused = await observables.create(session, acting.caller, parent, drafts)
        out = [observable_out(one) for one in made]
        if refused:
            return answer({"success": out, "failure": [_refusal(one) for one in refused]}, 207)
        single = kind == "case" and len(out) == 1 and not isinstance(given.values.get("data"), list) and not files
        if single:
            wish = await configuration.chosen(session, acting.caller, REPLY) or acting.hive.settings.v0_observable_reply
            if wish == "object-if-single":
                return answer(out[0], 201)
    return answer(out, 201)


def _refusal(draft: ObservableDraft) -> dict[str, object]:
    shown: dict[str, object] = {"data": draft.data}
    if draft.file is not None:
        shown = {"data": f"file:{draft.file.name}", "attachment": {"name": draft.file.name}}
    return {"type": "CreateError", "message": "Observable already exists", "object": shown}
