"""A connector of its own for each test, without the bus: what leaves is read from the outbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from misp_harness import MIGRATIONS, Connector, Exporting, exporting_of, poller_of, settings_for

from misp_connector.receivers.service import set_default_receivers
from misp_connector.runtime import open_runtime
from waggle.db import Scope
from waggle.testing import MakeDatabase, Server, ServiceDatabase
from waggle.testing_bus import TestBus, bus_in


@pytest_asyncio.fixture
async def database(make_database: MakeDatabase) -> ServiceDatabase:
    return await make_database("misp", migrations=MIGRATIONS)


@pytest_asyncio.fixture
async def connector(database: ServiceDatabase, tmp_path: Path) -> AsyncIterator[Connector]:
    runtime = open_runtime(settings_for(database, tmp_path))
    async with runtime.database.begin(Scope()) as session:
        await set_default_receivers(session, organisations=["soc"], actor="test")
    yield Connector(runtime, poller_of(runtime), database)
    await runtime.stop()


@pytest_asyncio.fixture
async def exporting(connector: Connector) -> Exporting:
    return exporting_of(connector)


@pytest_asyncio.fixture
async def bus(postgres: Server) -> AsyncIterator[TestBus]:
    async with bus_in(postgres) as made:
        yield made
