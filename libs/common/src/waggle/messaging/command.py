"""The command `<service> queues`: the same view as the API's, for when there is no API or no key at hand."""

from __future__ import annotations

import argparse
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from waggle.errors import BadRequest, Unavailable
from waggle.messaging.bus import Bus
from waggle.messaging.keeper import QueueKeeper

OUTBOX: Final = "outbox"
"""The name that stands for the outbox in place of a queue's."""
COLUMNS: Final = ("queue", "ready", "delayed", "in hand", "dead")
SHOWN: Final = 500


async def run(arguments: argparse.Namespace, keeper: QueueKeeper, bus: Bus) -> str:
    """Carries the command out and returns what to print. Raises WaggleError. `bus` is the keeper's; it is started here."""
    await bus.start()
    try:
        if arguments.resend:
            return await _resend(keeper, *arguments.resend)
        if arguments.dead:
            return await _dead(keeper, arguments.dead)
        return await _overview(keeper)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError) as error:
        raise Unavailable(f"the database does not answer: {error or type(error).__name__}") from error
    finally:
        await bus.close()


async def _overview(keeper: QueueKeeper) -> str:
    outbox = await keeper.outbox()
    line = f"outbox: {outbox.waiting} waiting (the oldest for {outbox.oldest_seconds:.0f} s), {outbox.refused} refused"
    try:
        depths = await keeper.depths()
    except Unavailable as error:
        raise Unavailable(f"{error.message}\n{line}") from error
    rows = [COLUMNS, *((n, *map(str, (d.ready, d.delayed, d.in_hand, d.dead))) for n, d in sorted(depths.items()))]
    width = max(len(row[0]) for row in rows)
    return "\n".join([*(f"{name:<{width}}" + "".join(f"{n:>9}" for n in numbers) for name, *numbers in rows), line])


async def _dead(keeper: QueueKeeper, queue: str) -> str:
    if queue == OUTBOX:
        found = [f"{m.message_id}  {m.topic}: {_one_line(m.reason)}" for m in await keeper.refused(limit=SHOWN)]
        return "\n".join(found) or "the bus has refused nothing"
    letters = await keeper.dead(queue, limit=SHOWN)
    return "\n".join(f"{m.message_id}  attempt {m.attempts}: {_one_line(m.reason)}" for m in letters) or "no dead letters"


async def _resend(keeper: QueueKeeper, queue: str, given: str) -> str:
    try:
        message_id = UUID(given)
    except ValueError:
        raise BadRequest(f"{given} is not the id of a message") from None
    if queue == OUTBOX:
        await keeper.try_again(message_id)
        return f"{message_id} will be tried again"
    await keeper.resend(queue, message_id)
    return f"{message_id} is back in {queue}"


def _one_line(text: str) -> str:
    """Without the control characters that what was received may hold: a terminal would obey them."""
    return "".join(c if c.isprintable() else " " for c in text)[:300]
