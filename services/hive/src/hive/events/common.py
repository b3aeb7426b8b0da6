"""What all consumers do: read a message's data wherever it is, and act for the organisation of its envelope."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from hive.analysis.reports import storable
from hive.identity.caller import Caller, platform_caller
from hive.neighbours import fetch_data
from hive.platform import Hive
from waggle.contracts.envelope import Envelope
from waggle.contracts.messages.base import Message
from waggle.messaging import Delivery, Poison
from waggle.messaging.inbox import first_time

M = TypeVar("M", bound=Message)


async def message_of(hive: Hive, delivery: Delivery, kind: type[M]) -> M:
    """The checked data of a delivery; fetched from its owner where the envelope only names it. Raises Poison or Retry."""
    if delivery.message is not None:
        if not isinstance(delivery.message, kind):
            raise Poison(f"a {kind.type} was expected")
        return _storable(delivery.message)
    reference = delivery.envelope.data_ref
    if reference is None:
        raise Poison("the envelope has no data")
    body = await fetch_data(hive, str(reference.url), sha256=reference.sha256, size=reference.size)
    try:
        return _storable(kind.model_validate_json(body))
    except ValidationError as error:
        raise Poison(f"invalid {kind.type}: {error.errors(include_url=False)[0]['msg']}") from error


def _storable(message: M) -> M:
    """The message without NUL characters, which no text column holds; nearly always the message itself."""
    if "\\u0000" not in message.model_dump_json():
        return message
    return type(message).model_validate(storable(message.model_dump(mode="json", by_alias=True)))


async def caller_for(hive: Hive, envelope: Envelope) -> Caller:
    """The platform acting for the envelope's organisation. Raises Poison where there is none of that name."""
    if envelope.organisation is None:
        raise Poison("the message names no organisation")
    rows = await hive.database.fetch(
        "SELECT id, name FROM organisations WHERE lower(name) = lower($1)", envelope.organisation, system=True
    )
    if not rows:
        raise Poison(f"there is no organisation {envelope.organisation}")
    return platform_caller(rows[0]["id"], rows[0]["name"])


@asynccontextmanager
async def once(hive: Hive, delivery: Delivery, caller: Caller) -> AsyncIterator[AsyncSession | None]:
    """One transaction for one message in the caller's organisation; None when the message took effect before."""
    async with hive.database.begin(caller.scope()) as session:
        fresh = await first_time(session, delivery.queue, delivery.envelope.id)
        yield session if fresh else None
    hive.wake()
