"""The classic stream: a long poll on the history of the caller's organisation (contracts hive-v0 §5.8).

Where a stream stands is kept in the database, so that any process can answer its next poll.
"""

from __future__ import annotations

import asyncio
import secrets
import string
import time

from fastapi import APIRouter, Request
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import PlainTextResponse, Response

from hive.acting import Acting, Member
from hive.answers import answer
from hive.audit.history import BATCH, Change, Position, after, latest, newest
from hive.classic import events
from hive.classic.reading import Body, reference
from hive.stream.service import Streams, position_of
from hive.tables import number_of
from waggle.errors import NotFound
from waggle.web.fields import read_fields

REFRESH_SECONDS = 60.0
GRACE_SECONDS = 0.1
KEEP_SECONDS = 300
LOOK_SECONDS = 5.0
MOST_STREAMS = 50
LETTERS = string.ascii_letters + string.digits
OPEN = text("INSERT INTO classic_streams (id, org_id, user_id, position) VALUES (:id, :org, :user, :position)")
# The oldest of a user's streams make room; those nobody polls are gone.
TIDY = text(
    "DELETE FROM classic_streams WHERE id IN (SELECT id FROM classic_streams WHERE user_id = :user AND org_id = :org"
    f" ORDER BY polled_at DESC OFFSET {MOST_STREAMS - 1}) OR polled_at < now() - interval '{KEEP_SECONDS} seconds'"
)
TOUCH = text(
    "UPDATE classic_streams SET polled_at = now() WHERE id = :id AND org_id = :org AND user_id = :user"
    f" AND polled_at > now() - interval '{KEEP_SECONDS} seconds' RETURNING position"
)
MOVE = text("UPDATE classic_streams SET position = :position, polled_at = now() WHERE id = :id")


def routes(router: APIRouter) -> None:
    @router.post("/stream", response_class=PlainTextResponse)
    async def open_stream(acting: Member) -> Response:
        """A new stream: 20 letters and digits, to be polled at least every five minutes."""
        name = "".join(secrets.choice(LETTERS) for _ in range(20))
        who = {"org": acting.caller.org_id, "user": acting.caller.user_id}
        async with acting.read() as session:
            await session.execute(TIDY, who)
            await session.execute(OPEN, {"id": name, "position": str(await newest(session)), **who})
        return PlainTextResponse(name)

    @router.get("/stream/status")
    async def status(acting: Member) -> Response:
        """How long the session lasts, in seconds, and when a page should warn."""
        return answer({"remaining": int(acting.hive.settings.session_hours * 3600), "warning": KEEP_SECONDS})

    @router.get("/stream/{stream}")
    async def poll(stream: str, request: Request, acting: Member) -> Response:
        """Waits up to a minute for changes and answers them in groups, oldest first; an empty list when nothing happened."""
        position = await _where(acting, reference(stream))
        streams: Streams = request.app.state.streams
        until = time.monotonic() + REFRESH_SECONDS
        while not await _any(acting, position):
            left = until - time.monotonic()
            if left <= 0 or await request.is_disconnected():
                return answer([])
            await streams.wait(min(left, LOOK_SECONDS))
        await asyncio.sleep(GRACE_SECONDS)
        async with acting.read() as session:
            changes = await _all(session, acting, position)
            groups = events.grouped(await events.told(session, acting, changes))
            await session.execute(MOVE, {"id": stream, "position": str(changes[-1].position)})
        return answer(groups)

    @router.get("/flow")
    async def flow(request: Request, acting: Member) -> Response:
        """The last groups of changes, newest first, of everything or of one case or alert."""
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        root = body.text("rootId", limit=64) or "any"
        count = body.number("count", low=0, high=1000)
        async with acting.read() as session:
            number = None if root == "any" else number_of(root)
            if root != "any" and number is None:
                return answer([])
            found = await latest(session, root_id=number, count=10 if count is None else count)
            records = await events.told(session, acting, [change for group in found for change in group])
        return answer(events.grouped(records))


async def _where(acting: Acting, stream: str) -> Position:
    """Where the stream stands; marks it as in use. Raises NotFound."""
    async with acting.read() as session:
        who = {"id": stream, "org": acting.caller.org_id, "user": acting.caller.user_id}
        position = position_of(await session.scalar(TOUCH, who))
    if position is None:
        raise NotFound(f"Stream {stream[:20]} not found")
    return position


async def _any(acting: Acting, position: Position) -> bool:
    async with acting.read() as session:
        return bool(await after(session, acting.caller, position, limit=1))


async def _all(session: AsyncSession, acting: Acting, position: Position) -> list[Change]:
    """What happened since, up to a batch: the rest comes with the next poll."""
    return await after(session, acting.caller, position, limit=BATCH)
