"""The v1 routes of pages and page templates."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import Response

from hive.acting import IF_MATCH, Acting, require
from hive.answers import answer, no_content
from hive.cases.lookup import find as find_case
from hive.edits import plain_columns
from hive.identity.permissions import Permission
from hive.pages import service
from hive.pages.schemas import InputPage, InputUpdatePage, OutputPage, page_out
from hive.pages.service import PageDraft

router = APIRouter(prefix="/api/v1", tags=["page"])
Reference = Annotated[str, Path(description="id (~4096)")]
MayPage = Annotated[Acting, require(Permission.PAGE)]
MayTemplate = Annotated[Acting, require(Permission.PAGE_TEMPLATE)]


def page_draft(given: InputPage) -> PageDraft:
    return PageDraft(**given.model_dump())


def _columns(given: InputUpdatePage) -> dict[str, Any]:
    plain = plain_columns(given.given(), merged=frozenset(), clearable=frozenset())
    return {"ord" if name == "order" else name: value for name, value in plain.items()}


@router.post("/case/{reference}/page", status_code=201, response_model=OutputPage)
async def create(reference: str, given: InputPage, acting: MayPage) -> Response:
    async with acting.begin() as session:
        case = await find_case(session, reference)
        drafts = [page_draft(given)]
        (page,) = await service.add(session, acting.caller, case_id=case.id, org_id=case.org_id, drafts=drafts)
        return answer(page_out(page), 201)


@router.patch("/case/{reference}/page/{page}", status_code=204, openapi_extra=IF_MATCH)
async def update(reference: str, page: Reference, given: InputUpdatePage, acting: MayPage) -> Response:
    async with acting.begin() as session:
        case = await find_case(session, reference)
        row = await acting.matched(session, await service.find(session, page, case_id=case.id), page_out)
        await service.change(session, acting.caller, row, _columns(given))
    return no_content()


@router.delete("/case/{reference}/page/{page}", status_code=204, openapi_extra=IF_MATCH)
async def delete(reference: str, page: Reference, acting: MayPage) -> Response:
    async with acting.begin() as session:
        case = await find_case(session, reference)
        row = await acting.matched(session, await service.find(session, page, case_id=case.id), page_out)
        await service.remove(session, acting.caller, row)
    return no_content()


@router.post("/pageTemplate", status_code=201, response_model=OutputPage)
async def create_template(given: InputPage, acting: MayTemplate) -> Response:
    async with acting.begin() as session:
        return answer(page_out(await service.create_template(session, acting.caller, page_draft(given))), 201)


@router.patch("/pageTemplate/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def update_template(reference: Reference, given: InputUpdatePage, acting: MayTemplate) -> Response:
    async with acting.begin() as session:
        template = await acting.matched(session, await service.find_template(session, reference, for_update=True), page_out)
        await service.change_template(session, acting.caller, template, _columns(given))
    return no_content()


@router.delete("/pageTemplate/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def delete_template(reference: Reference, acting: MayTemplate) -> Response:
    async with acting.begin() as session:
        template = await acting.matched(session, await service.find_template(session, reference, for_update=True), page_out)
        await service.remove_template(session, acting.caller, template)
    return no_content()
