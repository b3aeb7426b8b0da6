"""`/api/instances/{name}/events`: what was imported, filtered or failed, and why; and the status of all instances."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel

from misp_connector.access.guards import Reader
from misp_connector.instances import service
from misp_connector.instances.announce import status_word
from misp_connector.polling import events
from misp_connector.polling.events import EventDetailOutput, EventOutput
from misp_connector.runtime import runtime_of
from waggle.db import Scope
from waggle.web import request_id

router = APIRouter(prefix="/api", tags=["events"])
Name = Annotated[str, Path(max_length=64)]
State = Literal["seen", "sent", "filtered", "failed", "gone"]


class ServerStatus(BaseModel):
    name: str
    version: str
    status: str
    url: str
    purpose: str


class StatusOutput(BaseModel):
    """In the form of TheHive's `connector/misp/status` (contract misp §2.5)."""

    enabled: bool
    status: Literal["OK", "WARNING", "ERROR"]
    servers: list[ServerStatus]


@router.get("/instances/{name}/events")
async def list_events(
    request: Request,
    caller: Reader,
    name: Name,
    state: State | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> list[EventOutput]:
    async with runtime_of(request).database.begin(Scope(request_id=request_id())) as session:
        instance, _ = await service.get_instance(session, name=name)
        return await events.list_events(session, instance=instance.id, state=state, limit=limit, offset=offset)


@router.get("/instances/{name}/events/{uuid}")
async def get_event(request: Request, caller: Reader, name: Name, uuid: UUID) -> EventDetailOutput:
    async with runtime_of(request).database.begin(Scope(request_id=request_id())) as session:
        instance, _ = await service.get_instance(session, name=name)
        return await events.get_event(session, instance=instance.id, uuid=str(uuid))


@router.get("/status")
async def get_status(request: Request, caller: Reader) -> StatusOutput:
    """OK when all enabled instances are, WARNING when some fail, ERROR when all do."""
    async with runtime_of(request).database.begin(Scope(request_id=request_id())) as session:
        found = [pair for pair in await service.list_instances(session) if pair[0].enabled]
    servers = [
        ServerStatus(
            name=instance.name,
            version=state.server_version or "",
            status="ERROR" if status_word(instance, state) == "ERROR" else "OK",
            url=instance.url,
            purpose=instance.purpose,
        )
        for instance, state in found
    ]
    bad = sum(server.status == "ERROR" for server in servers)
    status: Literal["OK", "WARNING", "ERROR"] = "OK" if not bad else "ERROR" if bad == len(servers) else "WARNING"
    return StatusOutput(enabled=bool(servers), status=status, servers=servers)
