"""The v1 routes of case templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from hive.acting import IF_MATCH, Acting, Member, require
from hive.answers import answer, no_content
from hive.catalogue import Catalogue
from hive.customfields.values import InputFields, names_in, parsed
from hive.edits import plain_columns
from hive.identity.permissions import Permission
from hive.markings import pap_of, tlp_of, unique
from hive.pages import service as pages
from hive.pages.models import PageTemplate
from hive.pages.service import PageDraft
from hive.tasks.schemas import InputTask
from hive.templates import service
from hive.templates.models import CaseTemplate
from hive.templates.schemas import (
    InputNewCaseTemplate,
    InputPageTemplateIds,
    InputUpdateCaseTemplate,
    OutputCaseTemplate,
    template_out,
)

router = APIRouter(prefix="/api/v1/caseTemplate", tags=["case template"])
Reference = Annotated[str, Path(description="id or name")]
MayTemplate = Annotated[Acting, require(Permission.CASE_TEMPLATE)]
MERGED = frozenset({"tasks", "custom_fields", "page_template_ids"})
CLEARABLE = frozenset({"title_prefix", "description", "severity", "tlp", "pap", "summary"})


def stored_task(given: InputTask) -> dict[str, Any]:
    """A task as the template keeps it: only what was said."""
    return {name: value for name, value in given.model_dump().items() if value is not None}


def stored_fields(given: InputFields | None, catalogue: Catalogue) -> list[dict[str, Any]]:
    return [
        {"name": v.definition.name, "type": v.definition.type, "value": v.value, "order": v.order}
        for v in parsed(given, catalogue)
    ]


async def _pages(session: AsyncSession, ids: Sequence[str]) -> list[PageTemplate]:
    return [await pages.find_template(session, one) for one in dict.fromkeys(ids)]


@router.post("", status_code=201, response_model=OutputCaseTemplate)
async def create(given: InputNewCaseTemplate, acting: MayTemplate) -> Response:
    catalogue = await acting.hive.catalogues.current(fields=names_in(given.custom_fields))
    template = CaseTemplate(
        name=given.name, display_name=given.display_name or given.name, title_prefix=given.title_prefix,
        description=given.description, severity=given.severity, flag=given.flag, summary=given.summary,
        tlp=tlp_of(given.tlp) if given.tlp is not None else None, pap=pap_of(given.pap) if given.pap is not None else None,
        tags=unique(given.tags), tasks=[stored_task(one) for one in given.tasks],
        custom_fields=stored_fields(given.custom_fields, catalogue),
    )  # fmt: skip
    async with acting.begin() as session:
        made = await service.create(session, acting.caller, template)
        brought = await _pages(session, given.page_template_ids)
        for one in given.page_templates:
            brought.append(await pages.create_template(session, acting.caller, PageDraft(**one.model_dump())))
        if brought:
            await service.link_pages(session, acting.caller, made, brought)
        return answer(template_out(made), 201)


@router.get("/{reference}", response_model=OutputCaseTemplate)
async def get(reference: Reference, acting: Member) -> Response:
    async with acting.read() as session:
        return answer(template_out(await service.find(session, reference)))


@router.patch("/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def update(reference: Reference, given: InputUpdateCaseTemplate, acting: MayTemplate) -> Response:
    catalogue = await acting.hive.catalogues.current(fields=names_in(given.custom_fields))
    columns = plain_columns(given.given(), merged=MERGED, clearable=CLEARABLE)
    if given.tasks is not None:
        columns["tasks"] = [stored_task(one) for one in given.tasks]
    if given.custom_fields is not None:
        columns["custom_fields"] = stored_fields(given.custom_fields, catalogue)
    async with acting.begin() as session:
        template = await acting.matched(session, await service.find(session, reference, for_update=True), template_out)
        await service.change(session, acting.caller, template, columns)
        if given.page_template_ids is not None:
            await service.link_pages(session, acting.caller, template, await _pages(session, given.page_template_ids))
    return no_content()


@router.delete("/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def delete(reference: Reference, acting: MayTemplate) -> Response:
    async with acting.begin() as session:
        row = await acting.matched(session, await service.find(session, reference, for_update=True), template_out)
        await service.remove(session, acting.caller, row)
    return no_content()


@router.put("/{reference}/pageTemplate/link", status_code=204)
async def link_pages(reference: Reference, given: InputPageTemplateIds, acting: MayTemplate) -> Response:
    """The template brings these pages and no others."""
    async with acting.begin() as session:
        template = await service.find(session, reference, for_update=True)
        await service.link_pages(session, acting.caller, template, await _pages(session, given.page_template_ids))
    return no_content()
