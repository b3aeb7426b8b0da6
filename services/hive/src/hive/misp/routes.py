"""The v1 routes of the MISP connector (hive-v1 §2.14)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from hive.acting import Acting, Member, require
from hive.answers import answer, no_content
from hive.cases.schemas import InputPromoteAlert, OutputCase, case_out
from hive.customfields.values import names_in
from hive.events.alerts import draft_of
from hive.events.outgoing import tell
from hive.identity.permissions import Permission
from hive.misp import case_import, service
from hive.web_bodies import parse_model, upload_schema
from waggle.contracts.messages.misp import MispPollRequested
from waggle.errors import TooLarge
from waggle.web.fields import read_fields

MayCreateCase = Annotated[Acting, require(Permission.CASE_CREATE)]
MayPoll = Annotated[Acting, require(Permission.CONFIG)]


router = APIRouter(prefix="/api/v1/connector/misp", tags=["misp"])


@router.get("/status", response_model=dict[str, Any])
async def status(acting: Member) -> Response:
    """What the connector told about its instances, by name."""
    async with acting.read() as session:
        found = await service.instances(session)
    shown = {
        one.name: {
            "status": one.status, "url": one.url, "purpose": one.purpose, "version": one.server_version,
            "lastOk": one.last_ok, "lastError": one.last_error,
        }
        for one in found
    }  # fmt: skip
    return answer({"status": shown, "syncInProgress": False})


@router.get("/_syncAlerts", status_code=204)
async def synchronise(acting: MayPoll) -> Response:
    """Asks the connector to poll all its instances now."""
    async with acting.begin() as session:
        await tell(session, acting.caller, MispPollRequested(), key="instance:*")
    return no_content()


@router.post("/case/import", status_code=201, response_model=OutputCase, openapi_extra=upload_schema(InputPromoteAlert))
async def import_case(request: Request, acting: MayCreateCase) -> Response:
    """A case of a MISP event, given as JSON file in the part `file`; `_json` overrides what the event says."""
    async with read_fields(request) as fields:
        given = parse_model(InputPromoteAlert, fields.values)
        parts = fields.files.get("file", [])
        content = await parts[0].read(acting.hive.settings.max_json + 1) if parts else b""
    if len(content) > acting.hive.settings.max_json:
        raise TooLarge(f"an event file may have {acting.hive.settings.max_json} bytes")
    raised = await case_import.mapped(acting.hive, case_import.event_in(content))
    types = {one.data_type for one in raised.observables}
    catalogue = await acting.hive.catalogues.current(types=types, fields=names_in(given.custom_fields))
    draft = await draft_of(acting.hive, raised, catalogue)
    async with acting.begin() as session:
        case = await case_import.make_case(session, acting.caller, raised, draft, given, catalogue)
        return answer(case_out(case, acting.caller), 201)
