"""A connector's parts for tests: a database, a poller, one poll at a time, and the bus where it is needed."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy.engine import make_url

from misp_connector.instances import service
from misp_connector.instances.config import InstanceInput
from misp_connector.polling import lease
from misp_connector.polling.poller import Poller
from misp_connector.runtime import Runtime
from misp_connector.settings import Settings
from waggle.db import Scope
from waggle.messaging import Keyring, Sender, Signer
from waggle.messaging.postgres import PostgresBus
from waggle.messaging.postgres_schema import install
from waggle.security.secretbox import new_secret_key
from waggle.testing import PASSWORD, Server, ServiceDatabase

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


@dataclass
class TestBus:
    """A bus of its own in the run's PostgreSQL, with the logins and signing keys of two services."""

    __test__ = False

    urls: dict[str, str]
    keys: dict[str, Signer]
    private: dict[str, str]

    def open(self, service: str) -> PostgresBus:
        return PostgresBus(self.urls[service], signer=self.keys[service], keyring=self.keyring())

    def keyring(self) -> Keyring:
        return Keyring({name: Sender((signer.public_key,)) for name, signer in self.keys.items()})

    def environment(self, service: str) -> dict[str, str]:
        senders = {name: {"keys": [signer.public_key]} for name, signer in self.keys.items()}
        return {
            "BUS_DATABASE_URL": self.urls[service],
            "WAGGLE_SIGNING_KEY": self.private[service],
            "WAGGLE_SENDERS": json.dumps(senders),
        }


@asynccontextmanager
async def bus_in(server: Server) -> AsyncIterator[TestBus]:
    mark = secrets.token_hex(5)
    database = f"bus_{mark}"
    logins = {"hive": f"hive_{mark}", "misp-connector": f"misp_{mark}"}
    admin = await asyncpg.connect(server.url)
    await admin.execute(f"CREATE DATABASE {database}")
    for login in logins.values():
        await admin.execute(f"CREATE ROLE {login} LOGIN PASSWORD '{PASSWORD}'")
    owner = make_url(server.url).set(database=database).render_as_string(hide_password=False)
    await install(owner, {login: name for name, login in logins.items()})  # type: ignore[misc]
    private = {name: Signer.new_key() for name in logins}
    yield TestBus(
        urls={name: server.database_url(database, login) for name, login in logins.items()},
        keys={name: Signer(key) for name, key in private.items()},
        private=private,
    )
    await admin.execute(f"DROP DATABASE {database} WITH (FORCE)")
    for login in logins.values():
        await admin.execute(f"DROP ROLE {login}")
    await admin.close()
