"""The v1 routes of custom fields' definitions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from sqlalchemy import select
from starlette.responses import Response

from hive.acting import Acting, Known, require
from hive.answers import answer
from hive.audit.service import Root, record
from hive.customfields.models import CustomField
from hive.customfields.schemas import InputCustomField, OutputCustomField, field_out
from hive.identity.permissions import Permission
from waggle.errors import CreateError
from waggle.ids import now_ms

router = APIRouter(prefix="/api/v1/customField", tags=["custom field"])
MayDefine = Annotated[Acting, require(Permission.CUSTOM_FIELD)]


@router.get("", response_model=list[OutputCustomField])
async def list_all(acting: Known) -> Response:
    async with acting.read() as session:
        rows = await session.scalars(select(CustomField).order_by(CustomField.id))
        return answer([field_out(row) for row in rows])


@router.post("", status_code=201, response_model=OutputCustomField)
async def create(given: InputCustomField, acting: MayDefine) -> Response:
    async with acting.begin() as session:
        if await session.scalar(select(CustomField.id).where(CustomField.name == given.name)):
            raise CreateError(f"CustomField {given.name} already exist")
        row = CustomField(
            name=given.name, display_name=given.display_name or given.name, field_group=given.group,
            description=given.description, type=given.type, options=list(given.options), mandatory=given.mandatory,
            created_at=now_ms(), created_by=acting.caller.login,
        )  # fmt: skip
        session.add(row)
        await session.flush()
        root = Root("organisation", acting.caller.org_id)
        details = {"name": row.name, "type": row.type}
        await record(session, acting.caller, action="create", kind="customField", object_id=row.id, root=root, details=details)
    acting.hive.catalogues.forget()
    return answer(field_out(row), 201)
