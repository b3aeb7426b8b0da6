"""The v1 routes of cases."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query
from sqlalchemy import select
from starlette.responses import Response

from hive.acting import Acting, Member, require
from hive.alerts.service import check_version
from hive.answers import DOWNLOAD_HEADERS, answer, disposition, no_content, wanted_version
from hive.cases import service
from hive.cases.edits import case_changes, drafted, task_draft
from hive.cases.lookup import find
from hive.cases.schemas import InputCase, InputUpdateCase, OutputCase, case_out
from hive.cases.service import CaseDraft
from hive.customfields.values import names_in
from hive.identity.permissions import Permission
from hive.observables.export import MEDIA_TYPES, Format, exported
from hive.observables.models import Observable
from hive.tasks.schemas import InputTask, OutputTask, task_out
from hive.tasks.service import add_tasks
from hive.templates import service as templates

router = APIRouter(prefix="/api/v1/case", tags=["case"])
Reference = Annotated[str, Path(description="id (~4096) or number")]
MayCreate = Annotated[Acting, require(Permission.CASE_CREATE)]
MayUpdate = Annotated[Acting, require(Permission.CASE_UPDATE)]
MayTask = Annotated[Acting, require(Permission.TASK)]
IfMatch = Annotated[str | None, Header(description="the version the change is based on; another one answers 412")]


@router.post("", status_code=201, response_model=OutputCase)
async def create(given: InputCase, acting: MayCreate) -> Response:
    catalogue = await acting.hive.catalogues.current(fields=names_in(given.custom_fields))
    async with acting.begin() as session:
        base = CaseDraft(title=given.title, description=given.description)
        draft = await drafted(session, acting.caller, base, given, catalogue)
        if given.case_template:
            template = await templates.find(session, given.case_template)
            sent = {name for name, value in given.given().items() if value is not None}
            draft = templates.applied(draft, template, catalogue, given=sent, unite_tags=False)
        case = await service.create(session, acting.caller, draft, catalogue)
        return answer(case_out(case, acting.caller), 201)


@router.get("/{reference}", response_model=OutputCase)
async def get(reference: Reference, acting: Member) -> Response:
    async with acting.read() as session:
        return answer(case_out(await find(session, reference), acting.caller))


@router.patch("/{reference}", status_code=204)
async def update(reference: Reference, given: InputUpdateCase, acting: MayUpdate, if_match: IfMatch = None) -> Response:
    catalogue = await acting.hive.catalogues.current(fields=names_in(given.custom_fields))
    changes = case_changes(given, catalogue)
    async with acting.begin() as session:
        case = await find(session, reference, for_update=True)
        check_version(case.version, wanted_version(if_match), case_out(case, acting.caller))
        await service.change(session, acting.caller, case, changes, catalogue)
    return no_content()


@router.post("/{reference}/task", status_code=201, response_model=OutputTask)
async def create_task(reference: Reference, given: InputTask, acting: MayTask) -> Response:
    async with acting.begin() as session:
        case = await find(session, reference)
        (task,) = await add_tasks(session, acting.caller, case, [task_draft(given)])
        return answer(task_out(task), 201)


Protect = Annotated[bool, Query(description="defanged: nothing opens by accident")]
OnlyIocs = Annotated[bool, Query(description="only confirmed indicators")]


@router.get(
    "/{reference}/observable/_export",
    responses={200: {"content": {"text/csv": {}, "text/plain": {}}, "description": "one line per observable"}},
)
async def export_observables(
    reference: Reference, acting: Member, format: Format = "csv", protect: Protect = True, ioc: OnlyIocs = False
) -> Response:
    """The case's observables as text; `ioc=true` leaves out what is not a confirmed indicator."""
    return await export_answer(acting, reference, format, protected=protect, only_iocs=ioc)


async def export_answer(acting: Acting, reference: str, format: Format, *, protected: bool, only_iocs: bool) -> Response:
    """The download behind the export routes of both APIs."""
    async with acting.read() as session:
        case = await find(session, reference)
        statement = select(Observable).where(Observable.case_id == case.id).order_by(Observable.id)
        rows = list(await session.scalars(statement.where(Observable.ioc) if only_iocs else statement))
    name = disposition(f"case-{case.number}-observables.{'csv' if format == 'csv' else 'txt'}")
    headers = {**DOWNLOAD_HEADERS, "Content-Disposition": name}
    body = exported(rows, format, protect=protected)
    return Response(body, media_type=f"{MEDIA_TYPES[format]}; charset=utf-8", headers=headers)
