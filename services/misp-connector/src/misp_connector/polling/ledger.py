"""What is known of the events of an instance: the table that makes polls resumable and repeats harmless."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from misp_connector.mapping.changes import ChangeSet, KnownAttribute
from misp_connector.mapping.model import Outcome
from misp_connector.sources.source import Head, Position

RETRY_SECONDS = (60, 300, 900, 3600)
"""Pauses before an event that failed is read again; from then on hourly."""

GIVE_UP_AFTER = 27
"""Tries: about a day. A new publication of the event starts anew."""


@dataclass(frozen=True, slots=True)
class KnownEvent:
    timestamp: int
    publish_timestamp: int
    payload_hash: str | None
    state: str
    revision: int
    retries: int

    def is_news(self, head: Head) -> bool:
        """Whether the head asks for reading the event. A failed one waits for its retry, until it is published anew."""
        same = (self.timestamp, self.publish_timestamp) == (head.timestamp, head.publish_timestamp)
        return self.state == "seen" or not same


_COLUMNS = "uuid, timestamp, publish_timestamp, payload_hash, state, revision, retries"
_KNOWN = text(f"SELECT {_COLUMNS} FROM events WHERE instance_id = :instance AND uuid = ANY(CAST(:uuids AS uuid[]))")
_LOCKED = text(f"SELECT {_COLUMNS} FROM events WHERE instance_id = :instance AND uuid = CAST(:uuid AS uuid) FOR UPDATE")
_APPEAR = text(
    "INSERT INTO events (instance_id, uuid, event_id, timestamp, publish_timestamp, state)"
    " VALUES (:instance, CAST(:uuid AS uuid), :event_id, :timestamp, :publish_timestamp, 'seen') ON CONFLICT DO NOTHING"
)
_SENT = text(
    "UPDATE events SET event_id = :event_id, timestamp = :timestamp, publish_timestamp = :publish_timestamp,"
    " payload_hash = :payload_hash, state = 'sent', reason = NULL, retries = 0, next_retry_at = NULL"
    " WHERE instance_id = :instance AND uuid = CAST(:uuid AS uuid)"
)
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(:uuid, 20))")
_ALERT_OF = text(
    "SELECT e.alert_source, e.alert_ref FROM events e JOIN instances i ON i.id = e.instance_id"
    " WHERE e.uuid = CAST(:uuid AS uuid) AND e.alert_source IS NOT NULL"
    " AND (i.id = :instance OR CAST(i.options ->> 'fold' AS boolean)) ORDER BY i.id <> :instance, i.id LIMIT 1"
)
_GOES_INTO = text(
    "UPDATE events SET alert_source = :source, alert_ref = :ref WHERE instance_id = :instance AND uuid = CAST(:uuid AS uuid)"
)
_SETTLED = text(
    "INSERT INTO events (instance_id, uuid, event_id, timestamp, publish_timestamp, state, reason)"
    " VALUES (:instance, CAST(:uuid AS uuid), :event_id, :timestamp, :publish_timestamp, :state, :reason)"
    " ON CONFLICT (instance_id, uuid) DO UPDATE SET event_id = excluded.event_id, timestamp = excluded.timestamp,"
    " publish_timestamp = excluded.publish_timestamp, state = excluded.state, reason = excluded.reason, retries = 0,"
    " next_retry_at = NULL"
)
_FAILED = text(
    "INSERT INTO events (instance_id, uuid, event_id, timestamp, publish_timestamp, state, reason, retries, next_retry_at)"
    " VALUES (:instance, CAST(:uuid AS uuid), :event_id, :timestamp, :publish_timestamp, 'failed', :reason, :retries,"
    " now() + make_interval(secs => :pause))"
    " ON CONFLICT (instance_id, uuid) DO UPDATE SET event_id = excluded.event_id, timestamp = excluded.timestamp,"
    " publish_timestamp = excluded.publish_timestamp, state = 'failed', reason = excluded.reason,"
    " retries = excluded.retries, next_retry_at = excluded.next_retry_at"
)
_DUE = text(
    "SELECT uuid, event_id, timestamp, publish_timestamp FROM events"
    " WHERE instance_id = :instance AND next_retry_at <= now() ORDER BY next_retry_at LIMIT 500"
)
_NEXT_RETRY = text(
    "SELECT CAST(extract(epoch FROM min(next_retry_at) - now()) AS float8) FROM events"
    " WHERE instance_id = :instance AND next_retry_at IS NOT NULL"
)
_RENUMBERED = text(
    "SELECT uuid FROM events WHERE instance_id = :instance AND event_id = :event_id AND uuid <> CAST(:uuid AS uuid)"
)
_ATTRIBUTES = text(
    "SELECT uuid, hash, removed FROM event_attributes WHERE instance_id = :instance AND event_uuid = CAST(:uuid AS uuid)"
    " ORDER BY position"
)
_KEEP_ATTRIBUTE = text(
    "INSERT INTO event_attributes (instance_id, event_uuid, uuid, position, object_uuid, timestamp, hash, outputs, reason)"
    " VALUES (:instance, CAST(:event AS uuid), CAST(:uuid AS uuid), :position, CAST(:object AS uuid), :timestamp, :hash,"
    " :outputs, :reason)"
    " ON CONFLICT (instance_id, event_uuid, uuid) DO UPDATE SET position = excluded.position,"
    " object_uuid = excluded.object_uuid, timestamp = excluded.timestamp, hash = excluded.hash, outputs = excluded.outputs,"
    " reason = excluded.reason, removed = false"
)
_REMOVE_ATTRIBUTES = text(
    "UPDATE event_attributes SET removed = true WHERE instance_id = :instance AND event_uuid = CAST(:event AS uuid)"
    " AND uuid = ANY(CAST(:uuids AS uuid[]))"
)
_POSITION = text("SELECT publish_timestamp, etag FROM cursors WHERE instance_id = :instance")
_ADVANCE = text(
    "INSERT INTO cursors (instance_id, publish_timestamp, etag) VALUES (:instance, :reached, NULL)"
    " ON CONFLICT (instance_id) DO UPDATE SET publish_timestamp = greatest(cursors.publish_timestamp, excluded.publish_timestamp)"
)
_REMEMBER_ETAG = text("UPDATE cursors SET etag = :etag WHERE instance_id = :instance")


async def position(session: AsyncSession, *, instance: int) -> Position:
    """Where the last poll got to, without overlap."""
    row = (await session.execute(_POSITION, {"instance": instance})).one_or_none()
    return Position(row.publish_timestamp, row.etag) if row else Position(None)


async def advance(session: AsyncSession, *, instance: int, reached: int) -> None:
    """Only after everything up to there is committed."""
    await session.execute(_ADVANCE, {"instance": instance, "reached": reached})


async def remember_etag(session: AsyncSession, *, instance: int, etag: str | None) -> None:
    await session.execute(_REMEMBER_ETAG, {"instance": instance, "etag": etag})


async def known_events(session: AsyncSession, *, instance: int, uuids: Sequence[str]) -> dict[str, KnownEvent]:
    rows = await session.execute(_KNOWN, {"instance": instance, "uuids": list(uuids)})
    return {str(row.uuid): _known(row._mapping) for row in rows}


async def lock_event(session: AsyncSession, *, instance: int, head: Head) -> KnownEvent:
    """The event's row, made if it is new, held until the transaction ends."""
    await session.execute(_APPEAR, _values(instance, head))
    row = (await session.execute(_LOCKED, {"instance": instance, "uuid": head.uuid})).one()
    return _known(row._mapping)


async def sent(session: AsyncSession, *, instance: int, head: Head, payload_hash: str) -> None:
    await session.execute(_SENT, {**_values(instance, head), "payload_hash": payload_hash})


async def alert_of(session: AsyncSession, *, instance: int, uuid: str) -> tuple[str, str] | None:
    """Source and reference of the alert the event went into: by this instance, else by another one that folds."""
    await session.execute(_ONE_AT_A_TIME, {"uuid": uuid})
    row = (await session.execute(_ALERT_OF, {"instance": instance, "uuid": uuid})).one_or_none()
    return (row.alert_source, row.alert_ref) if row else None


async def goes_into(session: AsyncSession, *, instance: int, uuid: str, source: str, ref: str) -> None:
    await session.execute(_GOES_INTO, {"instance": instance, "uuid": uuid, "source": source, "ref": ref})


async def settled(session: AsyncSession, *, instance: int, head: Head, state: str, reason: str) -> None:
    """Filtered or gone: not read again until the source tells something new of it."""
    await session.execute(_SETTLED, {**_values(instance, head), "state": state, "reason": reason})


async def failed(session: AsyncSession, *, instance: int, head: Head, reason: str, known: KnownEvent | None) -> None:
    """Notes the failure and when to try again; after a day of tries the event waits for its next publication."""
    fresh = known is None or known.state != "failed" or known.is_news(head)
    retries = 1 if known is None or fresh else known.retries + 1
    if retries > GIVE_UP_AFTER:
        await settled(session, instance=instance, head=head, state="failed", reason=f"given up: {reason}")
        return
    pause = RETRY_SECONDS[min(retries, len(RETRY_SECONDS)) - 1]
    values = {**_values(instance, head), "reason": reason[:2000], "retries": retries, "pause": pause}
    await session.execute(_FAILED, values)


async def due_retries(session: AsyncSession, *, instance: int) -> list[Head]:
    """Failed events whose pause is over, as heads."""
    rows = await session.execute(_DUE, {"instance": instance})
    return [
        Head(
            str(r.uuid), r.event_id, r.timestamp, r.publish_timestamp, creator="", creator_uuid="", tags=(), attribute_count=None
        )
        for r in rows
    ]


async def seconds_to_next_retry(session: AsyncSession, *, instance: int) -> float | None:
    value = (await session.execute(_NEXT_RETRY, {"instance": instance})).scalar()
    return None if value is None else max(0.0, float(value))


async def others_with_number(session: AsyncSession, *, instance: int, head: Head) -> list[str]:
    """Other events known under this number: the server was rebuilt and gave its numbers anew."""
    if head.event_id is None:
        return []
    rows = await session.execute(_RENUMBERED, {"instance": instance, "event_id": head.event_id, "uuid": head.uuid})
    return [str(row.uuid) for row in rows]


async def known_attributes(session: AsyncSession, *, instance: int, uuid: str) -> dict[str, KnownAttribute]:
    rows = await session.execute(_ATTRIBUTES, {"instance": instance, "uuid": uuid})
    return {str(row.uuid): KnownAttribute(row.hash, row.removed) for row in rows}


async def keep_attributes(
    session: AsyncSession, *, instance: int, event: str, outcomes: Iterable[Outcome], changes: ChangeSet
) -> None:
    touched = {*changes.added, *changes.changed}
    rows = {
        outcome.attribute_uuid: {
            "instance": instance,
            "event": event,
            "uuid": outcome.attribute_uuid,
            "position": place,
            "object": outcome.object_uuid,
            "timestamp": outcome.timestamp,
            "hash": outcome.hash,
            "outputs": list(outcome.observables),
            "reason": outcome.reason,
        }
        for place, outcome in enumerate(outcomes)
        if outcome.attribute_uuid in touched
    }
    if rows:
        await session.execute(_KEEP_ATTRIBUTE, list(rows.values()))
    if changes.gone:
        values = {"instance": instance, "event": event, "uuids": list(changes.gone)}
        await session.execute(_REMOVE_ATTRIBUTES, values)


def _values(instance: int, head: Head) -> dict[str, Any]:
    return {
        "instance": instance,
        "uuid": head.uuid,
        "event_id": head.event_id,
        "timestamp": head.timestamp,
        "publish_timestamp": head.publish_timestamp,
    }


def _known(row: RowMapping) -> KnownEvent:
    return KnownEvent(
        timestamp=row["timestamp"],
        publish_timestamp=row["publish_timestamp"],
        payload_hash=row["payload_hash"],
        state=row["state"],
        revision=row["revision"],
        retries=row["retries"],
    )
