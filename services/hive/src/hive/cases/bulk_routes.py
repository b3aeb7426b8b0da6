"""The v1 routes that merge cases, change several at once, or take off single values."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from hive.acting import Acting, require
from hive.alerts import removal as alert_removal
from hive.alerts.lookup import find as find_alert
from hive.answers import answer, no_content
from hive.cases import merging, service
from hive.cases.access import set_access
from hive.cases.edits import case_changes
from hive.cases.lookup import find
from hive.cases.schemas import InputAccessOfMany, InputBulkUpdateCase, OutputCase, case_out
from hive.customfields.values import names_in
from hive.identity.permissions import Permission
from hive.templates.applying import InputApplyTemplate, apply_template

router = APIRouter(prefix="/api/v1/case", tags=["case"])
Reference = Annotated[str, Path(description="id (~4096) or number")]
MayUpdate = Annotated[Acting, require(Permission.CASE_UPDATE)]
MayMerge = Annotated[Acting, require(Permission.CASE_MERGE)]
MayRestrict = Annotated[Acting, require(Permission.CASE_ACCESS_RESTRICT)]


@router.patch("/_bulk", status_code=204)
async def update_many(given: InputBulkUpdateCase, acting: MayUpdate) -> Response:
    """The same change to every case named; an unknown one, and none changes."""
    catalogue = await acting.hive.catalogues.current(fields=names_in(given.custom_fields))
    changes = case_changes(given, catalogue)
    async with acting.begin() as session:
        for case in [await find(session, one, for_update=True) for one in sorted(set(given.ids))]:
            await service.change(session, acting.caller, case, changes, catalogue)
    return no_content()


@router.post("/_bulk/caseTemplate", status_code=204)
async def apply_case_template(given: InputApplyTemplate, acting: MayUpdate) -> Response:
    """The parts of a template that are switched on, to every case named."""
    async with acting.begin() as session:
        catalogue = await acting.hive.catalogues.current()
        for case in [await find(session, one, for_update=True) for one in sorted(set(given.ids))]:
            await apply_template(session, acting.caller, case, given, catalogue)
    return no_content()


@router.post("/_bulk/access", status_code=204)
async def set_access_of_many(given: InputAccessOfMany, acting: MayRestrict) -> Response:
    async with acting.begin() as session:
        for case in [await find(session, one, for_update=True) for one in sorted(set(given.ids))]:
            await set_access(session, acting.caller, case, given.access.word, given.access.users or [])
    return no_content()


@router.post("/_merge/{references}", status_code=201, response_model=OutputCase)
async def merge(references: Annotated[str, Path(description="ids or numbers, joined by commas")], acting: MayMerge) -> Response:
    """A new case with all that hung on these; they are gone."""
    catalogue = await acting.hive.catalogues.current()
    async with acting.begin() as session:
        wanted = references.split(",")
        locked = {one: await find(session, one, for_update=True) for one in sorted(set(wanted))}
        merged = await merging.merge(session, acting.caller, [locked[one] for one in wanted], catalogue)
        return answer(case_out(merged, acting.caller), 201)


@router.delete("/customField/{value}", status_code=204)
async def delete_custom_field(value: Annotated[str, Path(description="id of the value")], acting: MayUpdate) -> Response:
    async with acting.begin() as session:
        case, value_id = await service.case_of_value(session, value)
        await service.drop_value(session, acting.caller, case, value_id)
    return no_content()


@router.delete("/{reference}/alert/{alert}", status_code=204)
async def unlink_alert(reference: Reference, alert: str, acting: MayUpdate) -> Response:
    """The alert is new again; what was copied from it stays in the case."""
    async with acting.begin() as session:
        case = await find(session, reference)
        await alert_removal.unlink(session, acting.caller, await find_alert(session, alert, for_update=True), case.id)
    return no_content()
