"""The work beside the API: relay, consumers, polling of remote Cortexes, upkeep. In `hive serve` or apart in `hive work`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from hive import upkeep
from hive.analysis.polling import poll
from hive.classic.webhooks import Webhooks
from hive.events.consumers import subscribe
from hive.misp import pushing
from hive.platform import OUTBOX_CHANNEL, Hive
from waggle.messaging import Bus
from waggle.messaging.outbox import Relay


@contextlib.asynccontextmanager
async def watching(bus: Bus) -> AsyncIterator[None]:
    """The bus without any work on it, to show its queues."""
    await bus.start()
    try:
        yield
    finally:
        await bus.close()


@contextlib.asynccontextmanager
async def working(hive: Hive, bus: Bus) -> AsyncIterator[None]:
    """Runs all of it while the block runs; leaving it lets handlers end first."""
    await bus.start()
    await subscribe(hive, bus)
    tasks = [
        asyncio.create_task(Relay(hive.database, bus, OUTBOX_CHANNEL).run(), name="relay"),
        asyncio.create_task(poll(hive), name="cortex polling"),
        asyncio.create_task(upkeep.run(hive), name="upkeep"),
        asyncio.create_task(pushing.run(hive), name="exports kept up to date"),
        asyncio.create_task(Webhooks(hive).run(), name="webhooks"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await bus.close()
