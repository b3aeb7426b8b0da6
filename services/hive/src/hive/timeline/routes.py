"""The v1 routes of the timeline."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from hive.acting import IF_MATCH, Acting, Member, require
from hive.answers import answer, no_content
from hive.cases.lookup import find as find_case
from hive.edits import plain_columns
from hive.identity.permissions import Permission
from hive.timeline import service
from hive.timeline.schemas import InputCustomEvent, InputUpdateCustomEvent, OutputCustomEvent, OutputTimeline, event_out

router = APIRouter(prefix="/api/v1", tags=["timeline"])
Reference = Annotated[str, Path(description="id (~4096)")]
MayEvent = Annotated[Acting, require(Permission.CUSTOM_EVENT)]


@router.get("/case/{reference}/timeline", response_model=OutputTimeline)
async def get(reference: str, acting: Member) -> Response:
    async with acting.read() as session:
        return answer({"events": await service.timeline(session, await find_case(session, reference))})


@router.post("/case/{reference}/customEvent", status_code=201, response_model=OutputCustomEvent)
async def create(reference: str, given: InputCustomEvent, acting: MayEvent) -> Response:
    async with acting.begin() as session:
        event = await service.create(
            session, acting.caller, await find_case(session, reference), date=given.date, title=given.title,
            end_date=given.end_date, description=given.description,
        )  # fmt: skip
        return answer(event_out(event), 201)


@router.patch("/customEvent/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def update(reference: Reference, given: InputUpdateCustomEvent, acting: MayEvent) -> Response:
    columns = plain_columns(given.given(), merged=frozenset(), clearable=frozenset({"end_date", "description"}))
    async with acting.begin() as session:
        row = await acting.matched(session, await service.find(session, reference), event_out)
        await service.change(session, acting.caller, row, columns)
    return no_content()


@router.delete("/customEvent/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def delete(reference: Reference, acting: MayEvent) -> Response:
    async with acting.begin() as session:
        row = await acting.matched(session, await service.find(session, reference), event_out)
        await service.remove(session, acting.caller, row)
    return no_content()
