"""Following the changes of an organisation live: from now on, or from where the follower was (`Last-Event-ID`).

For other ways to follow than server-sent events (the classic long poll): `hive.audit.history` has `newest`, `after` and `latest`;
`Streams.wait` returns as soon as there may be something new.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from hive.audit.history import BATCH, LAST_ID, Position, after, change_out
from hive.identity.caller import Caller
from hive.platform import AUDIT_CHANNEL, Hive
from hive.stream.fanout import FanOut, encoded
from waggle.waiting import wait_at_most

POSITION = re.compile(r"(\d{1,19})-(\d{1,19})", re.ASCII)


def position_of(text: str | None) -> Position | None:
    """The position a browser sends back as Last-Event-ID."""
    found = POSITION.fullmatch(text or "")
    return Position(min(int(found[1]), LAST_ID), min(int(found[2]), LAST_ID)) if found else None


class Streams:
    """The open streams of this process, all fed by one reader."""

    def __init__(self, hive: Hive) -> None:
        self._hive = hive
        self._fanout = FanOut(hive)
        self._changed = asyncio.Event()
        hive.listener.on(AUDIT_CHANNEL, self._wake)

    def _wake(self) -> None:
        self._fanout.wake()
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, seconds: float) -> bool:
        """Returns when something was written since the call, or after `seconds`; whether something was."""
        return await wait_at_most(self._changed, seconds)

    async def stop(self) -> None:
        await self._fanout.stop()

    async def follow(self, caller: Caller, position: Position | None) -> AsyncIterator[bytes]:
        """Encoded events from `position` (None: from now) on, until the caller is no member any more or falls too far behind."""
        stream, joined = await self._fanout.open(caller)
        try:
            while position is not None:
                async with self._hive.database.begin(caller.scope()) as session:
                    missed = await after(session, caller, position, to=joined)
                if missed:
                    position = missed[-1].position
                    yield b"".join(encoded(change_out(change), change.position) for change in missed)
                if len(missed) < BATCH:
                    position = None
            while True:
                await stream.news.wait()
                if taken := stream.take():
                    yield taken
                elif stream.ended:
                    return
        finally:
            self._fanout.close(stream)
