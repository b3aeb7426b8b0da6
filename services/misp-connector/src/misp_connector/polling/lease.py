"""One poller per instance: a lease in the database, taken, kept and given back by its clock."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from misp_connector.instances.model import Instance, instance_of
from misp_connector.sources.source import Status
from waggle.ids import now_ms

LEASE_SECONDS = 30.0

# next_poll_at null marks a poll that runs; a request meanwhile sets it, and finishing then leaves it alone
_CLAIM = text(
    "UPDATE instance_states s SET lease_until = now() + make_interval(secs => :seconds), lease_holder = :holder,"
    " next_poll_at = NULL, last_started = :now FROM instances i WHERE i.id = s.instance_id AND s.instance_id = ("
    " SELECT d.instance_id FROM instance_states d JOIN instances o ON o.id = d.instance_id"
    " WHERE o.enabled AND o.purpose <> 'ExportOnly' AND (d.lease_until < now()"
    " OR (d.lease_until IS NULL AND (d.next_poll_at <= now() OR d.next_poll_at IS NULL)))"
    " ORDER BY d.next_poll_at NULLS FIRST LIMIT 1 FOR UPDATE OF d SKIP LOCKED)"
    " RETURNING i.id, i.name, i.kind, i.url, i.key_sealed, i.options, i.enabled, i.purpose, i.managed, i.trusted, i.version"
)
_KEEP = text(
    "UPDATE instance_states SET lease_until = now() + make_interval(secs => :seconds)"
    " WHERE instance_id = :id AND lease_holder = :holder RETURNING true"
)
_RELEASE = text(
    "UPDATE instance_states SET lease_until = NULL, lease_holder = NULL, next_poll_at = now()"
    " WHERE instance_id = :id AND lease_holder = :holder"
)

_FINISH = text(
    "UPDATE instance_states SET lease_until = NULL, lease_holder = NULL,"
    " next_poll_at = coalesce(next_poll_at, now() + make_interval(secs => :pause)),"
    " last_ok = coalesce(:ok, last_ok), last_error = :error,"
    " failures = CASE WHEN CAST(:error AS text) IS NULL THEN 0 ELSE failures + 1 END,"
    " server_version = coalesce(:version, server_version), role = coalesce(CAST(:role AS jsonb), role)"
    " WHERE instance_id = :id AND lease_holder = :holder RETURNING true"
)
_FAILURES = text("SELECT failures FROM instance_states WHERE instance_id = :id")


@dataclass(frozen=True, slots=True)
class Lease:
    instance: Instance
    holder: UUID


async def claim(session: AsyncSession) -> Lease | None:
    """The instance that has been due for longest, one whose poller was lost included; None when none is due."""
    holder = uuid4()
    found = await session.execute(_CLAIM, {"seconds": LEASE_SECONDS, "holder": holder, "now": now_ms()})
    row = found.one_or_none()
    return Lease(instance_of(row._mapping), holder) if row else None


async def keep(session: AsyncSession, lease: Lease) -> bool:
    """False when the lease was lost: the instance was changed, deleted or taken over."""
    values = {"seconds": LEASE_SECONDS, "id": lease.instance.id, "holder": lease.holder}
    return (await session.execute(_KEEP, values)).scalar() is not None


async def release(session: AsyncSession, lease: Lease) -> None:
    """Gives the instance back unfinished: it is due again at once."""
    await session.execute(_RELEASE, {"id": lease.instance.id, "holder": lease.holder})


async def failures(session: AsyncSession, lease: Lease) -> int:
    """How many polls have failed in a row before this one."""
    return int((await session.execute(_FAILURES, {"id": lease.instance.id})).scalar_one_or_none() or 0)


async def finish(
    session: AsyncSession, lease: Lease, *, pause: float, error: str | None = None, status: Status | None = None
) -> bool:
    """Ends a poll: `pause` seconds until the next, unless one was asked for meanwhile. False when the lease was lost."""
    values = {
        "id": lease.instance.id,
        "holder": lease.holder,
        "pause": pause,
        "ok": now_ms() if error is None else None,
        "error": error,
        "version": status.version if status else None,
        "role": orjson.dumps(status.role).decode() if status and status.role is not None else None,
    }
    return (await session.execute(_FINISH, values)).scalar() is not None
