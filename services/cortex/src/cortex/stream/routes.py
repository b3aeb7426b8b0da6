"""`POST /api/stream` opens one, `GET /api/stream/:id` waits for news: contracts/cortex.md §2.11."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cortex.access import SESSION_COOKIE, engine_of, require
from cortex.acting import Actor
from cortex.http import plain
from cortex.identity import authentication
from cortex.identity.session_routes import WARNING_SECONDS
from cortex.stream import service
from waggle.web.answers import JsonResponse

router = APIRouter(prefix="/api/stream", tags=["stream"])
LOOK_EVERY = 0.5
SESSION_ENDS_SOON = 220


@router.post("", responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})
async def open_stream(request: Request, actor: Annotated[Actor, require("read")]) -> Response:
    """A stream of the organisation's changes from now on."""
    async with engine_of(request).database.begin(actor.scope) as session:
        return plain(await service.open_stream(session, actor))


@router.get("/{stream_id}", responses={200: {"model": list[dict[str, Any]]}})
async def read_stream(request: Request, actor: Annotated[Actor, require("read")], stream_id: str) -> Response:
    """What has changed since the last call, as soon as there is something; an empty list after a while without.

    The status is 220 instead of 200 when the session ends soon.
    """
    engine = engine_of(request)
    until = time.monotonic() + engine.settings.stream_seconds
    while True:
        async with engine.database.begin(actor.scope) as session:
            messages = await service.read(session, actor, stream_id)
        if messages or time.monotonic() >= until or await request.is_disconnected():
            break
        await asyncio.sleep(LOOK_EVERY)
    return JsonResponse(messages, await _status(request))


async def _status(request: Request) -> int:
    token = request.cookies.get(SESSION_COOKIE)
    if token is None or request.headers.get("authorization"):
        return 200
    async with engine_of(request).database.system() as session:
        remaining = await authentication.session_remaining(session, token)
    return SESSION_ENDS_SOON if remaining < WARNING_SECONDS else 200
