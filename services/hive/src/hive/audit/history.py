"""Reading history: changes in the order of their transactions, none skipped, each with today's rights.

Ids alone would not do for following: a transaction that took its id early may commit late. Changes are therefore read by
(txid, id), and only up to the oldest transaction still running. The rights are those of row-level security: a change of a case is
seen by whoever sees that case (and, of a received case, that part of it) now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.identity.caller import Caller
from hive.tables import text_id

BATCH = 200
LAST_ID = 2**63 - 1
COLUMNS = (
    "CAST(CAST(a.txid AS text) AS bigint) AS txid, a.id, a.at, a.org_id, a.base, a.action, a.kind, a.object_id, a.root_kind,"
    " a.root_id, a.request_id, a.actor, a.details"
)
NEWEST = text("SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) - 1")
_AHEAD = (
    "(a.txid, a.id) > (CAST(CAST(:txid AS text) AS xid8), :id)"
    " AND (a.txid, a.id) <= (CAST(CAST(:to_txid AS text) AS xid8), :to_id) AND a.txid < pg_snapshot_xmin(pg_current_snapshot())"
)
# The own organisation's changes, and those that others made to cases it received.
AFTER = text(
    f"(SELECT {COLUMNS} FROM audit a WHERE a.org_id = :org AND {_AHEAD} ORDER BY a.txid, a.id LIMIT :limit) UNION ALL"
    f" (SELECT {COLUMNS} FROM case_shares s JOIN audit a ON a.case_id = s.case_id AND a.org_id <> :org"
    f" WHERE s.org_id = :org AND {_AHEAD} ORDER BY a.txid, a.id LIMIT :limit) ORDER BY txid, id LIMIT :limit"
)
LATEST = text(
    "WITH r AS (SELECT a.request_id, max(a.id) AS newest FROM audit a WHERE (CAST(:root AS bigint) IS NULL OR a.root_id = :root)"
    " AND a.id > coalesce((SELECT min(x.id) FROM (SELECT a.id FROM audit a WHERE CAST(:root AS bigint) IS NULL"
    " ORDER BY a.id DESC LIMIT :window) x), 0) GROUP BY a.request_id ORDER BY newest DESC LIMIT :count)"
    f" SELECT {COLUMNS} FROM r JOIN audit a ON a.request_id = r.request_id"
    " WHERE CAST(:root AS bigint) IS NULL OR a.root_id = :root ORDER BY r.newest DESC, a.base DESC, a.id"
)
RECENT_ROWS = 2000


@dataclass(frozen=True, order=True, slots=True)
class Position:
    """A place in the order of changes; everything up to it has been seen."""

    txid: int
    id: int

    def __str__(self) -> str:
        return f"{self.txid}-{self.id}"


END = Position(LAST_ID, LAST_ID)


@dataclass(frozen=True, slots=True)
class Change:
    """One row of history. Changes of one request share `request_id`; `base` marks the one the others follow from."""

    position: Position
    at: int
    org_id: int
    base: bool
    action: str
    kind: str
    object_id: int
    root_kind: str
    root_id: int
    request_id: str
    actor: str
    details: Mapping[str, Any]


def change_of(row: Any) -> Change:
    return Change(
        Position(row.txid, row.id), row.at, row.org_id, row.base, row.action, row.kind, row.object_id, row.root_kind, row.root_id,
        row.request_id, row.actor, row.details,
    )  # fmt: skip


def change_out(change: Change) -> dict[str, Any]:
    """A change as the v1 API shows it."""
    return {
        "_id": text_id(change.position.id), "_type": "Audit", "action": change.action, "objectType": change.kind,
        "objectId": text_id(change.object_id), "rootType": change.root_kind, "rootId": text_id(change.root_id),
        "base": change.base, "requestId": change.request_id, "details": change.details, "_createdBy": change.actor,
        "_createdAt": change.at,
    }  # fmt: skip


async def newest(session: AsyncSession) -> Position:
    """The place after which only what happens from now on follows."""
    return Position((await session.execute(NEWEST)).scalar_one(), LAST_ID)


async def after(
    session: AsyncSession, caller: Caller, position: Position, *, to: Position = END, limit: int = BATCH
) -> list[Change]:
    """The next changes the caller may see, oldest first; at most `limit`, so a full list means: ask again."""
    rows = await session.execute(
        AFTER,
        {
            "org": caller.org_id, "txid": str(position.txid), "id": position.id, "to_txid": str(to.txid), "to_id": to.id,
            "limit": limit,
        },
    )  # fmt: skip
    return [change_of(row) for row in rows]


async def latest(session: AsyncSession, *, root_id: int | None, count: int) -> list[list[Change]]:
    """The last requests that changed something the caller sees, newest first, each as its changes, the base one first.

    `root_id` narrows to a case or alert; without it only the organisation's recent history is looked at.
    """
    rows = await session.execute(LATEST, {"root": root_id, "count": count, "window": RECENT_ROWS})
    groups: dict[str, list[Change]] = {}
    for row in rows:
        groups.setdefault(row.request_id, []).append(change_of(row))
    return list(groups.values())
