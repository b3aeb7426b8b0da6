"""The v1 routes of case templates."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import Response

from hive.acting import Acting, Member, require
from hive.answers import answer
from hive.customfields.values import names_in, parsed
from hive.identity.permissions import Permission
from hive.markings import pap_of, tlp_of, unique
from hive.tasks.schemas import InputTask
from hive.templates import service
from hive.templates.models import CaseTemplate
from hive.templates.schemas import InputCaseTemplate, OutputCaseTemplate, template_out

router = APIRouter(prefix="/api/v1/caseTemplate", tags=["case template"])
MayTemplate = Annotated[Acting, require(Permission.CASE_TEMPLATE)]


def stored_task(given: InputTask) -> dict[str, Any]:
    """A task as the template keeps it: only what was said."""
    return {name: value for name, value in given.model_dump().items() if value is not None}


@router.post("", status_code=201, response_model=OutputCaseTemplate)
async def create(given: InputCaseTemplate, acting: MayTemplate) -> Response:
    catalogue = await acting.hive.catalogues.current(fields=names_in(given.custom_fields))
    values = parsed(given.custom_fields, catalogue)
    template = CaseTemplate(
        name=given.name, display_name=given.display_name or given.name, title_prefix=given.title_prefix,
        description=given.description, severity=given.severity, flag=given.flag, summary=given.summary,
        tlp=tlp_of(given.tlp) if given.tlp is not None else None, pap=pap_of(given.pap) if given.pap is not None else None,
        tags=unique(given.tags), tasks=[stored_task(one) for one in given.tasks],
        custom_fields=[
            {"name": v.definition.name, "type": v.definition.type, "value": v.value, "order": v.order} for v in values
        ],
    )  # fmt: skip
    async with acting.begin() as session:
        made = await service.create(session, acting.caller, template)
        return answer(template_out(made), 201)


@router.get("/{reference}", response_model=OutputCaseTemplate)
async def get(reference: Annotated[str, Path(description="id or name")], acting: Member) -> Response:
    async with acting.read() as session:
        return answer(template_out(await service.find(session, reference)))
