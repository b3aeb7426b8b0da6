"""The v1 routes of observable types (contracts hive-v1 §2.7)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from hive.acting import IF_MATCH, Acting, Known, require
from hive.answers import answer, no_content
from hive.identity.permissions import Permission
from hive.observabletypes import service
from hive.observabletypes.schemas import InputObservableType, InputUpdateObservableType, OutputObservableType, type_out

router = APIRouter(prefix="/api/v1/observable/type", tags=["observable type"])
MayDefine = Annotated[Acting, require(Permission.OBSERVABLE_TEMPLATE)]
Reference = Annotated[str, Path(description="id or name")]


@router.post("", status_code=201, response_model=OutputObservableType)
async def create(given: InputObservableType, acting: MayDefine) -> Response:
    async with acting.begin() as session:
        row = await service.create(session, acting.caller, **given.model_dump())
    acting.hive.catalogues.forget()
    return answer(type_out(row), 201)


@router.get("/{reference}", response_model=OutputObservableType)
async def get(reference: Reference, acting: Known) -> Response:
    async with acting.read() as session:
        return answer(type_out(await service.find(session, reference)))


@router.patch("/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def update(reference: Reference, given: InputUpdateObservableType, acting: MayDefine) -> Response:
    """While no observable is of the type."""
    async with acting.begin() as session:
        row = await acting.matched(session, await service.find(session, reference, for_update=True), type_out)
        await service.change(session, acting.caller, row, is_case_sensitive=given.is_case_sensitive)
    acting.hive.catalogues.forget()
    return no_content()


@router.delete("/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def delete(reference: Reference, acting: MayDefine) -> Response:
    async with acting.begin() as session:
        row = await acting.matched(session, await service.find(session, reference, for_update=True), type_out)
        await service.remove(session, acting.caller, row)
    acting.hive.catalogues.forget()
    return no_content()
