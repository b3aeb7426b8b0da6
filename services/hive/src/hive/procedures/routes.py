"""The v1 routes of procedures and of the catalogue of techniques."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from hive.acting import IF_MATCH, Acting, Member, require
from hive.answers import answer, no_content
from hive.cases.lookup import find as find_case
from hive.edits import plain_columns
from hive.identity.permissions import Permission
from hive.parents import Parent, alert_parent, case_parent
from hive.procedures import service
from hive.procedures.schemas import (
    InputIds,
    InputProcedure,
    InputProcedures,
    InputUpdateProcedure,
    OutputPattern,
    OutputProcedure,
    pattern_out,
    procedure_out,
)
from hive.procedures.service import ProcedureDraft

router = APIRouter(prefix="/api/v1", tags=["procedure"])
Reference = Annotated[str, Path(description="id (~4096)")]
MayProceed = Annotated[Acting, require(Permission.PROCEDURE)]


def procedure_draft(given: InputProcedure) -> ProcedureDraft:
    return ProcedureDraft(**given.model_dump())


async def _added(session: AsyncSession, acting: Acting, parent: Parent, given: Sequence[InputProcedure]) -> list[OutputProcedure]:
    drafts = [procedure_draft(one) for one in given]
    return [procedure_out(one) for one in await service.add(session, acting.caller, parent, drafts)]


@router.post("/alert/{reference}/procedure", status_code=201, response_model=OutputProcedure)
async def create_in_alert(reference: str, given: InputProcedure, acting: MayProceed) -> Response:
    async with acting.begin() as session:
        return answer((await _added(session, acting, await alert_parent(session, reference), [given]))[0], 201)


@router.post("/case/{reference}/procedure", status_code=201, response_model=OutputProcedure)
async def create_in_case(reference: str, given: InputProcedure, acting: MayProceed) -> Response:
    async with acting.begin() as session:
        return answer((await _added(session, acting, await case_parent(session, reference), [given]))[0], 201)


@router.post("/alert/{reference}/procedures", status_code=201, response_model=list[OutputProcedure])
async def create_many_in_alert(reference: str, given: InputProcedures, acting: MayProceed) -> Response:
    """All of them or none."""
    async with acting.begin() as session:
        return answer(await _added(session, acting, await alert_parent(session, reference), given.procedures), 201)


@router.post("/case/{reference}/procedures", status_code=201, response_model=list[OutputProcedure])
async def create_many_in_case(reference: str, given: InputProcedures, acting: MayProceed) -> Response:
    """All of them or none."""
    async with acting.begin() as session:
        return answer(await _added(session, acting, await case_parent(session, reference), given.procedures), 201)


@router.post("/procedure/delete/_bulk", status_code=204)
async def delete_many(given: InputIds, acting: MayProceed) -> Response:
    """All of them or none."""
    async with acting.begin() as session:
        for one in [await service.find(session, reference, for_update=True) for reference in sorted(set(given.ids))]:
            await service.remove(session, acting.caller, one)
    return no_content()


@router.patch("/procedure/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def update(reference: Reference, given: InputUpdateProcedure, acting: MayProceed) -> Response:
    columns = plain_columns(given.given(), merged=frozenset(), clearable=frozenset({"description"}))
    async with acting.begin() as session:
        row = await acting.matched(session, await service.find(session, reference, for_update=True), procedure_out)
        await service.change(session, acting.caller, row, columns)
    return no_content()


@router.delete("/procedure/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def delete(reference: Reference, acting: MayProceed) -> Response:
    async with acting.begin() as session:
        row = await acting.matched(session, await service.find(session, reference, for_update=True), procedure_out)
        await service.remove(session, acting.caller, row)
    return no_content()


@router.get("/pattern/case/{reference}", response_model=list[OutputPattern])
async def of_case(reference: str, acting: Member) -> Response:
    """The techniques recorded in a case."""
    async with acting.read() as session:
        case = await find_case(session, reference)
        return answer([pattern_out(one) for one in await service.patterns_of_case(session, case.id)])


@router.get("/pattern/{reference}", response_model=OutputPattern)
async def get_pattern(reference: Annotated[str, Path(description="id or T1059.006")], acting: Member) -> Response:
    async with acting.read() as session:
        return answer(pattern_out(await service.find_pattern(session, reference)))
