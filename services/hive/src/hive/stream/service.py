"""Following the audit: rows in the order of their transactions, none skipped, each with today's rights.

Ids alone would not do: a transaction that took its id early may commit late. Rows are therefore read by (txid, id), and only
up to the oldest transaction still running.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.identity.caller import Caller
from hive.platform import AUDIT_CHANNEL, Hive
from hive.tables import text_id
from waggle.web.sse import ServerEvent

POSITION = re.compile(r"(\d{1,19})-(\d{1,19})")
BATCH = 200
LOOK_SECONDS = 5.0
NEWEST = text(
    "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) - 1 AS txid, 9223372036854775807 AS id"
)
AFTER = text(
    "SELECT CAST(CAST(txid AS text) AS bigint) AS txid, id, at, base, action, kind, object_id, root_kind, root_id,"
    " request_id, actor, details FROM audit WHERE org_id = :org AND (txid, id) > (CAST(CAST(:txid AS text) AS xid8), :id)"
    " AND txid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY txid, id LIMIT :limit"
)


# Asked before every batch: a stream lives long, and a right may be taken away meanwhile (threats S13).
STILL_MEMBER = text(
    "SELECT EXISTS (SELECT FROM memberships m JOIN users u ON u.id = m.user_id"
    " WHERE m.user_id = :user AND m.org_id = :org AND NOT u.locked)"
)


@dataclass(frozen=True, slots=True)
class Position:
    txid: int
    id: int

    def __str__(self) -> str:
        return f"{self.txid}-{self.id}"


def position_of(text_: str | None) -> Position | None:
    """The position a browser sends back as Last-Event-ID."""
    found = POSITION.fullmatch(text_ or "")
    return Position(int(found[1]), min(int(found[2]), 2**63 - 1)) if found else None


async def newest(session: AsyncSession) -> Position:
    row = (await session.execute(NEWEST)).one()
    return Position(row.txid, row.id)


async def after(session: AsyncSession, caller: Caller, position: Position) -> list[tuple[Position, dict[str, Any]]]:
    """The next changes the caller may see, oldest first."""
    rows = await session.execute(AFTER, {"org": caller.org_id, "txid": str(position.txid), "id": position.id, "limit": BATCH})
    return [(Position(row.txid, row.id), _shown(row)) for row in rows]


def _shown(row: Any) -> dict[str, Any]:
    return {
        "_id": text_id(row.id), "action": row.action, "objectType": row.kind, "objectId": text_id(row.object_id),
        "rootType": row.root_kind, "rootId": text_id(row.root_id), "base": row.base, "requestId": row.request_id,
        "details": row.details, "_createdBy": row.actor, "_createdAt": row.at,
    }  # fmt: skip


class Wakes:
    """Tells every open stream of this process that the audit may have grown."""

    def __init__(self, hive: Hive) -> None:
        self._events: set[asyncio.Event] = set()
        hive.listener.on(AUDIT_CHANNEL, self.wake)

    def wake(self) -> None:
        for event in self._events:
            event.set()

    async def follow(self, hive: Hive, caller: Caller, position: Position | None) -> AsyncIterator[ServerEvent]:
        """Changes from `position` (None: from now) on, until the connection ends or the caller is no member any more."""
        event = asyncio.Event()
        self._events.add(event)
        try:
            while True:
                event.clear()
                async with hive.database.begin(caller.scope()) as session:
                    who = {"user": caller.user_id, "org": caller.org_id}
                    if caller.user_id and not await session.scalar(STILL_MEMBER, who):
                        return
                    if position is None:
                        position = await newest(session)
                    found = await after(session, caller, position)
                for position, change in found:
                    yield ServerEvent(change, event="audit", id=str(position))
                if len(found) == BATCH:
                    continue
                try:
                    await asyncio.wait_for(event.wait(), LOOK_SECONDS)
                except TimeoutError:
                    continue
        finally:
            self._events.discard(event)
