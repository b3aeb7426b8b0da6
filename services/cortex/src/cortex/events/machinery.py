"""What runs beside the API, on the same loop or in a process of its own: relay, announcer, consumer, retention."""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy import text

from cortex.engine import Engine
from cortex.events.announcer import Announcer
from cortex.events.fetching import Neighbours
from cortex.events.outgoing import Outgoing
from cortex.events.requests import Consumer
from cortex.jobs.retention import Keep, Retention
from waggle.messaging import Bus, BusSettings, make_bus
from waggle.messaging.outbox import Relay
from waggle.messaging.rights import cortex_analysis

log = structlog.get_logger(__name__)
_ALL_CATALOGS = text("INSERT INTO announcements (what, org_id) SELECT DISTINCT 'catalog', org_id FROM service_links")


class Machinery:
    """Without a bus nobody asks over one; the announcer runs all the same, because runners announce regardless."""

    def __init__(self, engine: Engine, bus: BusSettings | None) -> None:
        settings = engine.settings
        outgoing = Outgoing(sender=settings.sender, claims_url=settings.claims_url, blobs=engine.blobs)
        self._engine = engine
        self._bus: Bus | None = make_bus(bus) if bus else None
        self._announcer = Announcer(engine.database, engine.notifier, outgoing)
        self._neighbours = Neighbours(settings.neighbour_keys, limit=settings.max_attachment)
        self._consumer = Consumer(engine, outgoing, self._neighbours)
        keep = Keep(settings.retention_days, settings.retention_jobs)
        self._retention = Retention(engine.database, engine.blobs, keep)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def bus(self) -> Bus | None:
        return self._bus

    def listen(self) -> None:
        """To be called before the engine's listener starts."""
        self._engine.listener.on("announcements", self._announcer.wake)

    async def start(self) -> None:
        self._tasks.append(asyncio.create_task(self._announcer.run()))
        self._tasks.append(asyncio.create_task(self._retention.run()))
        if self._bus is None:
            return
        await self._bus.start()
        self._tasks.append(asyncio.create_task(Relay(self._engine.database, self._bus).run()))
        await self._bus.subscribe(cortex_analysis(self._engine.settings.instance), self._consumer.handle)
        async with self._engine.database.system() as session:
            await session.execute(_ALL_CATALOGS)
        self._announcer.wake()

    async def stop(self) -> None:
        """Lets the messages in hand end, then stops."""
        if self._bus is not None:
            await self._bus.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._neighbours.close()

    async def check(self) -> None:
        """Raises while the broker does not answer."""
        if self._bus is not None and not self._bus.healthy:
            raise ConnectionError("the bus does not answer")
