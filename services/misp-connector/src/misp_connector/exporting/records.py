"""What is known of each export: the request, where it went, and what MISP holds of it.

Before MISP is asked to store anything, event and attributes are written down; after it answered, what became of them. So a
retry after a kill at any point knows what may be there, and the import knows its own events.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from misp_connector.exporting.plan import WantedAttribute
from waggle.contracts.envelope import DataRef

LEASE_SECONDS = 60.0

_REQUEST = text(
    "INSERT INTO exports AS e (instance_id, organisation, case_id, state, case_ref, publish, message_id, requested_at,"
    " requested_by, next_at) VALUES (:instance, :organisation, :case, 'waiting', CAST(:ref AS jsonb), :publish, :message, :at,"
    " :by, now())"
    " ON CONFLICT (instance_id, organisation, case_id) DO UPDATE SET state = 'waiting', case_ref = excluded.case_ref,"
    " publish = excluded.publish, message_id = excluded.message_id, requested_at = excluded.requested_at,"
    " requested_by = excluded.requested_by, next_at = now(), attempts = 0, last_error = NULL, revision = e.revision + 1"
    " WHERE e.requested_at <= excluded.requested_at"
)
_COLUMNS = (
    "id, instance_id, organisation, case_id, revision, case_ref, publish, message_id, event_uuid, event_id, strategy, sent,"
    " published, attempts, lease_holder"
)
_CLAIM = text(
    "UPDATE exports SET lease_until = now() + make_interval(secs => :seconds), lease_holder = :holder WHERE id = ("
    " SELECT id FROM exports WHERE next_at <= now() AND (lease_until IS NULL OR lease_until < now())"
    " ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED)"
    f" RETURNING {_COLUMNS}"
)
_KEEP = text(
    "UPDATE exports SET lease_until = now() + make_interval(secs => :seconds) WHERE id = :id AND lease_holder = :holder"
    " RETURNING true"
)
_TARGET = text(
    "UPDATE exports SET event_uuid = CAST(:uuid AS uuid), strategy = :strategy WHERE id = :id AND lease_holder = :holder"
    " RETURNING true"
)
_ATTRIBUTES = text("SELECT attribute_uuid, observables, hash, result, withdrawn FROM export_attributes WHERE export_id = :id")
_PLAN = text(
    "INSERT INTO export_attributes (export_id, attribute_uuid, observables, hash) VALUES (:export, CAST(:uuid AS uuid),"
    " :observables, '') ON CONFLICT DO NOTHING"
)
_STORED = text(
    "INSERT INTO export_attributes (export_id, attribute_uuid, observables, hash, result, reason) VALUES (:export,"
    " CAST(:uuid AS uuid), :observables, :hash, :result, :reason)"
    " ON CONFLICT (export_id, attribute_uuid) DO UPDATE SET observables = excluded.observables, hash = excluded.hash,"
    " result = excluded.result, reason = excluded.reason, withdrawn = false"
)
_WITHDRAWN = text(
    "UPDATE export_attributes SET withdrawn = true WHERE export_id = :export AND attribute_uuid = CAST(:uuid AS uuid)"
)
_DROP_UNUSED = text("DELETE FROM export_attributes WHERE export_id = :export AND result IS NULL")
_FINISH = text(
    "UPDATE exports SET state = CASE WHEN revision = :revision THEN 'done' ELSE state END,"
    " next_at = CASE WHEN revision = :revision THEN NULL ELSE next_at END, lease_until = NULL, lease_holder = NULL,"
    " event_id = :event_id, sent = CAST(:sent AS jsonb), published = :published, finished_at = :now, last_error = NULL,"
    " attempts = 0 WHERE id = :id AND lease_holder = :holder RETURNING true"
)
_FAIL = text(
    "UPDATE exports SET state = CASE WHEN revision = :revision AND CAST(:pause AS float8) IS NULL THEN 'failed' ELSE state END,"
    " next_at = CASE WHEN revision <> :revision THEN next_at"
    " WHEN CAST(:pause AS float8) IS NULL THEN NULL ELSE now() + make_interval(secs => :pause) END,"
    " lease_until = NULL, lease_holder = NULL, last_error = :error, attempts = attempts + 1"
    " WHERE id = :id AND lease_holder = :holder RETURNING true"
)
_OWN_ATTRIBUTES = text(
    "SELECT DISTINCT a.attribute_uuid FROM export_attributes a JOIN exports e ON e.id = a.export_id"
    " WHERE e.event_uuid = CAST(:uuid AS uuid) AND a.result IS DISTINCT FROM 'unchanged'"
)
_INVOLVED = text("SELECT DISTINCT event_uuid FROM exports WHERE event_uuid = ANY(CAST(:uuids AS uuid[]))")
_OWNERS = text(
    "SELECT organisation, case_id FROM exports WHERE event_uuid = CAST(:uuid AS uuid) AND strategy <> 'edit'"
    " ORDER BY organisation, case_id"
)


@dataclass(frozen=True, slots=True)
class Export:
    """One case at one instance, leased to this process."""

    id: int
    instance_id: int
    organisation: str
    case_id: str
    revision: int
    case_ref: DataRef
    publish: bool | None
    message_id: UUID
    event_uuid: str | None
    event_id: str | None
    strategy: str | None
    sent: dict[str, Any]
    published: bool
    attempts: int
    holder: UUID


@dataclass(frozen=True, slots=True)
class Recorded:
    """An attribute as it was last sent; `result` None: it may have been stored, nobody saw the answer."""

    uuid: str
    observables: tuple[str, ...]
    hash: str
    result: str | None
    withdrawn: bool


class ExportLost(Exception):
    """Somebody else has the export by now."""


async def request(
    session: AsyncSession,
    *,
    instance_id: int,
    organisation: str,
    case_id: str,
    case_ref: DataRef,
    publish: bool | None,
    message_id: UUID,
    at: int,
    by: str | None,
) -> None:
    """The newest request counts, in whatever order they arrive. `at` in milliseconds."""
    await session.execute(
        _REQUEST,
        {
            "instance": instance_id,
            "organisation": organisation,
            "case": case_id,
            "ref": orjson.dumps(case_ref.model_dump(mode="json")).decode(),
            "publish": publish,
            "message": message_id,
            "at": at,
            "by": by,
        },
    )


async def claim(session: AsyncSession) -> Export | None:
    """The export that has been due for longest, one whose process was lost included; None when none is due."""
    row = (await session.execute(_CLAIM, {"seconds": LEASE_SECONDS, "holder": uuid4()})).mappings().one_or_none()
    if row is None:
        return None
    return Export(
        id=row["id"],
        instance_id=row["instance_id"],
        organisation=row["organisation"],
        case_id=row["case_id"],
        revision=row["revision"],
        case_ref=DataRef.model_validate(row["case_ref"]),
        publish=row["publish"],
        message_id=row["message_id"],
        event_uuid=str(row["event_uuid"]) if row["event_uuid"] else None,
        event_id=row["event_id"],
        strategy=row["strategy"],
        sent=row["sent"] or {},
        published=row["published"],
        attempts=row["attempts"],
        holder=row["lease_holder"],
    )


async def keep(session: AsyncSession, export: Export) -> bool:
    values = {"seconds": LEASE_SECONDS, "id": export.id, "holder": export.holder}
    return (await session.execute(_KEEP, values)).scalar() is not None


async def recorded(session: AsyncSession, export: Export) -> dict[str, Recorded]:
    rows = await session.execute(_ATTRIBUTES, {"id": export.id})
    return {
        str(row.attribute_uuid): Recorded(str(row.attribute_uuid), tuple(row.observables), row.hash, row.result, row.withdrawn)
        for row in rows
    }


async def planned(
    session: AsyncSession, export: Export, *, event_uuid: str, strategy: str, attributes: Iterable[WantedAttribute]
) -> None:
    """Written before MISP is asked. Raises ExportLost."""
    values = {"id": export.id, "holder": export.holder, "uuid": event_uuid, "strategy": strategy}
    if (await session.execute(_TARGET, values)).scalar() is None:
        raise ExportLost
    rows = [
        {"export": export.id, "uuid": one.uuid, "observables": list(one.observables)} for one in attributes if not one.foreign
    ]
    if rows:
        await session.execute(_PLAN, rows)


async def stored(
    session: AsyncSession, export: Export, *, uuid: str, wanted: WantedAttribute, result: str, reason: str | None
) -> None:
    values = {"export": export.id, "uuid": uuid, "observables": list(wanted.observables)}
    await session.execute(_STORED, {**values, "hash": wanted.fingerprint(), "result": result, "reason": reason})


async def withdrawn(session: AsyncSession, export: Export, *, uuid: str) -> None:
    await session.execute(_WITHDRAWN, {"export": export.id, "uuid": uuid})


async def finish(
    session: AsyncSession, export: Export, *, event_id: str, sent: dict[str, Any], published: bool, now: int
) -> None:
    """Raises ExportLost."""
    await session.execute(_DROP_UNUSED, {"export": export.id})
    values = {"id": export.id, "holder": export.holder, "revision": export.revision, "event_id": event_id, "now": now}
    values |= {"sent": orjson.dumps(sent).decode(), "published": published}
    if (await session.execute(_FINISH, values)).scalar() is None:
        raise ExportLost


async def fail(session: AsyncSession, export: Export, *, error: str, pause: float | None) -> None:
    """`pause` seconds until the next try; None: for good. Raises ExportLost."""
    values = {"id": export.id, "holder": export.holder, "revision": export.revision, "error": error[:2000], "pause": pause}
    if (await session.execute(_FAIL, values)).scalar() is None:
        raise ExportLost


async def involved(session: AsyncSession, *, uuids: Sequence[str]) -> set[str]:
    """Those of the events that an export of ours went into."""
    return {str(found) for found in (await session.execute(_INVOLVED, {"uuids": list(uuids)})).scalars()}


async def own_attributes(session: AsyncSession, *, uuid: str) -> frozenset[str]:
    """Attributes that our exports put, or may have put, into the event."""
    return frozenset(str(found) for found in (await session.execute(_OWN_ATTRIBUTES, {"uuid": uuid})).scalars())


async def owners(session: AsyncSession, *, uuid: str) -> list[tuple[str, str]]:
    """Organisation and case of every export that made the event."""
    return [(row.organisation, row.case_id) for row in await session.execute(_OWNERS, {"uuid": uuid})]
