"""The v1 routes of comments."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from hive.acting import IF_MATCH, Acting, require
from hive.answers import answer, no_content
from hive.comments import service
from hive.comments.schemas import InputComment, InputUpdateComment, OutputComment, comment_out
from hive.identity.permissions import Permission
from hive.parents import alert_parent, case_parent

router = APIRouter(prefix="/api/v1", tags=["comment"])
Reference = Annotated[str, Path(description="id (~4096)")]
MayComment = Annotated[Acting, require(Permission.COMMENT)]


@router.post("/alert/{reference}/comment", status_code=201, response_model=OutputComment)
async def create_in_alert(reference: str, given: InputComment, acting: MayComment) -> Response:
    async with acting.begin() as session:
        parent = await alert_parent(session, reference)
        made = await service.create(session, acting.caller, parent, message=given.message, external=given.external)
        return answer(comment_out(made), 201)


@router.post("/case/{reference}/comment", status_code=201, response_model=OutputComment)
async def create_in_case(reference: str, given: InputComment, acting: MayComment) -> Response:
    async with acting.begin() as session:
        parent = await case_parent(session, reference)
        made = await service.create(session, acting.caller, parent, message=given.message, external=given.external)
        return answer(comment_out(made), 201)


@router.patch("/comment/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def update(reference: Reference, given: InputUpdateComment, acting: MayComment) -> Response:
    async with acting.begin() as session:
        comment = await acting.matched(session, await service.find(session, reference, for_update=True), comment_out)
        await service.change(session, acting.caller, comment, message=given.message)
    return no_content()


@router.delete("/comment/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def delete(reference: Reference, acting: MayComment) -> Response:
    async with acting.begin() as session:
        row = await acting.matched(session, await service.find(session, reference, for_update=True), comment_out)
        await service.remove(session, acting.caller, row)
    return no_content()
