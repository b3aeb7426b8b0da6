"""A cortex database, analyzers made on the spot, and a real runner as its own process."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import orjson
import pytest
import pytest_asyncio
from docker_daemon import daemon
from fastapi import FastAPI
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import SecretStr

from cortex.app import build
from cortex.definitions.service import rescan
from cortex.engine import Engine
from cortex.identity.keys import set_key
from cortex.identity.models import Organisation, User
from cortex.identity.service import create_organisation, create_user
from cortex.seed import MAKER
from cortex.settings import Settings
from waggle.blobs import open_store
from waggle.blobs.local import LocalBlobs
from waggle.ids import now_ms, uuid7
from waggle.security.secretbox import SecretBox, new_secret_key
from waggle.testing import MakeDatabase, ServiceDatabase
from waggle.web.access import routes_of

__all__ = ["daemon"]
MIGRATIONS = Path(__file__).parents[1] / "migrations"
REPOSITORY = Path(__file__).parents[3]


@pytest_asyncio.fixture
async def database(make_database: MakeDatabase) -> ServiceDatabase:
    return await make_database("cortex", migrations=MIGRATIONS)


@pytest_asyncio.fixture
async def owner(database: ServiceDatabase) -> AsyncIterator[asyncpg.Connection]:
    """The owner's connection: what a test looks at and prepares behind the service's back."""
    connection = await asyncpg.connect(database.owner_url)
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=lambda v: orjson.dumps(v).decode(), decoder=orjson.loads
    )
    yield connection
    await connection.close()


@dataclass
class Bench:
    """Analyzers, jobs and runners for tests of the runner. One organisation, `lab`, unless another is named."""

    owner: asyncpg.Connection
    database: ServiceDatabase
    folder: Path
    secret_key: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def jobs_folder(self) -> Path:
        return self.folder / "jobs"

    @property
    def blobs(self) -> LocalBlobs:
        store = open_store(str(self.folder / "blobs"))
        assert isinstance(store, LocalBlobs)
        return store

    async def organisation(self, name: str) -> str:
        await self.owner.execute(
            "INSERT INTO organisations (id, description, status, created_at, created_by) VALUES ($1, '', 'Active', 0, 'test')"
            " ON CONFLICT DO NOTHING",
            name,
        )
        return name

    def program(self, name: str, source: str, *, first_line: str = "#!/usr/bin/env python3", mode: int = 0o755) -> Path:
        path = self.folder / "analyzers" / name / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{first_line}\n{textwrap.dedent(source)}", newline="")
        path.chmod(mode)
        return path

    async def worker(
        self,
        command: Path | str | None,
        *,
        name: str = "Test_1_0",
        org: str = "lab",
        kind: str = "analyzer",
        config: dict[str, Any] | None = None,
        flavor_config: dict[str, Any] | None = None,
        timeout_minutes: int | None = None,
    ) -> str:
        """An enabled worker, as the service would have left it."""
        await self.organisation(org)
        worker_id = hashlib.md5(f"{org}_{name}_{kind}".encode()).hexdigest()
        box = SecretBox([self.secret_key])
        sealed = box.seal(orjson.dumps(config or {}), context=f"worker:{worker_id}")
        await self.owner.execute(
            "INSERT INTO definitions (id, kind, name, flavor_version, config, source, seen_at)"
            " VALUES ($1, $2, $1, '1.0', $3, 'test', now()) ON CONFLICT DO NOTHING",
            name,
            kind,
            flavor_config or {},
        )
        await self.owner.execute(
            "INSERT INTO workers (id, org_id, definition_id, name, kind, flavor_version, description, author, url, license,"
            " data_types, command, root, base_config, config_sealed, public_config, timeout_minutes, created_at, created_by)"
            " VALUES ($1, $2, $3, $3, $4, '1.0', '', '', '', '', '{ip,file}', $5, $6, $3, $7, '{}', $8, 0, 'test')",
            worker_id,
            org,
            name,
            kind,
            None if command is None else str(command),
            str(self.folder / "analyzers"),
            sealed,
            timeout_minutes,
        )
        return worker_id

    async def submit(
        self,
        worker_id: str,
        *,
        org: str = "lab",
        data: str | None = "203.0.113.5",
        data_type: str = "ip",
        file: tuple[bytes, str] | None = None,
        kind: str = "analyzer",
        tlp: str = "AMBER",
        parameters: dict[str, Any] | None = None,
        announced: bool = False,
    ) -> str:
        """A waiting job; its id."""
        job_id = uuid7()
        attachment = None
        if file is not None:
            blob = await self.blobs.put(file[0])
            hashes = [bytes.fromhex(h) for h in (blob.sha256, blob.sha1, blob.md5)]
            await self.owner.execute("INSERT INTO blobs VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", *hashes, blob.size)
            attachment = await self.owner.fetchval(
                "INSERT INTO attachments (org_id, sha256, name, content_type) VALUES ($1, $2, $3, 'text/plain') RETURNING id",
                org,
                hashes[0],
                file[1],
            )
        name = await self.owner.fetchval("SELECT name FROM workers WHERE id = $1", worker_id)
        await self.owner.execute(
            "INSERT INTO jobs (id, org_id, worker_id, worker_name, definition_id, kind, status, data_type, data, attachment_id,"
            " tlp, pap, message, parameters, cache_tag, reusable, created_at, created_by, announced)"
            " VALUES ($1, $2, $3, $4, $4, $5, 'Waiting', $6, $7, $8, $9, 'AMBER', '42', $10, $11, true, $12, 'test', $13)",
            job_id,
            org,
            worker_id,
            name,
            kind,
            "file" if file else data_type,
            None if file else data,
            attachment,
            tlp,
            parameters or {},
            os.urandom(16),
            now_ms(),
            announced,
        )
        await self.owner.execute(
            "INSERT INTO dispatch (job_id, org_id, worker_id, priority) VALUES ($1, $2, $3, 0)", job_id, org, worker_id
        )
        await self.owner.execute("SELECT pg_notify('dispatch', '')")
        return str(job_id)

    def start_runner(self, **settings: str) -> subprocess.Popen[bytes]:
        """The runner as it is started in production: `cortex run`'s own program."""
        self.jobs_folder.mkdir(exist_ok=True)
        env = {
            "PATH": os.environ["PATH"],
            "CORTEX_DATABASE_SYSTEM_URL": self.database.system_url,
            "CORTEX_BLOBS": str(self.folder / "blobs"),
            "CORTEX_SECRET_KEY": self.secret_key,
            "CORTEX_JOB_DIRECTORY": str(self.jobs_folder),
            "CORTEX_ANALYZERS_PYTHON": sys.executable,
            "CORTEX_RUNNER_CONCURRENCY": "2",
            "CORTEX_LEASE_SECONDS": "2",
            "CORTEX_CANARY": "the-house-key",
            **settings,
        }
        log = (self.folder / "runner.log").open("ab")
        process = subprocess.Popen([sys.executable, "-m", "cortex.runner"], env=env, stderr=log, stdout=log)
        self.processes.append(process)
        return process

    @property
    def log(self) -> str:
        return (self.folder / "runner.log").read_text()

    async def ended(self, job_id: str, *, seconds: float = 30) -> asyncpg.Record:
        """The job's row when it has ended."""
        return await self.until(job_id, "status IN ('Success', 'Failure')", seconds=seconds)

    async def until(self, job_id: str, condition: str, *, seconds: float = 30) -> asyncpg.Record:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            row = await self.owner.fetchrow(f"SELECT * FROM jobs WHERE id = $1::text::uuid AND {condition}", job_id)
            if row is not None:
                return row
            await asyncio.sleep(0.02)
        row = await self.owner.fetchrow("SELECT status, attempt, losses FROM jobs WHERE id = $1::text::uuid", job_id)
        raise AssertionError(f"after {seconds} s the job is {dict(row)}, not {condition}; {self.log}")

    async def announced(self) -> list[str]:
        return [row["what"] for row in await self.owner.fetch("SELECT what FROM announcements ORDER BY id")]

    async def report(self, job_id: str) -> asyncpg.Record:
        row = await self.owner.fetchrow("SELECT * FROM reports WHERE job_id = $1::text::uuid", job_id)
        assert row is not None
        return row

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


@pytest.fixture
def bench(owner: asyncpg.Connection, database: ServiceDatabase, tmp_path: Path) -> Any:
    bench = Bench(owner, database, tmp_path, new_secret_key())
    yield bench
    bench.stop()


@lru_cache
def hashed(password: str) -> str:
    """A real hash, made once: it takes a tenth of a second by design."""
    return PasswordHash((Argon2Hasher(),)).hash(password)


ECHO = """
import json, pathlib, sys
job = pathlib.Path(sys.argv[1])
given = json.loads((job / "input" / "input.json").read_text())
value = given.get("data", given.get("filename"))
taxonomy = {"level": "safe", "namespace": "Echo", "predicate": "Value", "value": value}
found = [{"dataType": "domain", "data": "found.example.org", "tags": ["t"], "message": "seen"}]
if given["dataType"] == "file":
    (job / "output" / "copy").write_bytes((job / "input" / given["file"]).read_bytes())
    found.append({"dataType": "file", "file": "copy", "filename": "copy.bin"})
report = {"success": True, "full": {"value": value, "config": given["config"]}, "summary": {"taxonomies": [taxonomy]}}
report |= {"artifacts": found, "operations": [{"type": "AddTagToCase", "tag": "echo"}]}
(job / "output" / "output.json").write_text(json.dumps(report))
"""


@dataclass
class Api:
    """The service in this process, over its ASGI interface, with an organisation `lab` and its people."""

    app: FastAPI
    database: ServiceDatabase
    bench: Bench
    settings: Settings
    keys: dict[str, str] = field(default_factory=dict)
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    password = "correct horse battery"

    @property
    def engine(self) -> Engine:
        engine: Engine = self.app.state.engine
        return engine

    def client(self, key: str | None = None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://cortex.test", headers=headers, timeout=60)

    def _as(self, name: str) -> httpx.AsyncClient:
        if name not in self.clients:
            self.clients[name] = self.client(self.keys.get(name))
        return self.clients[name]

    @property
    def anonymous(self) -> httpx.AsyncClient:
        return self._as("")

    @property
    def admin(self) -> httpx.AsyncClient:
        return self._as("admin@lab")

    @property
    def reader(self) -> httpx.AsyncClient:
        return self._as("reader@lab")

    @property
    def superadmin(self) -> httpx.AsyncClient:
        return self._as("root")

    def operations(self) -> list[tuple[str, str]]:
        return [(method, route.path) for route in routes_of(self.app) for method in sorted(route.methods)]

    async def people(self) -> None:
        await self.user("admin@lab", ["read", "analyze", "orgadmin"], name="Admin")
        await self.user("reader@lab", ["read"])
        await self.user("root", ["superadmin"], organisation="cortex")

    async def user(self, login: str, roles: list[str], *, organisation: str = "lab", name: str = "X") -> httpx.AsyncClient:
        """A client of this user, who is made if he is not there; with a key, and the password of all."""
        engine = self.engine
        async with engine.database.begin(MAKER.scope) as session:
            if await session.get(Organisation, organisation) is None:
                await create_organisation(session, MAKER, name=organisation, description="")
            user = await session.get(User, login)
            if user is None:
                user = await create_user(
                    session, MAKER, login=login, name=name, roles=roles, organisation=organisation,
                    password_hash=hashed(self.password),
                )  # fmt: skip
            self.keys[login] = await set_key(session, MAKER, engine.box, user=user)
        return self._as(login)

    def flavor(self, name: str = "Echo", *, source: str = ECHO, kind: str = "analyzer", **fields: Any) -> None:
        """A definition on disk; `scan` finds it."""
        self.bench.program(name, source)
        flavor = {
            "name": name, "version": "1.0", "author": "Tests", "url": "https://example.org", "license": "Apache-2.0",
            "description": f"{name} for tests", "dataTypeList": ["ip", "hash", "file"], "command": f"{name}/{name}.py", **fields,
        }  # fmt: skip
        folder = self.bench.folder / ("analyzers" if kind == "analyzer" else "responders") / name
        folder.mkdir(parents=True, exist_ok=True)
        if kind == "responder":
            self.bench.program(name, source).rename(folder / f"{name}.py")
        (folder / f"{name}.json").write_bytes(orjson.dumps(flavor))

    async def enable(self, definition: str = "Echo_1_0", *, kind: str = "analyzer", **fields: Any) -> str:
        """The id of the worker."""
        await rescan(self.engine)
        body = {"name": definition, "configuration": {}, **fields}
        answer = await self.admin.post(f"/api/organization/{kind}/{definition}", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def stored(self, content: bytes) -> str:
        """A content in the blob store that the database knows; its hash."""
        blob = await self.engine.blobs.put(content)
        hashes = [bytes.fromhex(h) for h in (blob.sha256, blob.sha1, blob.md5)]
        await self.bench.owner.execute("INSERT INTO blobs VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", *hashes, blob.size)
        return blob.sha256

    @asynccontextmanager
    async def with_settings(self, **changes: Any) -> AsyncIterator[Api]:
        """A second service on the same database, configured differently."""
        settings = self.settings.model_copy(update=changes)
        async with _running(settings, self.database, self.bench) as other:
            other.keys = self.keys
            yield other


@asynccontextmanager
async def _running(settings: Settings, database: ServiceDatabase, bench: Bench) -> AsyncIterator[Api]:
    app = build(settings, bus=None, scan=False)
    async with app.router.lifespan_context(app):
        api = Api(app, database, bench, settings)
        yield api
        for client in api.clients.values():
            await client.aclose()


@pytest_asyncio.fixture
async def empty_api(bench: Bench, database: ServiceDatabase) -> AsyncIterator[Api]:
    """The service without anybody in it."""
    for name in ("analyzers", "responders"):
        (bench.folder / name).mkdir()
    settings = Settings(
        database_app_url=SecretStr(database.app_url),
        database_system_url=SecretStr(database.system_url),
        blobs=str(bench.folder / "blobs"),
        secret_keys=[SecretStr(bench.secret_key)],
        analyzer_paths=[str(bench.folder / "analyzers")],
        responder_paths=[str(bench.folder / "responders")],
        service_keys={"hive": SecretStr("neighbours-key")},
    )
    async with _running(settings, database, bench) as api:
        yield api


@pytest_asyncio.fixture
async def api(empty_api: Api) -> Api:
    """The service with `root` (superadmin), `admin@lab` (read, analyze, orgadmin), `reader@lab` (read) and an analyzer `Echo`."""
    await empty_api.people()
    empty_api.flavor()
    return empty_api
