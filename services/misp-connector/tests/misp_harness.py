"""A connector's parts for tests: a database, a poller and one poll at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from misp_connector.instances import service
from misp_connector.instances.config import InstanceInput
from misp_connector.polling import lease
from misp_connector.polling.poller import Poller
from misp_connector.runtime import Runtime
from misp_connector.settings import Settings
from waggle.db import Scope
from waggle.security.secretbox import new_secret_key
from waggle.testing import ServiceDatabase

MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"
SERVICE_KEY = "s" * 43


@dataclass
class Connector:
    """A connector under test. Polls run in the test's own task."""

    runtime: Runtime
    poller: Poller
    names: ServiceDatabase

    async def add(self, name: str, url: str, *, key: str | None = "k" * 40, kind: str = "server", **options: Any) -> None:
        data = InstanceInput.model_validate(
            {"name": name, "kind": kind, "url": url, "key": key, "options": {"read_timeout": 5, **options}}
        )
        async with self.runtime.database.begin(Scope()) as session:
            await service.create_instance(session, data=data, secrets=self.runtime.secrets, actor="test", trusted=True)

    async def poll(self, name: str = "partner", *, since: int | None = None) -> None:
        """One whole poll of the instance, due or not."""
        async with self.runtime.database.begin(Scope()) as session:
            await service.request_poll(session, name=name, since=since, actor="test")
        await self.rows(
            "UPDATE instance_states SET next_poll_at = 'epoch' FROM instances WHERE id = instance_id AND name = $1", name
        )
        claimed = await self.claim()
        assert claimed is not None and claimed.instance.name == name
        await self.poller.poll(claimed)

    async def claim(self) -> lease.Lease | None:
        async with self.runtime.database.begin(Scope()) as session:
            return await lease.claim(session)

    async def rows(self, sql: str, *args: Any) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(self.names.owner_url)
        try:
            return [dict(row) for row in await connection.fetch(sql, *args)]
        finally:
            await connection.close()

    async def sent(self, kind: str = "alert.raised.v1") -> list[dict[str, Any]]:
        """The envelopes of a type in the outbox, in order."""
        rows = await self.rows("SELECT body FROM outbox WHERE topic = $1 ORDER BY seq", kind)
        return [json.loads(row["body"]) for row in rows]

    async def forget_sent(self) -> None:
        await self.rows("DELETE FROM outbox")

    async def state(self, name: str = "partner") -> dict[str, Any]:
        (row,) = await self.rows(
            "SELECT s.* FROM instance_states s JOIN instances i ON i.id = s.instance_id WHERE i.name = $1", name
        )
        return row

    async def events(self) -> dict[str, dict[str, Any]]:
        return {str(row["uuid"]): row for row in await self.rows("SELECT * FROM events")}


def settings_for(database: ServiceDatabase, folder: Path, **more: Any) -> Settings:
    return Settings(
        database_url=database.owner_url,
        database_app_url=database.app_url,
        database_system_url=database.system_url,
        blobs=str(folder / "blobs"),
        secret_keys=more.pop("secret_keys", new_secret_key()),
        service_keys={"hive": SERVICE_KEY},
        **more,
    )


def poller_of(runtime: Runtime) -> Poller:
    return Poller(
        database=runtime.database,
        blobs=runtime.blobs,
        secrets=runtime.secrets,
        guard=runtime.guard,
        notifier=runtime.notifier,
        claims_url=runtime.settings.claims_url,
        feed_folders=tuple(runtime.settings.feed_folders),
        parallel=runtime.settings.parallel_polls,
    )
