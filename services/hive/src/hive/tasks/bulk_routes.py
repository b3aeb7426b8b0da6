"""The v1 routes that change several tasks at once, remove tasks and logs, or ask organisations for their action."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from hive.acting import IF_MATCH, Acting, Member, require
from hive.answers import answer, no_content
from hive.attachments import service as attachments
from hive.audit.service import Root
from hive.cases import rights
from hive.identity.permissions import Permission
from hive.tasks import removal, requests, service
from hive.tasks.routes import columns_of
from hive.tasks.schemas import InputBulkUpdateTask, log_out, task_out

router = APIRouter(prefix="/api/v1", tags=["task"])
Reference = Annotated[str, Path(description="id (~4096)")]
Organisation = Annotated[str, Path(description="id or name of an organisation")]
MayTask = Annotated[Acting, require(Permission.TASK)]


@router.patch("/task/_bulk", status_code=204)
async def update_many(given: InputBulkUpdateTask, acting: MayTask) -> Response:
    """The same change to every task named; an unknown one, and none changes."""
    columns = columns_of(given)
    async with acting.begin() as session:
        for task in [await service.find(session, one, for_update=True) for one in sorted(set(given.ids))]:
            await service.change(session, acting.caller, task, columns)
    return no_content()


@router.delete("/task/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def delete(reference: Reference, acting: MayTask) -> Response:
    async with acting.begin() as session:
        task = await acting.matched(session, await service.find(session, reference, for_update=True), task_out)
        await removal.remove_task(session, acting.caller, task)
    return no_content()


@router.get("/task/{reference}/actionRequired", response_model=dict[str, bool])
async def required_actions(reference: Reference, acting: Member) -> Response:
    """By organisation: whether its action is waited for."""
    async with acting.read() as session:
        return answer(await requests.required_actions(session, await service.find(session, reference)))


@router.put("/task/{reference}/actionRequired/{organisation}", status_code=204)
async def set_required(reference: Reference, organisation: Organisation, acting: MayTask) -> Response:
    async with acting.begin() as session:
        task = await service.find(session, reference)
        await requests.set_required(session, acting.caller, task, organisation, required=True)
    return no_content()


@router.put("/task/{reference}/actionDone/{organisation}", status_code=204)
async def set_done(reference: Reference, organisation: Organisation, acting: MayTask) -> Response:
    async with acting.begin() as session:
        task = await service.find(session, reference)
        await requests.set_required(session, acting.caller, task, organisation, required=False)
    return no_content()


@router.delete("/log/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def delete_log(reference: Reference, acting: MayTask) -> Response:
    async with acting.begin() as session:
        log = await acting.matched(session, await service.find_log(session, reference), lambda row: log_out(row, []))
        await removal.remove_log(session, acting.caller, log)
    return no_content()


@router.delete("/log/{reference}/attachments/{attachment}", status_code=204)
async def delete_log_attachment(reference: Reference, attachment: str, acting: MayTask) -> Response:
    async with acting.begin() as session:
        log = await service.find_log(session, reference)
        await rights.check(session, acting.caller, case_id=log.case_id, org_id=log.org_id, permission=Permission.TASK)
        file = await attachments.find(session, attachment, log_id=log.id)
        root = Root("case", log.case_id)
        await attachments.remove(session, acting.caller, file, kind="log", object_id=log.id, root=root)
    return no_content()
