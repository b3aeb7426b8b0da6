"""The parts of a running connector, put together once: API, poller, consumers and relay share them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import structlog
from fastapi import Request

from misp_connector.claims.retention import run_retention
from misp_connector.events.consumers import Commands
from misp_connector.exporting.exporter import CHANNEL as EXPORTS
from misp_connector.exporting.exporter import Exporter
from misp_connector.exporting.neighbours import Neighbours
from misp_connector.polling.poller import CHANNEL, Poller
from misp_connector.settings import Settings
from waggle.blobs import BlobStore, open_store
from waggle.db import Database
from waggle.db.notify import Listener, Notifier
from waggle.messaging import Bus, BusSettings, make_bus
from waggle.messaging.outbox import Relay
from waggle.messaging.rights import MISP_COMMANDS
from waggle.security.outbound import OutboundGuard
from waggle.security.secretbox import SecretBox

log = structlog.get_logger(__name__)


class BusNotReady(Exception):
    """The broker cannot be reached now; messages wait in the outbox."""


@dataclass(slots=True)
class Runtime:
    """Opened by `open_runtime`. A process that only answers requests may have a `bus`, to show its queues, but no tasks."""

    settings: Settings
    database: Database
    blobs: BlobStore
    secrets: SecretBox
    guard: OutboundGuard
    notifier: Notifier
    bus: Bus | None = None
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def watch(self, bus: Bus) -> None:
        """The bus without any work on it."""
        self.bus = bus
        await bus.start()

    async def start_work(self, bus: Bus) -> None:
        """Poller, exporter, consumers, relay and retention, on this loop until `stop`."""
        await self.watch(bus)
        await bus.subscribe(MISP_COMMANDS, Commands(self.database, self.notifier))
        poller = Poller(
            database=self.database,
            blobs=self.blobs,
            secrets=self.secrets,
            guard=self.guard,
            notifier=self.notifier,
            claims_url=self.settings.claims_url,
            feed_folders=tuple(self.settings.feed_folders),
            parallel=self.settings.parallel_polls,
        )
        exporter = Exporter(
            database=self.database,
            blobs=self.blobs,
            secrets=self.secrets,
            guard=self.guard,
            notifier=self.notifier,
            neighbours=Neighbours(self.settings.neighbour_keys, self.guard),
            claims_url=self.settings.claims_url,
            parallel=self.settings.parallel_exports,
        )
        listener = Listener(self.database.app_url)
        listener.on(CHANNEL, poller.wake)
        listener.on(EXPORTS, exporter.wake)
        listener.start()
        for name, work in (
            ("poller", poller.run()),
            ("exporter", exporter.run()),
            ("relay", Relay(self.database, bus).run()),
            ("retention", run_retention(self.database, self.blobs, days=self.settings.blob_days)),
            ("listener", _until_cancelled(listener)),
        ):
            self._tasks.append(asyncio.create_task(work, name=name))

    async def stop(self) -> None:
        """Lets the handlers that run end, gives the polls back, and closes everything."""
        for task in self._tasks:
            task.cancel()
        for task, result in zip(self._tasks, await asyncio.gather(*self._tasks, return_exceptions=True), strict=True):
            if isinstance(result, Exception):
                log.error("task_died", task=task.get_name(), exc_info=result)
        if self.bus is not None:
            await self.bus.close()
        await self.database.close()

    async def check_bus(self) -> None:
        """Requests are answered without the bus: only a process that works needs it."""
        if self._tasks and self.bus is not None and not self.bus.healthy:
            raise BusNotReady

    async def check_work(self) -> None:
        """Raises when one of the tasks that never end has ended."""
        for task in self._tasks:
            if task.done():
                raise RuntimeError(f"{task.get_name()} has stopped")


def open_runtime(settings: Settings) -> Runtime:
    database = Database(
        settings.database_app_url.get_secret_value(),
        settings.database_system_url.get_secret_value(),
        application_name="misp-connector",
        pool_size=settings.database_pool,
    )
    return Runtime(
        settings=settings,
        database=database,
        blobs=open_store(settings.blobs),
        secrets=SecretBox([key.get_secret_value() for key in settings.secret_keys]),
        guard=OutboundGuard(settings.outbound_allow),
        notifier=Notifier(database),
    )


@contextlib.asynccontextmanager
async def running(settings: Settings, *, bus: Bus | None, works: bool = True) -> AsyncIterator[Runtime]:
    """A runtime for as long as the block; with a bus it also works, or only looks at it."""
    runtime = open_runtime(settings)
    try:
        if bus is not None:
            await (runtime.start_work(bus) if works else runtime.watch(bus))
        yield runtime
    finally:
        await runtime.stop()


def configured_bus() -> Bus:
    return make_bus(BusSettings())


def named_bus() -> Bus | None:
    """The bus of a process that can do without."""
    given = BusSettings.given()
    return make_bus(given) if given else None


def runtime_of(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


async def _until_cancelled(listener: Listener) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await listener.stop()
