"""The v1 routes of tasks and logs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from hive.acting import IF_MATCH, Acting, Member, require
from hive.answers import answer, no_content
from hive.edits import plain_columns
from hive.identity.permissions import Permission
from hive.observables.uploads import stored_parts
from hive.tasks import service
from hive.tasks.schemas import InputLog, InputUpdateLog, InputUpdateTask, OutputLog, OutputTask, log_out, task_out
from hive.web_bodies import files_schema, parse_model, upload_schema
from waggle.web.fields import read_fields

router = APIRouter(prefix="/api/v1", tags=["task"])
Reference = Annotated[str, Path(description="id (~4096)")]
MayTask = Annotated[Acting, require(Permission.TASK)]
CLEARABLE = frozenset({"description", "start_date", "end_date", "due_date", "assignee"})
COLUMNS = {"group": "task_group", "order": "ord"}


def columns_of(given: InputUpdateTask) -> dict[str, Any]:
    plain = plain_columns(given.given(), merged=frozenset(), clearable=CLEARABLE)
    return {COLUMNS.get(name, name): value for name, value in plain.items()}


@router.get("/task/{reference}", response_model=OutputTask)
async def get(reference: Reference, acting: Member) -> Response:
    async with acting.read() as session:
        return answer(task_out(await service.find(session, reference)))


@router.patch("/task/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def update(reference: Reference, given: InputUpdateTask, acting: MayTask) -> Response:
    columns = columns_of(given)
    async with acting.begin() as session:
        task = await acting.matched(session, await service.find(session, reference, for_update=True), task_out)
        await service.change(session, acting.caller, task, columns)
    return no_content()


@router.post("/task/{reference}/log", status_code=201, response_model=OutputLog, openapi_extra=upload_schema(InputLog))
async def create_log(reference: Reference, request: Request, acting: MayTask) -> Response:
    """A log, as JSON or as a form with part `_json` and files in the repeated part `attachments`."""
    async with read_fields(request, json_by_default=True) as fields:
        given = parse_model(InputLog, fields.values)
        parts = [one for name in ("attachments", "attachment") for one in fields.files.get(name, [])]
        files = await stored_parts(acting, parts) if parts else []
    async with acting.begin() as session:
        task = await service.find(session, reference, for_update=True)
        log, added = await service.add_log(
            session, acting.caller, task, message=given.message, date=given.start_date,
            include_in_timeline=given.include_in_timeline, files=files,
        )  # fmt: skip
        return answer(log_out(log, added), 201)


@router.patch("/log/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def update_log(reference: Reference, given: InputUpdateLog, acting: MayTask) -> Response:
    columns = plain_columns(given.given(), merged=frozenset(), clearable=frozenset({"include_in_timeline"}))
    async with acting.begin() as session:
        log = await acting.matched(session, await service.find_log(session, reference), lambda row: log_out(row, []))
        await service.change_log(session, acting.caller, log, columns)
    return no_content()


@router.post("/log/{reference}/attachments", status_code=204, openapi_extra=files_schema())
async def add_log_attachments(reference: Reference, request: Request, acting: MayTask) -> Response:
    async with read_fields(request) as fields:
        files = await stored_parts(acting, fields.files.get("attachments", []))
    async with acting.begin() as session:
        await service.attach(session, acting.caller, await service.find_log(session, reference), files)
    return no_content()
