"""Exporting a case to a MISP server: the v1 and the classic route, and the records of what came of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body
from starlette.responses import Response

from hive.acting import Acting, Member, require
from hive.answers import answer, no_content
from hive.cases.lookup import find
from hive.identity.permissions import Permission
from hive.misp import service
from hive.misp.exports import InputExport, OutputExport, awaited, classic_answer, exports_of

MayExport = Annotated[Acting, require(Permission.SHARE)]
Given = Annotated[InputExport | None, Body()]

router = APIRouter(prefix="/api/v1/connector/misp", tags=["misp"])
classic = APIRouter(prefix="/api/connector/misp", tags=["classic"])


async def _request(acting: Acting, case: str, instance: str, given: InputExport | None) -> int:
    async with acting.begin() as session:
        found = await find(session, case)
        publish = given.publish if given else None
        return await service.request_export(acting.hive, session, acting.caller, found, instance, publish=publish)


@router.post("/export/{case}/{instance}", status_code=204)
async def export(case: str, instance: str, acting: MayExport, given: Given = None) -> Response:
    """Makes or updates the event of a case, in the background; `GET …/export/{case}` tells what came of it."""
    await _request(acting, case, instance, given)
    return no_content()


@router.get("/export/{case}", response_model=list[OutputExport])
async def exports(case: str, acting: Member) -> Response:
    """Where the case was exported to, with the result of every observable and what was held back."""
    async with acting.read() as session:
        found = await find(session, case)
        return answer(await exports_of(session, found.id))


@classic.post("/export/{case}/{instance}", status_code=201, response_model=list[dict[str, Any]])
async def export_classic(case: str, instance: str, acting: MayExport, given: Given = None) -> Response:
    """Waits for the result: 201 with what was exported, 207 with `success` and `failure`; 204 at once with `v0_strict4`."""
    record_id = await _request(acting, case, instance, given)
    if acting.hive.settings.v0_strict4:
        return no_content()
    row = await awaited(acting, record_id, seconds=acting.hive.settings.v0_export_wait)
    async with acting.read() as session:
        value, status = await classic_answer(session, row)
    return answer(value, status)
