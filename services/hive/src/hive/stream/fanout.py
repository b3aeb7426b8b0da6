"""One reader of history per process, however many pages are open.

The reader takes each new change once, as the system role, together with the organisations and people who may see it now; the
change is encoded once and handed to the streams it is for. A stream that comes back from a pause reads what it missed by itself,
through row-level security, and then joins.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.history import COLUMNS, Position, change_of, change_out, newest
from hive.identity.caller import Caller
from hive.platform import Hive
from waggle.waiting import wait_at_most
from waggle.web.sse import ServerEvent

log = structlog.get_logger(__name__)
LOOK_SECONDS = 5.0
READ_AT_ONCE = 500
MAX_WAITING = 5000

# The rule of the policy on audit, asked for all organisations at once.
ALL_AFTER = text(
    f"SELECT {COLUMNS}, CASE WHEN a.case_id IS NULL THEN ARRAY[a.org_id] ELSE ARRAY("
    "   SELECT s.org_id FROM cases c JOIN case_shares s ON s.case_id = c.id"
    "   WHERE c.id = a.case_id AND (s.org_id = c.org_id OR part_shared(a.kind, a.object_id, s.org_id))) END AS organisations,"
    " (SELECT ARRAY(SELECT r.user_id FROM case_readers r WHERE r.case_id = c.id) FROM cases c"
    "   WHERE c.id = a.case_id AND c.access <> 'organisation') AS readers"
    " FROM audit a WHERE (a.txid, a.id) > (CAST(CAST(:txid AS text) AS xid8), :id)"
    " AND a.txid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY a.txid, a.id LIMIT :limit"
)
# A stream lives long, and a right may be taken away meanwhile (threats S13).
MEMBERS = text(
    "SELECT m.user_id, m.org_id FROM memberships m JOIN users u ON u.id = m.user_id"
    " WHERE m.user_id = ANY(:users) AND NOT u.locked"
)


@dataclass(eq=False)
class Stream:
    """What waits to be sent to one open page. `ended`: no more will come."""

    caller: Caller
    waiting: deque[bytes] = field(default_factory=deque)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False

    def put(self, encoded: bytes) -> None:
        if len(self.waiting) >= MAX_WAITING:  # too slow: the page comes back and reads what it missed
            self.waiting.clear()
            self.end()
        if not self.ended:
            self.waiting.append(encoded)
            self.news.set()

    def end(self) -> None:
        self.ended = True
        self.news.set()

    def take(self) -> bytes:
        self.news.clear()
        taken = b"".join(self.waiting)
        self.waiting.clear()
        return taken


@dataclass(frozen=True, slots=True)
class _Addressed:
    position: Position
    organisations: frozenset[int]
    readers: frozenset[int] | None
    encoded: bytes

    def is_for(self, caller: Caller) -> bool:
        """The platform itself (user 0) acts for an organisation, not for the readers of a restricted case."""
        return caller.org_id in self.organisations and (self.readers is None or caller.user_id in self.readers)


def encoded(change: dict[str, Any], position: Position) -> bytes:
    return ServerEvent(change, event="audit", id=str(position)).encode()


async def _read(session: AsyncSession, position: Position) -> list[_Addressed]:
    rows = await session.execute(ALL_AFTER, {"txid": str(position.txid), "id": position.id, "limit": READ_AT_ONCE})
    found = []
    for row in rows:
        change = change_of(row)
        readers = frozenset(row.readers) if row.readers is not None else None
        found.append(
            _Addressed(change.position, frozenset(row.organisations), readers, encoded(change_out(change), change.position))
        )
    return found


class FanOut:
    """Reads while any stream is open."""

    def __init__(self, hive: Hive) -> None:
        self._hive = hive
        self._streams: set[Stream] = set()
        self._woken = asyncio.Event()
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.position = Position(0, 0)

    def wake(self) -> None:
        self._woken.set()

    async def open(self, caller: Caller) -> tuple[Stream, Position]:
        """A new stream, and the place in history from which on it gets everything."""
        if self._task is None or self._task.done():
            self._ready.clear()
            self._task = asyncio.create_task(self._run(), name="stream fan-out")
        await self._ready.wait()
        stream = Stream(caller)
        self._streams.add(stream)
        return stream, self.position

    def close(self, stream: Stream) -> None:
        self._streams.discard(stream)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for stream in self._streams:
            stream.end()

    async def _run(self) -> None:
        idle = 0
        while idle < 2:
            try:
                more = await self._step()
            except (OSError, SQLAlchemyError, asyncpg.PostgresError) as error:
                log.warning("stream_interrupted", error=str(error))
                more = False
            if not more:
                await wait_at_most(self._woken, LOOK_SECONDS)
            idle = 0 if self._streams else idle + 1

    async def _step(self) -> bool:
        """Hands out the next changes; whether there may be more at once."""
        self._woken.clear()
        async with self._hive.database.system() as session:
            if not self._ready.is_set():
                self.position = await newest(session)
                self._ready.set()
                return False
            found = await _read(session, self.position)
            members = await self._members(session)
        for stream in list(self._streams):
            caller = stream.caller
            if caller.user_id and (caller.user_id, caller.org_id) not in members:
                stream.end()
                continue
            for one in found:
                if one.is_for(caller):
                    stream.put(one.encoded)
        if found:
            self.position = found[-1].position
        return len(found) == READ_AT_ONCE

    async def _members(self, session: AsyncSession) -> set[tuple[int, int]]:
        users = _users(self._streams)
        if not users:
            return set()
        return {(row.user_id, row.org_id) for row in await session.execute(MEMBERS, {"users": users})}


def _users(streams: Iterable[Stream]) -> Sequence[int]:
    return sorted({stream.caller.user_id for stream in streams} - {0})
