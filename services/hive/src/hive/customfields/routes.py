"""The v1 routes of custom fields' definitions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlalchemy import select
from starlette.responses import Response

from hive.acting import IF_MATCH, Acting, Known, require
from hive.answers import answer, no_content
from hive.customfields import definitions
from hive.customfields.models import CustomField
from hive.customfields.schemas import InputCustomField, InputUpdateCustomField, OutputCustomField, field_out
from hive.edits import plain_columns
from hive.identity.permissions import Permission

router = APIRouter(prefix="/api/v1/customField", tags=["custom field"])
MayDefine = Annotated[Acting, require(Permission.CUSTOM_FIELD)]
Reference = Annotated[str, Path(description="id or name")]
COLUMNS = {"group": "field_group"}


@router.get("", response_model=list[OutputCustomField])
async def list_all(acting: Known) -> Response:
    async with acting.read() as session:
        rows = await session.scalars(select(CustomField).order_by(CustomField.id))
        return answer([field_out(row) for row in rows])


@router.get("/{reference}", response_model=OutputCustomField)
async def get(reference: Reference, acting: Known) -> Response:
    async with acting.read() as session:
        return answer(field_out(await definitions.find(session, reference)))


@router.post("", status_code=201, response_model=OutputCustomField)
async def create(given: InputCustomField, acting: MayDefine) -> Response:
    async with acting.begin() as session:
        row = await definitions.define(session, acting.caller, **given.model_dump())
    acting.hive.catalogues.forget()
    return answer(field_out(row), 201)


@router.patch("/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def update(reference: Reference, given: InputUpdateCustomField, acting: MayDefine) -> Response:
    """The type changes only while no object has a value of the field."""
    columns = plain_columns(given.given(), merged=frozenset(), clearable=frozenset())
    async with acting.begin() as session:
        row = await acting.matched(session, await definitions.find(session, reference, for_update=True), field_out)
        await definitions.redefine(session, acting.caller, row, {COLUMNS.get(n, n): v for n, v in columns.items()})
    acting.hive.catalogues.forget()
    return no_content()


@router.delete("/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def delete(
    reference: Reference, acting: MayDefine, force: Annotated[bool, Query(description="remove its values, too")] = False
) -> Response:
    async with acting.begin() as session:
        row = await acting.matched(session, await definitions.find(session, reference, for_update=True), field_out)
        await definitions.remove(session, acting.caller, row, force=force)
    acting.hive.catalogues.forget()
    return no_content()
