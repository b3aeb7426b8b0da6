"""A hive of a test's own: its database, its organisations and people, its application without a network in between."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import orjson
import pytest_asyncio
from fastapi import FastAPI
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import SecretStr

from hive.app import make_app
from hive.identity.caller import Caller, platform_caller
from hive.platform import Hive, build
from hive.seed import Seed, seed
from hive.settings import Settings
from waggle.security.keys import key_hash, key_prefix
from waggle.testing import Content, MakeDatabase, ServiceDatabase

MIGRATIONS = Path(__file__).parents[1] / "migrations"
LOGIN = "analyst@soc.example"
PASSWORD = "correct horse battery"
SECRET_KEY = base64.urlsafe_b64encode(bytes(32)).decode()
"""The same for all tests, because the databases they copy hold sealed values."""


@lru_cache(1)
def password_hash() -> str:
    """PASSWORD as argon2, made once per process: a hash costs more than most tests."""
    return PasswordHash((Argon2Hasher(),)).hash(PASSWORD)


@dataclass
class World:
    """Organisations `soc` and `other`, each with people of every profile; clients speak as one of them."""

    app: FastAPI
    hive: Hive
    settings: Settings
    owner: asyncpg.Connection
    organisations: dict[str, int]
    stack: AsyncExitStack
    _clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    def client(self, key: str | None = None, **headers: str) -> httpx.AsyncClient:
        """A client with an API key, or anonymous."""
        name = f"{key} {headers}"
        if name not in self._clients:
            sent = {**({"Authorization": f"Bearer {key}"} if key else {}), **headers}
            transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
            self._clients[name] = httpx.AsyncClient(transport=transport, base_url="http://hive.test", headers=sent)
        return self._clients[name]

    @property
    def anonymous(self) -> httpx.AsyncClient:
        return self.client()

    @property
    def soc(self) -> httpx.AsyncClient:
        """org-admin of `soc`."""
        return self.client("key-soc-org-admin")

    @property
    def reader(self) -> httpx.AsyncClient:
        """read-only in `soc`."""
        return self.client("key-soc-read-only")

    @property
    def other(self) -> httpx.AsyncClient:
        """org-admin of `other`."""
        return self.client("key-other-org-admin")

    @property
    def admin(self) -> httpx.AsyncClient:
        """Administrator of the platform."""
        return self.client("key-admin-admin")

    def platform(self, organisation: str = "soc") -> Caller:
        return platform_caller(self.organisations[organisation], organisation)

    async def person(self, login: str, organisation: str, profile: str, key: str) -> None:
        await employ(self.owner, self.organisations, login, organisation, profile, key)

    async def alert(self, client: httpx.AsyncClient | None = None, **fields: Any) -> dict[str, Any]:
        """A new alert as the API shows it."""
        body = {"type": "phishing", "source": "mail", "sourceRef": "1", "title": "Invoice", "description": "A mail", **fields}
        answer = await (client or self.soc).post("/api/v1/alert", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def case(self, client: httpx.AsyncClient | None = None, **fields: Any) -> dict[str, Any]:
        body = {"title": "Intrusion", "description": "Something happened", **fields}
        answer = await (client or self.soc).post("/api/v1/case", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def observable(self, case: str, client: httpx.AsyncClient | None = None, **fields: Any) -> dict[str, Any]:
        body = {"dataType": "domain", "data": "evil.example", **fields}
        answer = await (client or self.soc).post(f"/api/v1/case/{case}/observable", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json()[0])

    async def query(self, *steps: dict[str, Any], client: httpx.AsyncClient | None = None) -> Any:
        answer = await (client or self.soc).post("/api/v1/query", json={"query": list(steps)})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def outbox(self, topic: str) -> list[dict[str, Any]]:
        """The messages of a type that wait to leave, oldest first."""
        rows = await self.owner.fetch("SELECT body FROM outbox WHERE topic LIKE $1 || '%' ORDER BY seq", topic)
        return [row["body"] for row in rows]


def settings_for(database: ServiceDatabase, folder: Path) -> Settings:
    return Settings(
        database_url=SecretStr(database.owner_url), database_app_url=SecretStr(database.app_url),
        database_system_url=SecretStr(database.system_url), blobs=str(folder / "blobs"),
        secret_keys=[SecretStr(SECRET_KEY)], public_url="http://hive.test",
        service_keys={"cortex": SecretStr("cortex-service-key"), "misp-connector": SecretStr("misp-service-key")},
    )  # fmt: skip


async def organisations(owner: asyncpg.Connection) -> dict[str, int]:
    return {row["name"]: row["id"] for row in await owner.fetch("SELECT id, name FROM organisations")}


async def employ(
    owner: asyncpg.Connection, organisations: dict[str, int], login: str, organisation: str, profile: str, key: str
) -> None:
    """A person with a profile in an organisation, and a key."""
    user = await owner.fetchval(
        "INSERT INTO users (login, name, created_at, created_by) VALUES ($1, $1, 1, 'test')"
        " ON CONFLICT (login) DO UPDATE SET name = excluded.name RETURNING id",
        login,
    )
    org = organisations[organisation]
    await owner.execute(
        "INSERT INTO memberships (user_id, org_id, profile_id) SELECT $1, $2, id FROM profiles WHERE name = $3",
        user,
        org,
        profile,
    )
    await owner.execute(
        "INSERT INTO api_keys (user_id, org_id, name, prefix, hash, created_at, created_by)"
        " VALUES ($1, $2, 'test', $3, $4, 1, 'test')",
        user, org, key_prefix(key), key_hash(key),
    )  # fmt: skip


async def seeded(settings: Settings, database: ServiceDatabase) -> None:
    """The content of a new installation, as `hive seed` makes it."""
    platform = build(settings.model_copy(update={"database_system_url": SecretStr(database.owner_url)}))
    wanted = Seed.model_validate({"organisation": "soc", "cortex_servers": [{"name": "local", "kind": "bus"}]})
    async with platform.database.system() as session:
        await seed(session, wanted, passwords=platform.passwords, secrets=platform.secrets)
    await platform.database.close()


async def connected(database: ServiceDatabase) -> asyncpg.Connection:
    """The owner's connection: what a test prepares and looks at behind the service's back."""
    connection = await asyncpg.connect(database.owner_url)
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind, schema="pg_catalog", encoder=lambda v: orjson.dumps(v).decode(), decoder=orjson.loads
        )
    return connection


@pytest_asyncio.fixture
async def database(make_database: MakeDatabase) -> ServiceDatabase:
    return await make_database("hive", migrations=MIGRATIONS)


async def inhabited(database: ServiceDatabase) -> None:
    """A seeded hive with two organisations and a person of every profile in each."""
    with tempfile.TemporaryDirectory() as folder:
        await seeded(settings_for(database, Path(folder)), database)
    owner = await connected(database)
    await owner.execute(
        "INSERT INTO organisations (name, description, created_at, created_by) VALUES ('other', 'Other', 1, 'test')"
    )
    for organisation in ("soc", "other"):
        for profile in ("org-admin", "analyst", "read-only"):
            login, key = f"{profile}@{organisation}.example", f"key-{organisation}-{profile}"
            await employ(owner, await organisations(owner), login, organisation, profile, key)
    await employ(owner, await organisations(owner), "root@admin.example", "admin", "admin", "key-admin-admin")
    await owner.execute("UPDATE users SET password_hash = $1 WHERE login = $2", password_hash(), LOGIN)
    await owner.close()


@pytest_asyncio.fixture
async def world(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[World]:
    database = await make_database("hive", migrations=MIGRATIONS, content=Content("world", inhabited))
    settings = settings_for(database, tmp_path)
    owner = await connected(database)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(owner.close)
        app = make_app(settings, None)
        await stack.enter_async_context(app.router.lifespan_context(app))
        made = World(app, app.state.hive, settings, owner, await organisations(owner), stack)
        yield made
        for client in made._clients.values():
            await client.aclose()
