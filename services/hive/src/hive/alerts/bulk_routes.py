"""The v1 routes that remove alerts or change several at once."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from hive.acting import IF_MATCH, Acting, require
from hive.alerts import removal, service
from hive.alerts.edits import alert_changes
from hive.alerts.lookup import find
from hive.alerts.schemas import InputAlertIds, InputBulkUpdateAlert, alert_out
from hive.answers import no_content
from hive.attachments import service as attachments
from hive.audit.service import Root
from hive.customfields.values import names_in
from hive.identity.permissions import Permission

router = APIRouter(prefix="/api/v1/alert", tags=["alert"])
Reference = Annotated[str, Path(description="id (~4096) or type;source;sourceRef")]
MayUpdate = Annotated[Acting, require(Permission.ALERT_UPDATE)]
MayDelete = Annotated[Acting, require(Permission.ALERT_DELETE)]


@router.patch("/_bulk", status_code=204)
async def update_many(given: InputBulkUpdateAlert, acting: MayUpdate) -> Response:
    """The same change to every alert named; an unknown one, and none changes."""
    catalogue = await acting.hive.catalogues.current(fields=names_in(given.custom_fields))
    changes = alert_changes(given, catalogue)
    async with acting.begin() as session:
        for alert in [await find(session, one, for_update=True) for one in sorted(set(given.ids))]:
            await service.update(session, acting.caller, alert, changes, catalogue)
    return no_content()


@router.post("/delete/_bulk", status_code=204)
async def delete_many(given: InputAlertIds, acting: MayDelete) -> Response:
    """All of them or none."""
    async with acting.begin() as session:
        for alert in [await find(session, one, for_update=True) for one in sorted(set(given.ids))]:
            await removal.remove(session, acting.caller, alert)
    return no_content()


@router.delete("/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def delete(reference: Reference, acting: MayDelete) -> Response:
    async with acting.begin() as session:
        alert = await acting.matched(session, await find(session, reference, for_update=True), alert_out)
        await removal.remove(session, acting.caller, alert)
    return no_content()


@router.delete("/{reference}/attachment/{attachment}", status_code=204)
async def delete_attachment(reference: Reference, attachment: str, acting: MayUpdate) -> Response:
    async with acting.begin() as session:
        alert = await find(session, reference)
        file = await attachments.find(session, attachment, alert_id=alert.id)
        await attachments.remove(session, acting.caller, file, kind="alert", object_id=alert.id, root=Root("alert", alert.id))
    return no_content()
