"""The v1 routes of a case's files."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from sqlalchemy import select
from starlette.responses import Response

from hive.acting import Acting, require
from hive.answers import answer, no_content
from hive.attachments import service as attachments
from hive.attachments.models import Attachment
from hive.attachments.schemas import OutputAttachments, attachment_out
from hive.audit.service import Root, record
from hive.cases import rights
from hive.cases.lookup import find
from hive.identity.permissions import Permission
from hive.observables.uploads import stored_parts
from hive.web_bodies import can_rename, files_schema
from waggle.web.fields import read_fields

router = APIRouter(prefix="/api/v1/case", tags=["case"])
Reference = Annotated[str, Path(description="id (~4096) or number")]
MayUpdate = Annotated[Acting, require(Permission.CASE_UPDATE)]


@router.post("/{reference}/attachments", status_code=201, response_model=OutputAttachments, openapi_extra=files_schema())
async def add(reference: Reference, request: Request, acting: MayUpdate) -> Response:
    async with read_fields(request) as fields:
        rename = can_rename(fields.values, default=True)
        files = await stored_parts(acting, fields.files.get("attachments", []))
    async with acting.begin() as session:
        case = await find(session, reference, for_update=True)
        await rights.check(session, acting.caller, case_id=case.id, org_id=case.org_id, permission=Permission.CASE_UPDATE)
        own = select(Attachment.name).where(Attachment.case_id == case.id, Attachment.log_id.is_(None))
        files = attachments.named(files, list(await session.scalars(own)), can_rename=rename)
        added = await attachments.add(session, acting.caller, files, org_id=case.org_id, case_id=case.id)
        details = {"attachments": [one.name for one in added]}
        root = Root("case", case.id)
        await record(session, acting.caller, action="update", kind="case", object_id=case.id, root=root, details=details)
        return answer({"attachments": [attachment_out(one) for one in added]}, 201)


@router.delete("/{reference}/attachment/{attachment}", status_code=204)
async def delete(reference: Reference, attachment: str, acting: MayUpdate) -> Response:
    async with acting.begin() as session:
        case = await find(session, reference)
        await rights.check(session, acting.caller, case_id=case.id, org_id=case.org_id, permission=Permission.CASE_UPDATE)
        file = await attachments.find(session, attachment, case_id=case.id)
        await attachments.remove(session, acting.caller, file, kind="case", object_id=case.id, root=Root("case", case.id))
    return no_content()
