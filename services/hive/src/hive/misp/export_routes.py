"""Exporting a case to a MISP server, and the records of what came of it (v1)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.responses import Response

from hive.acting import Acting, Member, require
from hive.answers import answer, no_content
from hive.cases.lookup import find
from hive.identity.permissions import Permission
from hive.misp import service
from hive.misp.exports import InputExport, OutputExport, exports_of

MayExport = Annotated[Acting, require(Permission.SHARE)]
Given = Annotated[InputExport | None, Body()]

router = APIRouter(prefix="/api/v1/connector/misp", tags=["misp"])


async def requested(acting: Acting, case: str, instance: str, given: InputExport | None) -> int:
    """Asks the connector; the id of the record."""
    async with acting.begin() as session:
        found = await find(session, case)
        publish = given.publish if given else None
        return await service.request_export(acting.hive, session, acting.caller, found, instance, publish=publish)


@router.post("/export/{case}/{instance}", status_code=204)
async def export(case: str, instance: str, acting: MayExport, given: Given = None) -> Response:
    """Makes or updates the event of a case, in the background; `GET …/export/{case}` tells what came of it."""
    await requested(acting, case, instance, given)
    return no_content()


@router.get("/export/{case}", response_model=list[OutputExport])
async def exports(case: str, acting: Member) -> Response:
    """Where the case was exported to, with the result of every observable and what was held back."""
    async with acting.read() as session:
        found = await find(session, case)
        return answer(await exports_of(session, found.id))
