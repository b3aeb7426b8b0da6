"""Classic routes of alerts (contracts hive-v0 §2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from hive.acting import Acting, Member
from hive.alerts import promotion, service
from hive.alerts.intake import AlertDraft, take_in
from hive.alerts.lookup import find
from hive.alerts.models import Alert
from hive.alerts.service import AlertChanges
from hive.answers import answer
from hive.cases.edits import assignee_of
from hive.cases.lookup import find as find_case
from hive.cases.service import assigned
from hive.classic import observables as artifacts
from hive.classic.fields import values_of
from hive.classic.marks import MayAlert, classic_body
from hive.classic.outputs import alert_out, case_out, observable_out
from hive.classic.reading import Body, reference
from hive.classic.search import search
from hive.identity.permissions import Permission
from hive.observables import service as observables
from hive.observables.models import Observable
from hive.observables.routes import refusal
from hive.observables.service import Parent
from hive.observables.uploads import stored_parts
from hive.templates import service as templates
from waggle.errors import CreateError, InvalidFields
from waggle.ids import now_ms
from waggle.web.fields import read_fields


async def shown(session: AsyncSession, alerts: Sequence[Alert]) -> list[dict[str, Any]]:
    """Alerts with their observables."""
    found: dict[int, list[Observable]] = {}
    ids = [alert.id for alert in alerts]
    for one in await session.scalars(select(Observable).where(Observable.alert_id.in_(ids)).order_by(Observable.id)):
        assert one.alert_id is not None
        found.setdefault(one.alert_id, []).append(one)
    return [alert_out(alert, found.get(alert.id, [])) for alert in alerts]


async def draft_of(acting: Acting, body: Body) -> AlertDraft:
    """A classic alert. Unknown keys, statuses and templates are ignored; observables without a value are left out."""
    given = body.objects("artifacts")
    fields = body.mapping("customFields")
    catalogue = await acting.hive.catalogues.current(types=artifacts.type_names(given), fields=set(fields or {}))
    kind, source = body.need("type", limit=32), body.need("source", limit=32)
    source_ref, title = body.need("sourceRef", limit=128), body.need("title", limit=512)
    tlp, unknown = body.tlp()
    drafts = [draft for one in given for draft in await artifacts.drafts_of(acting, one, catalogue)]
    return AlertDraft(
        type=kind, source=source, source_ref=source_ref, title=title, description=body.need("description"),
        date=body.date("date") or now_ms(), severity=body.severity() or 2, tlp=tlp or "AMBER", pap=body.pap() or "AMBER",
        tags=[*(body.texts("tags") or []), *(["tlp:unknown"] if unknown else [])], flag=body.flag("flag") or False,
        external_link=body.text("externalLink", limit=4096), case_template=body.text("caseTemplate", limit=128) or None,
        fields=values_of(fields, catalogue), observables=drafts,
    )  # fmt: skip


def changes_of(body: Body, alert: Alert, catalogue: Any) -> AlertChanges:
    columns: dict[str, Any] = {}
    for name, column, limit in (
        ("type", "type", 32), ("source", "source", 32), ("sourceRef", "source_ref", 128), ("title", "title", 512),
        ("description", "description", 1_048_576),
    ):  # fmt: skip
        if (text := body.text(name, limit=limit)) is not None:
            columns[column] = text
    for name, column in (("summary", "summary"), ("externalLink", "external_link")):
        if body.has(name):
            columns[column] = body.text(name)
    pairs = (
        ("severity", "severity", body.severity()), ("date", "date", body.date("date")), ("pap", "pap", body.pap()),
        ("lastSyncDate", "last_sync_date", body.date("lastSyncDate")), ("tags", "tags", body.texts("tags")),
        ("flag", "flag", body.flag("flag")), ("follow", "follow", body.flag("follow")),
    )  # fmt: skip
    columns |= {column: value for name, column, value in pairs if body.has(name) and value is not None}
    tlp, _ = body.tlp()
    if tlp is not None and not (tlp == "RED" and alert.tlp == "AMBER+STRICT"):
        columns["tlp"] = tlp
    fields = body.mapping("customFields")
    return AlertChanges(
        columns=columns, fields=values_of(fields, catalogue) if fields is not None else None, fields_mode="replace"
    )


def routes(router: APIRouter) -> None:
    @router.post("/alert", status_code=201, openapi_extra=classic_body())
    async def create(request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.ALERT_CREATE)
        async with read_fields(request, json_by_default=True) as fields:
            draft = await draft_of(acting, Body(fields.values))
        (alert,) = await take_in(acting.hive.database, acting.caller, [draft])
        if alert is None:
            triple = ":".join(draft.triple)
            raise CreateError(f"Alert {triple} already exists in organisation {acting.caller.organisation}")
        acting.hive.wake()
        async with acting.read() as session:
            return answer((await shown(session, [await find(session, f"~{alert.id}")]))[0], 201)

    @router.get("/alert")
    @router.post("/alert/_search", openapi_extra=classic_body())
    async def find_all(request: Request, acting: Member) -> Response:
        catalogue = await acting.hive.catalogues.current()
        async with read_fields(request, json_by_default=True) as fields, acting.read() as session:
            rows, total = await search(session, acting.caller, "alert", request, fields, catalogue)
            return answer(await shown(session, rows), total=total)

    @router.post("/alert/merge/_bulk", openapi_extra=classic_body())
    async def merge_batch(request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.ALERT_IMPORT)
        catalogue = await acting.hive.catalogues.current()
        async with read_fields(request, json_by_default=True) as fields, acting.begin() as session:
            body = Body(fields.values)
            case = await find_case(session, body.need("caseId", limit=64), for_update=True)
            for one in sorted(set(body.ids("alertIds"))):
                alert = await find(session, one, for_update=True)
                case = await promotion.merge(session, acting.caller, alert, case, catalogue)
            return answer(case_out(case, acting.caller))

    @router.get("/alert/{alert_id}")
    async def get(alert_id: str, acting: Member) -> Response:
        async with acting.read() as session:
            return answer((await shown(session, [await find(session, reference(alert_id))]))[0])

    @router.patch("/alert/{alert_id}", openapi_extra=classic_body())
    async def update(alert_id: str, request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.ALERT_UPDATE)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        given = body.objects("artifacts")
        names = set(body.mapping("customFields") or {})
        catalogue = await acting.hive.catalogues.current(types=artifacts.type_names(given), fields=names)
        drafts = [draft for one in given for draft in await artifacts.drafts_of(acting, one, catalogue)]
        async with acting.begin() as session:
            alert = await find(session, reference(alert_id), for_update=True)
            changes = changes_of(body, alert, catalogue)
            template = body.text("caseTemplate", limit=128)
            if template and await templates.lookup(session, template) is not None:
                changes.columns["case_template"] = template
            if drafts:
                await observables.create(session, acting.caller, Parent("alert", alert.id, alert.org_id), drafts)
                await session.refresh(alert)
            await service.update(session, acting.caller, alert, changes, catalogue)
            read = body.flag("read")
            if read is None and alert.case_id is None and body.text("status") in ("Ignored", "New"):
                read = body.text("status") == "Ignored"
            if read is not None:
                await service.mark_read(session, acting.caller, alert, read=read, catalogue=catalogue)
            return answer((await shown(session, [alert]))[0])

    async def marked(acting: Acting, alert_id: str, name: str) -> Response:
        acting.caller.check(Permission.ALERT_UPDATE)
        catalogue = await acting.hive.catalogues.current()
        async with acting.begin() as session:
            alert = await find(session, reference(alert_id), for_update=True)
            if name in ("markAsRead", "markAsUnread"):
                await service.mark_read(session, acting.caller, alert, read=name == "markAsRead", catalogue=catalogue)
            else:
                await service.follow(session, acting.caller, alert, follow=name == "follow")
            return answer((await shown(session, [alert]))[0])

    @router.post("/alert/{alert_id}/markAsRead")
    async def mark_read(alert_id: str, acting: MayAlert) -> Response:
        return await marked(acting, alert_id, "markAsRead")

    @router.post("/alert/{alert_id}/markAsUnread")
    async def mark_unread(alert_id: str, acting: MayAlert) -> Response:
        return await marked(acting, alert_id, "markAsUnread")

    @router.post("/alert/{alert_id}/follow")
    async def follow(alert_id: str, acting: MayAlert) -> Response:
        return await marked(acting, alert_id, "follow")

    @router.post("/alert/{alert_id}/unfollow")
    async def unfollow(alert_id: str, acting: MayAlert) -> Response:
        return await marked(acting, alert_id, "unfollow")

    @router.post("/alert/{alert_id}/createCase", status_code=201, openapi_extra=classic_body())
    async def promote(alert_id: str, request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.ALERT_IMPORT)
        catalogue = await acting.hive.catalogues.current()
        async with read_fields(request, json_by_default=True) as fields, acting.begin() as session:
            template = Body(fields.values).text("caseTemplate", limit=128) or None
            alert = await find(session, reference(alert_id), for_update=True)
            draft = promotion.case_draft(alert, catalogue)
            draft = assigned(draft, await assignee_of(session, acting.caller, None))
            case = await promotion.promote(session, acting.caller, alert, draft, catalogue, template=template, given=set())
            return answer(case_out(case, acting.caller), 201)

    @router.post("/alert/{alert_id}/merge/{case_id}")
    async def merge(alert_id: str, case_id: str, acting: MayAlert) -> Response:
        acting.caller.check(Permission.ALERT_IMPORT)
        catalogue = await acting.hive.catalogues.current()
        async with acting.begin() as session:
            alert = await find(session, reference(alert_id), for_update=True)
            case = await find_case(session, reference(case_id), for_update=True)
            merged = await promotion.merge(session, acting.caller, alert, case, catalogue)
            return answer(case_out(merged, acting.caller))

    @router.post("/alert/{alert_id}/artifact", status_code=201, openapi_extra=classic_body())
    async def add_artifact(alert_id: str, request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.OBSERVABLE)
        return await add(acting, request, "alert", reference(alert_id))


async def add(acting: Acting, request: Request, kind: str, parent_id: str) -> Response:
    """Observables into an alert or case: 201 with a list, 207 where some were there already."""
    async with read_fields(request, json_by_default=True) as fields:
        parts = fields.files.get("attachment", [])
        files = await stored_parts(acting, parts) if parts else []
        catalogue = await acting.hive.catalogues.current(types=artifacts.type_names([fields.values]))
        drafts = await artifacts.drafts_of(acting, fields.values, catalogue, files=files)
    if not drafts:
        raise InvalidFields.missing("data")
    async with acting.begin() as session:
        if kind == "alert":
            alert = await find(session, parent_id)
            parent = Parent("alert", alert.id, alert.org_id)
        else:
            case = await find_case(session, parent_id)
            parent = Parent("case", case.id, case.org_id)
        made, refused = await observables.create(session, acting.caller, parent, drafts)
    out = [observable_out(one) for one in made]
    if refused:
        return answer({"success": out, "failure": [refusal(one) for one in refused]}, 207)
    return answer(out, 201)
