"""The v1 routes of alerts."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from sqlalchemy import select
from starlette.responses import Response
from typing_extensions import TypedDict

from hive.acting import IF_MATCH, Acting, Member, require
from hive.alerts import promotion, service
from hive.alerts.drafts import draft_of, names_used
from hive.alerts.edits import alert_changes, promotion_draft
from hive.alerts.intake import AlertDraft
from hive.alerts.lookup import find
from hive.alerts.receiving import receive
from hive.alerts.schemas import InputAlert, InputAlerts, InputMerges, InputUpdateAlert, OutputAlert, alert_out
from hive.answers import answer, no_content
from hive.attachments import service as attachments
from hive.attachments.models import Attachment
from hive.attachments.schemas import OutputAttachments, attachment_out
from hive.audit.service import Root, record
from hive.cases.lookup import find as find_case
from hive.cases.schemas import InputPromoteAlert, OutputCase, case_out
from hive.customfields.values import names_in
from hive.identity.people import assignable
from hive.identity.permissions import Permission
from hive.observables.uploads import stored_files, stored_parts
from hive.procedures.service import ProcedureDraft, settled
from hive.web_bodies import can_rename, files_schema, parse_model, upload_schema
from waggle.errors import WaggleError
from waggle.web.fields import read_fields

router = APIRouter(prefix="/api/v1/alert", tags=["alert"])
Reference = Annotated[str, Path(description="id (~4096) or type;source;sourceRef")]
MayCreate = Annotated[Acting, require(Permission.ALERT_CREATE)]
MayUpdate = Annotated[Acting, require(Permission.ALERT_UPDATE)]
MayImport = Annotated[Acting, require(Permission.ALERT_IMPORT)]


class BatchFailure(TypedDict):
    position: int
    type: str
    message: str


class BatchAnswer(TypedDict):
    success: list[OutputAlert]
    failure: list[BatchFailure]


async def prepared(acting: Acting, given: InputAlert, files: Any) -> AlertDraft:
    """The checked draft of one alert. Raises for unknown types, fields, statuses and people."""
    types, fields = names_used([given])
    catalogue = await acting.hive.catalogues.current(types=types, fields=fields)
    assignee = None
    if given.assignee:
        async with acting.read() as session:
            assignee = await assignable(session, org_id=acting.caller.org_id, login=given.assignee)
    draft = draft_of(given, catalogue, files=files, assignee=assignee)
    if given.procedures:
        async with acting.read() as session:
            wanted = [ProcedureDraft(**one.model_dump()) for one in given.procedures]
            draft = replace(draft, procedures=await settled(session, wanted))
    return draft


def created_out(alert: Any) -> OutputAlert:
    """As `alert_out`, but without the mark of change that the following GET shows (hive-v1 §5.1)."""
    shown = alert_out(alert)
    shown.pop("_updatedAt", None)
    shown.pop("_updatedBy", None)
    return shown


@router.post("", status_code=201, response_model=OutputAlert, openapi_extra=upload_schema(InputAlert))
async def create(request: Request, acting: MayCreate) -> Response:
    """A new alert, as JSON or as a form whose part `_json` is that JSON and whose other parts are files of its observables."""
    async with read_fields(request, json_by_default=True) as fields:
        given = parse_model(InputAlert, fields.values)
        files = await stored_files(acting, fields.files, given.observables)
        draft = await prepared(acting, given, files)
    (alert,) = await receive(acting, [draft])
    if alert is None:
        raise service.duplicate(*draft.triple, acting.caller.organisation)
    return answer(created_out(alert), 201)


@router.post("/_bulk", status_code=201, response_model=BatchAnswer)
async def create_batch(given: InputAlerts, acting: MayCreate) -> Response:
    """Up to 1,000 alerts, each answered for itself: 201 when all were made, else 207."""
    drafts: list[tuple[int, AlertDraft]] = []
    failure: list[BatchFailure] = []
    for position, one in enumerate(given.alerts):
        try:
            drafts.append((position, await prepared(acting, one, {})))
        except WaggleError as error:
            failure.append({"position": position, "type": error.type, "message": error.message})
    made = await receive(acting, [draft for _, draft in drafts])
    success: list[OutputAlert] = []
    for (position, draft), alert in zip(drafts, made, strict=True):
        if alert is None:
            twin = service.duplicate(*draft.triple, acting.caller.organisation)
            failure.append({"position": position, "type": twin.type, "message": twin.message})
        else:
            success.append(created_out(alert))
    body: BatchAnswer = {"success": success, "failure": sorted(failure, key=lambda f: f["position"])}
    return answer(body, 207 if failure else 201)


@router.post("/merge/_bulk", response_model=OutputCase)
async def merge_batch(given: InputMerges, acting: MayImport) -> Response:
    """Merges several alerts into a case: all of them or none."""
    catalogue = await acting.hive.catalogues.current()
    async with acting.begin() as session:
        case = await find_case(session, given.case_id, for_update=True)
        alerts = [await find(session, one, for_update=True) for one in sorted(set(given.alert_ids))]
        for alert in alerts:
            case = await promotion.merge(session, acting.caller, alert, case, catalogue)
        return answer(case_out(case, acting.caller))


@router.get("/{reference}", response_model=OutputAlert)
async def get(reference: Reference, acting: Member) -> Response:
    async with acting.read() as session:
        return answer(alert_out(await find(session, reference)))


@router.patch("/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def update(reference: Reference, given: InputUpdateAlert, acting: MayUpdate) -> Response:
    catalogue = await acting.hive.catalogues.current(fields=names_in(given.custom_fields))
    changes = alert_changes(given, catalogue)
    async with acting.begin() as session:
        alert = await acting.matched(session, await find(session, reference, for_update=True), alert_out)
        await service.update(session, acting.caller, alert, changes, catalogue)
    return no_content()


@router.post("/{reference}/follow", status_code=204)
async def follow(reference: Reference, acting: MayUpdate) -> Response:
    """Later updates by the feeder may change the alert again."""
    async with acting.begin() as session:
        await service.follow(session, acting.caller, await find(session, reference, for_update=True), follow=True)
    return no_content()


@router.post("/{reference}/unfollow", status_code=204)
async def unfollow(reference: Reference, acting: MayUpdate) -> Response:
    """Freezes the alert: later updates by its feeder are not applied."""
    async with acting.begin() as session:
        await service.follow(session, acting.caller, await find(session, reference, for_update=True), follow=False)
    return no_content()


async def _mark(reference: str, acting: Acting, *, read: bool) -> Response:
    catalogue = await acting.hive.catalogues.current()
    async with acting.begin() as session:
        alert = await find(session, reference, for_update=True)
        await service.mark_read(session, acting.caller, alert, read=read, catalogue=catalogue)
    return no_content()


@router.post("/{reference}/read", status_code=204)
async def mark_read(reference: Reference, acting: MayUpdate) -> Response:
    """Without a case the alert becomes Ignored; with one only the mark changes."""
    return await _mark(reference, acting, read=True)


@router.post("/{reference}/unread", status_code=204)
async def mark_unread(reference: Reference, acting: MayUpdate) -> Response:
    return await _mark(reference, acting, read=False)


@router.post("/{reference}/case", status_code=201, response_model=OutputCase)
async def promote(reference: Reference, acting: MayImport, given: InputPromoteAlert | None = None) -> Response:
    """A new case from the alert; fields in the body override the alert's. Again: the same case."""
    given = given or InputPromoteAlert()
    catalogue = await acting.hive.catalogues.current(fields=names_in(given.custom_fields))
    async with acting.begin() as session:
        alert = await find(session, reference, for_update=True)
        draft = await promotion_draft(session, acting.caller, alert, given, catalogue)
        case = await promotion.promote(
            session, acting.caller, alert, draft, catalogue, template=given.case_template or None,
            given={name for name, value in given.given().items() if value is not None},
        )  # fmt: skip
        return answer(case_out(case, acting.caller), 201)


@router.post("/{reference}/merge/{case}", response_model=OutputCase)
async def merge(reference: Reference, case: str, acting: MayImport) -> Response:
    catalogue = await acting.hive.catalogues.current()
    async with acting.begin() as session:
        alert = await find(session, reference, for_update=True)
        target = await find_case(session, case, for_update=True)
        merged = await promotion.merge(session, acting.caller, alert, target, catalogue)
        return answer(case_out(merged, acting.caller))


@router.post("/{reference}/import/{case}", response_model=OutputCase)
async def import_into(reference: Reference, case: str, acting: MayImport) -> Response:
    """As merge, but only the observables (and files) are copied."""
    async with acting.begin() as session:
        alert = await find(session, reference, for_update=True)
        target = await find_case(session, case, for_update=True)
        imported = await promotion.bring_observables(session, acting.caller, alert, target)
        return answer(case_out(imported, acting.caller))


@router.post("/{reference}/attachments", status_code=201, response_model=OutputAttachments, openapi_extra=files_schema())
async def add_attachments(reference: Reference, request: Request, acting: MayUpdate) -> Response:
    async with read_fields(request) as fields:
        rename = can_rename(fields.values, default=False)
        files = await stored_parts(acting, fields.files.get("attachments", []))
    async with acting.begin() as session:
        alert = await find(session, reference, for_update=True)
        own = select(Attachment.name).where(Attachment.alert_id == alert.id)
        files = attachments.named(files, list(await session.scalars(own)), can_rename=rename)
        added = await attachments.add(session, acting.caller, files, org_id=alert.org_id, alert_id=alert.id)
        names = {"attachments": [one.name for one in added]}
        root = Root("alert", alert.id)
        await record(session, acting.caller, action="update", kind="alert", object_id=alert.id, root=root, details=names)
        return answer({"attachments": [attachment_out(one) for one in added]}, 201)
