"""The live stream of an organisation's changes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from hive.acting import Member
from hive.stream.service import Streams, position_of
from waggle.web.sse import event_stream

router = APIRouter(prefix="/api/v1", tags=["stream"])


@router.get(
    "/stream",
    responses={200: {"description": "events named `audit`, one per change", "content": {"text/event-stream": {}}}},
)
async def stream(
    request: Request, acting: Member, last_event_id: Annotated[str | None, Header(description="where to go on")] = None
) -> Response:
    """Every change the caller may see, as it happens; after a reconnect from where the browser was."""
    streams: Streams = request.app.state.streams
    return event_stream(streams.follow(acting.caller, position_of(last_event_id)))
