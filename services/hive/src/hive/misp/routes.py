"""The v1 routes of the MISP connector (hive-v1 §2.14), as far as the platform has them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from hive.acting import Acting, Member, require
from hive.answers import answer, no_content
from hive.cases.lookup import find
from hive.cases.schemas import OutputCase
from hive.events.outgoing import tell
from hive.identity.permissions import Permission
from hive.misp import service
from hive.misp.case_import import MAX_EVENT, event_of
from waggle.contracts.messages.misp import MispPollRequested
from waggle.errors import Unavailable
from waggle.web.fields import read_fields

MayExport = Annotated[Acting, require(Permission.SHARE)]
MayCreate = Annotated[Acting, require(Permission.CASE_CREATE)]
MayPoll = Annotated[Acting, require(Permission.CONFIG)]

EVENT_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}
            }
        },
    }
}
NO_CONNECTOR: dict[int | str, dict[str, Any]] = {503: {"description": "no connector takes single events"}}


def _router(prefix: str, *, shown: bool) -> APIRouter:
    router = APIRouter(prefix=prefix, tags=["misp"], include_in_schema=shown)

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

    @router.post("/export/{case}/{instance}", status_code=204)
    async def export(case: str, instance: str, acting: MayExport) -> Response:
        async with acting.begin() as session:
            found = await find(session, case)
            await service.request_export(acting.hive, session, acting.caller, found, instance)
        return no_content()

    @router.post("/case/import", status_code=201, response_model=OutputCase, responses=NO_CONNECTOR, openapi_extra=EVENT_FILE)
    async def import_case(request: Request, acting: MayCreate) -> Response:
        """A case from the MISP event in part `file`."""
        async with read_fields(request) as fields:
            files = fields.files.get("file", [])
            event = event_of(await files[0].read(MAX_EVENT) if files else b"")
        raise Unavailable(f"the event {event['uuid'][:64]} needs a MISP connector that takes single events; there is none")

    return router


routers = [_router("/api/v1/connector/misp", shown=True), _router("/api/connector/misp", shown=False)]
