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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
import pytest_asyncio

from waggle.blobs import open_store
from waggle.blobs.local import LocalBlobs
from waggle.ids import now_ms, uuid7
from waggle.security.secretbox import SecretBox, new_secret_key
from waggle.testing import MakeDatabase, ServiceDatabase

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
            " tlp, pap, message, parameters, cache_tag, reusable, created_at, created_by)"
            " VALUES ($1, $2, $3, $4, $4, $5, 'Waiting', $6, $7, $8, $9, 'AMBER', '42', $10, $11, true, $12, 'test')",
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
