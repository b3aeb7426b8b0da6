"""Classic routes of alerts (contracts hive-v0 §2.1)."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from hive.acting import Acting, Member
from hive.alerts import promotion, service
from hive.alerts.lookup import find
from hive.alerts.models import Alert
from hive.alerts.receiving import receive
from hive.alerts.removal import remove
from hive.answers import answer, no_content
from hive.cases import service as cases
from hive.cases.edits import assignee_of
from hive.cases.lookup import find as find_case
from hive.cases.service import CaseChanges, assigned
from hive.catalogue import Catalogue
from hive.classic import observables as artifacts
from hive.classic import showing
from hive.classic.alert_bodies import changes_of, draft_of
from hive.classic.fields import named as fields_named
from hive.classic.marks import MayAlert, classic_body
from hive.classic.preparing import prepared
from hive.classic.reading import Body, reference
from hive.classic.search import searchable
from hive.classic.similar import add_similar
from hive.identity.permissions import Permission
from hive.observables import service as observables
from hive.observables.drafts import ObservableDraft
from hive.observables.models import Observable
from hive.observables.service import Parent
from hive.templates import service as templates
from waggle.errors import CreateError
from waggle.web.fields import read_fields


def routes(router: APIRouter) -> None:
    @router.post("/alert", status_code=201, openapi_extra=classic_body())
    async def create(request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.ALERT_CREATE)
        async with read_fields(request, json_by_default=True) as fields:
            draft = await draft_of(acting, Body(fields.values))
        (alert,) = await receive(acting, [draft])
        if alert is None:
            triple = ":".join(draft.triple)
            raise CreateError(f"Alert {triple} already exists in organisation {acting.caller.organisation}")
        acting.hive.wake()
        async with acting.read() as session:
            return await shown(session, acting, await find(session, f"~{alert.id}"), 201)

    searchable(router, "/alert", "alert", showing.alerts)

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
            return answer((await showing.cases(session, acting, [case]))[0])

    @router.post("/alert/delete/_bulk", status_code=204, openapi_extra=classic_body())
    async def delete_batch(request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.ALERT_DELETE)
        async with read_fields(request, json_by_default=True) as fields:
            ids = Body(fields.values).ids("ids")
        async with acting.begin() as session:
            for one in sorted(set(ids)):
                await remove(session, acting.caller, await find(session, one, for_update=True))
        return no_content()

    @router.patch("/alert/_bulk", openapi_extra=classic_body())
    async def update_batch(request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.ALERT_UPDATE)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        given = await edit_of(acting, body)
        async with acting.begin() as session:
            changed = []
            for one in sorted(set(body.ids("ids"))):
                alert = await find(session, one, for_update=True)
                await edited(session, acting, alert, body, given)
                changed.append(alert)
            return answer(await showing.alerts(session, acting, changed))

    @router.delete("/alert/{alert_id}", status_code=204)
    async def delete(alert_id: str, acting: MayAlert) -> Response:
        """With or without `force`."""
        acting.caller.check(Permission.ALERT_DELETE)
        async with acting.begin() as session:
            await remove(session, acting.caller, await find(session, reference(alert_id), for_update=True))
        return no_content()

    @router.get("/alert/{alert_id}")
    async def get(alert_id: str, acting: Member, similarity: str = "") -> Response:
        """With `similarity` the cases that share observables, and whether each observable was seen elsewhere."""
        async with acting.read() as session:
            alert = await find(session, reference(alert_id))
            (out,) = await showing.alerts(session, acting, [alert])
            if similarity.lower() in ("1", "true"):
                await add_similar(session, acting, alert, out)
            return answer(out)

    @router.patch("/alert/{alert_id}", openapi_extra=classic_body())
    async def update(alert_id: str, request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.ALERT_UPDATE)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        given = await edit_of(acting, body)
        async with acting.begin() as session:
            alert = await find(session, reference(alert_id), for_update=True)
            await edited(session, acting, alert, body, given)
            return await shown(session, acting, alert)

    async def marked(acting: Acting, alert_id: str, name: str) -> Response:
        acting.caller.check(Permission.ALERT_UPDATE)
        catalogue = await acting.hive.catalogues.current()
        async with acting.begin() as session:
            alert = await find(session, reference(alert_id), for_update=True)
            if name in ("markAsRead", "markAsUnread"):
                await service.mark_read(session, acting.caller, alert, read=name == "markAsRead", catalogue=catalogue)
            else:
                await service.follow(session, acting.caller, alert, follow=name == "follow")
            return await shown(session, acting, alert)

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
            if template is None and alert.case_template is None and acting.hive.settings.template_by_alert_type:
                by_type = await templates.lookup(session, alert.type)
                template = by_type.name if by_type is not None else None
            draft = promotion.case_draft(alert, catalogue)
            draft = assigned(draft, await assignee_of(session, acting.caller, None))
            case = await promotion.promote(session, acting.caller, alert, draft, catalogue, template=template, given=set())
            return answer((await showing.cases(session, acting, [case]))[0], 201)

    @router.post("/alert/{alert_id}/merge/{case_id}")
    async def merge(alert_id: str, case_id: str, acting: MayAlert) -> Response:
        acting.caller.check(Permission.ALERT_IMPORT)
        catalogue = await acting.hive.catalogues.current()
        async with acting.begin() as session:
            alert = await find(session, reference(alert_id), for_update=True)
            case = await find_case(session, reference(case_id), for_update=True)
            merged = await promotion.merge(session, acting.caller, alert, case, catalogue)
            return answer((await showing.cases(session, acting, [merged]))[0])


@dataclass(frozen=True, slots=True)
class Given:
    """What a PATCH brings beside plain fields: the catalogue it needs, and observables to add."""

    catalogue: Catalogue
    drafts: list[ObservableDraft]


async def edit_of(acting: Acting, body: Body) -> Given:
    listed = body.objects("artifacts")
    catalogue = await prepared(acting, types=artifacts.type_names(listed), fields=fields_named(body))
    return Given(catalogue, [draft for one in listed for draft in await artifacts.drafts_of(acting, one, catalogue)])


async def edited(session: AsyncSession, acting: Acting, alert: Alert, body: Body, given: Given) -> None:
    """A PATCH of an alert. New observables are added and none removed; of an imported alert they go into the case as well."""
    changes = changes_of(body, alert, given.catalogue)
    template = body.text("caseTemplate", limit=128)
    if template and await templates.lookup(session, template) is not None:
        changes.columns["case_template"] = template
    made: list[Observable] = []
    if given.drafts:
        made, _ = await observables.create(session, acting.caller, Parent("alert", alert.id, alert.org_id), given.drafts)
        await session.refresh(alert)
    await service.update(session, acting.caller, alert, changes, given.catalogue)
    read = body.flag("read")
    if read is None and alert.case_id is None and body.text("status") in ("Ignored", "New"):
        read = body.text("status") == "Ignored"
    if made and read is None:
        read = await _news_for_case(session, acting, alert, given)
    if read is not None:
        await service.mark_read(session, acting.caller, alert, read=read, catalogue=given.catalogue)


async def _news_for_case(session: AsyncSession, acting: Acting, alert: Alert, given: Given) -> bool | None:
    """New observables of a followed alert make it unread, as in TheHive 3; its case gains them and is open again."""
    if not alert.follow:
        return None
    if alert.case_id is not None:
        case = await find_case(session, f"~{alert.case_id}", for_update=True)
        await observables.create(session, acting.caller, Parent("case", case.id, case.org_id), given.drafts)
        if case.stage == "Closed":
            await cases.change(session, acting.caller, case, CaseChanges(status="InProgress"), given.catalogue)
    return False


async def shown(session: AsyncSession, acting: Acting, alert: Alert, status: int = 200) -> Response:
    (out,) = await showing.alerts(session, acting, [alert])
    return answer(out, status)
