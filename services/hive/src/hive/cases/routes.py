"""The v1 routes of cases."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from hive.acting import IF_MATCH, Acting, Member, require
from hive.answers import answer, no_content
from hive.cases import removal, service
from hive.cases.edits import case_changes, drafted, task_draft
from hive.cases.lookup import find
from hive.cases.schemas import InputCase, InputUpdateCase, OutputCase, case_out
from hive.cases.service import CaseDraft
from hive.customfields.values import names_in
from hive.identity.permissions import Permission
from hive.tasks.schemas import InputTask, OutputTask, task_out
from hive.tasks.service import add_tasks
from hive.templates import service as templates

router = APIRouter(prefix="/api/v1/case", tags=["case"])
Reference = Annotated[str, Path(description="id (~4096) or number")]
MayCreate = Annotated[Acting, require(Permission.CASE_CREATE)]
MayUpdate = Annotated[Acting, require(Permission.CASE_UPDATE)]
MayDelete = Annotated[Acting, require(Permission.CASE_DELETE)]
MayTask = Annotated[Acting, require(Permission.TASK)]


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


@router.delete("/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def delete(reference: Reference, acting: MayDelete) -> Response:
    async with acting.begin() as session:
        case = await find(session, reference, for_update=True)
        await acting.matched(session, case, lambda row: case_out(row, acting.caller))
        await removal.remove(session, acting.caller, case)
    return no_content()


@router.patch("/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def update(reference: Reference, given: InputUpdateCase, acting: MayUpdate) -> Response:
    catalogue = await acting.hive.catalogues.current(fields=names_in(given.custom_fields))
    changes = case_changes(given, catalogue)
    async with acting.begin() as session:
        case = await find(session, reference, for_update=True)
        await acting.matched(session, case, lambda row: case_out(row, acting.caller))
        await service.change(session, acting.caller, case, changes, catalogue)
    return no_content()


@router.post("/{reference}/task", status_code=201, response_model=OutputTask)
async def create_task(reference: Reference, given: InputTask, acting: MayTask) -> Response:
    async with acting.begin() as session:
        case = await find(session, reference)
        (task,) = await add_tasks(session, acting.caller, case, [task_draft(given)])
        return answer(task_out(task), 201)
