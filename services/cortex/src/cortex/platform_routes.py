"""What anybody may ask, and the first run: contracts/cortex.md §2.1, §2.2."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response

from cortex.access import engine_of, require
from cortex.acting import Actor
from cortex.definitions.models import Definition
from cortex.http import nothing
from cortex.workers.models import Worker
from waggle.web.access import Public
from waggle.web.answers import JsonResponse

router = APIRouter(prefix="/api", tags=["platform"])
VERSION = "4.1.0-1"
"""The release of Cortex this API is that of: TheHive 5.5 and later refuse one that is too old."""


@router.get("/status", dependencies=[Public()], responses={200: {"model": dict[str, Any]}})
async def status() -> Response:
    """Versions and what the log-in page may offer."""
    versions = dict.fromkeys(("Cortex", "Elastic4Play", "Play", "Elastic4s", "ElasticSearch client"), VERSION)
    config = {
        "protectDownloadsWith": "malware",
        "authType": ["key", "local"],
        "capabilities": ["changePassword", "setPassword", "authByKey"],
        "ssoAutoLogin": False,
    }
    return JsonResponse({"versions": versions, "config": config})


@router.get("/health", dependencies=[Public()], responses={200: {"model": dict[str, str]}})
async def health(request: Request) -> Response:
    await engine_of(request).database.check()
    return JsonResponse({"status": "ok"})


@router.post("/maintenance/migrate", status_code=204, dependencies=[Public()])
async def migrate() -> Response:
    """Install scripts ask for it first. The schema is there before this service answers, so there is nothing to do."""
    return nothing()


@router.get("/alert", responses={200: {"model": list[str]}})
async def alerts(request: Request, actor: Annotated[Actor, require("read")]) -> Response:
    """Whether enabled workers have lost their definition."""
    gone = (
        select(Worker.kind)
        .join(Definition, (Definition.kind == Worker.kind) & (Definition.id == Worker.definition_id))
        .where(Worker.org_id == actor.organisation, Definition.gone_at.is_not(None))
        .distinct()
    )
    async with engine_of(request).database.begin(actor.scope) as session:
        kinds = set(await session.scalars(gone))
    found = [text for kind, text in (("analyzer", "ObsoleteAnalyzers"), ("responder", "ObsoleteResponders")) if kind in kinds]
    return JsonResponse(found)
