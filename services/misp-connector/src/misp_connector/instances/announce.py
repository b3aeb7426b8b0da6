"""Telling hive how an instance is: only when something it shows has changed."""

from __future__ import annotations

import orjson
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from misp_connector.instances import queries
from misp_connector.instances.model import Instance, State, instance_of, state_of
from misp_connector.publishing.envelopes import envelope_of
from waggle.contracts.messages.misp import MispInstanceChanged
from waggle.ids import uuid7
from waggle.messaging.outbox import enqueue


def status_word(instance: Instance, state: State) -> str:
    """`DISABLED`, `ERROR`, `OK`, or `PENDING` before the first poll has ended."""
    if not instance.enabled:
        return "DISABLED"
    if state.last_error is not None or state.unknown_organisations:
        return "ERROR"
    return "OK" if state.last_ok is not None or not instance.imports else "PENDING"


def problem(state: State) -> str | None:
    """What is wrong, in a line; None when nothing is."""
    if state.unknown_organisations:
        return f"hive has no organisation {', '.join(state.unknown_organisations)}"
    return state.last_error


async def announce(session: AsyncSession, *, instance_id: int) -> None:
    """Writes `misp.instance_changed.v1` in the caller's transaction, unless hive was told the same before."""
    row = (await session.execute(queries.BY_ID, {"id": instance_id})).one()
    instance, state = instance_of(row._mapping), state_of(row._mapping)
    await _tell(session, row, instance, state, status_word(instance, state))


async def announce_removed(session: AsyncSession, *, row: Row[tuple[object, ...]]) -> None:
    """The last word about an instance that is being deleted."""
    await _tell(session, row, instance_of(row._mapping), state_of(row._mapping), "REMOVED")


async def _tell(session: AsyncSession, row: Row[tuple[object, ...]], instance: Instance, state: State, status: str) -> None:
    shown = {
        "url": instance.url,
        "purpose": instance.purpose,
        "status": status,
        "version": state.server_version,
        "last_error": problem(state),
    }
    if row._mapping["announced"] == shown:
        return
    message = MispInstanceChanged.model_validate({"name": instance.name, "last_ok": state.last_ok, **shown})
    await enqueue(session, [envelope_of(message, id=uuid7(), key=f"instance:{instance.name}")])
    await session.execute(queries.ANNOUNCED, {"id": instance.id, "announced": orjson.dumps(shown).decode()})
