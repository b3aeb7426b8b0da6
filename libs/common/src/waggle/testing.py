"""pytest fixtures of every package: the embedded PostgreSQL, and databases made from a migrated template.

Loaded by the root `conftest.py`. One cluster serves all workers of a test run; each database is a copy of a template that is
migrated once, so a test pays a few milliseconds for a database of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import importlib
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy.engine import make_url

from waggle.db.migrate import Roles, upgrade

PASSWORD = "only-for-tests"  # noqa: S105
ROOM = 4 * 1024**3


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server for tests; `url` is a superuser's DSN."""

    url: str

    def database_url(self, database: str, user: str | None = None) -> str:
        url = make_url(self.url).set(database=database)
        if user:
            url = url.set(username=user, password=PASSWORD)
        return url.render_as_string(hide_password=False)


@dataclass(frozen=True)
class ServiceDatabase:
    """A fresh, migrated database: the DSNs of its owner and of the service's two logins."""

    name: str
    owner_url: str
    app_url: str
    system_url: str


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _in_memory() -> str | None:
    """A folder in memory where there is room for one: a database is hundreds of files, made and removed by each test."""
    shared = Path("/dev/shm")  # noqa: S108
    if shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > ROOM:
        return str(shared)
    return None


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Server]:
    """The run's PostgreSQL: the first worker that asks starts it, the last one to end stops it."""
    launcher: Any = importlib.import_module("launcher.postgres")
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    users = shared / "postgres-users.json"
    with _locked(shared / "postgres.lock"):
        state: dict[str, Any] = json.loads(users.read_text()) if users.exists() else {"count": 0}
        cluster = None
        if state["count"] == 0:
            folder = Path(tempfile.mkdtemp(prefix="waggle-pg-", dir=_in_memory()))
            fast = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "256MB"}
            cluster = launcher.start(folder, die_with_parent=False, settings=fast)
            state = {"count": 0, "url": cluster.url, "pid": cluster.process.pid, "folder": str(folder)}
        state["count"] += 1
        users.write_text(json.dumps(state))
    yield Server(str(state["url"]))
    with _locked(shared / "postgres.lock"):
        state = json.loads(users.read_text())
        state["count"] -= 1
        users.write_text(json.dumps(state))
        if state["count"] == 0:
            launcher.stop_by_pid(state["pid"], Path(state["folder"]))


MakeDatabase = Callable[..., Awaitable[ServiceDatabase]]


@dataclass(frozen=True)
class Content:
    """What every copy of a template holds from the start: made once per run by `fill`, which must leave no connection open."""

    name: str
    fill: Callable[[ServiceDatabase], Awaitable[None]]


@pytest_asyncio.fixture
async def make_database(postgres: Server) -> AsyncIterator[MakeDatabase]:
    """`await make_database("hive", migrations=Path(...))` → a fresh database, with `content` where it is given; it is dropped
    after the test."""
    made: list[str] = []

    async def make(service: str, *, migrations: Path, content: Content | None = None) -> ServiceDatabase:
        template = await asyncio.to_thread(_template, postgres, service, migrations, content)
        name = f"{service}_{secrets.token_hex(6)}"
        admin = await asyncpg.connect(postgres.url)
        try:
            await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
            for role in (f"{service}_app", f"{service}_system"):
                await admin.execute(f'GRANT CONNECT ON DATABASE "{name}" TO {role}')
        finally:
            await admin.close()
        made.append(name)
        return _service_database(postgres, service, name)

    yield make
    admin = await asyncpg.connect(postgres.url)
    for name in made:
        await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    await admin.close()


def _service_database(server: Server, service: str, name: str) -> ServiceDatabase:
    app, system = server.database_url(name, f"{service}_app"), server.database_url(name, f"{service}_system")
    return ServiceDatabase(name, server.database_url(name), app, system)


def _template(server: Server, service: str, migrations: Path, content: Content | None) -> str:
    """The template database of a service, made once per run: its migrations' tables, and the content."""
    digest = hashlib.sha256()
    for file in sorted(migrations.rglob("*.py")) + sorted(migrations.rglob("*.sql")):
        digest.update(file.read_bytes())
    name = f"template_{service}_{content.name if content else 'empty'}_{digest.hexdigest()[:12]}"
    port = make_url(server.url).port
    with _locked(Path(tempfile.gettempdir()) / f"waggle-template-{os.getuid()}-{port}.lock"):
        asyncio.run(_make_template(server, service, name, migrations, content))
    return name


async def _make_template(server: Server, service: str, name: str, migrations: Path, content: Content | None) -> None:
    admin = await asyncpg.connect(server.url)
    try:
        if await admin.fetchval("SELECT true FROM pg_database WHERE datname = $1 AND datistemplate", name):
            return
        await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await admin.execute(f'CREATE DATABASE "{name}"')
        database = _service_database(server, service, name)
        await upgrade(database.owner_url, migrations, Roles(database.app_url, database.system_url))
        if content is not None:
            await content.fill(database)
        await admin.execute(f'ALTER DATABASE "{name}" WITH IS_TEMPLATE true')
    finally:
        await admin.close()


async def until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """The first true value of `condition`, which may be asynchronous; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {condition}")
