"""What every bench of hive needs: a PostgreSQL and a hive of its own on free ports, and the CPU time that each spends."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from launcher import postgres
from waggle.db.provision import provision
from waggle.security.secretbox import new_secret_key

TICKS = os.sysconf("SC_CLK_TCK")
KEY = "bench-key-of-the-first-organisation"
ORGANISATION = "bench"
SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "4GB", "checkpoint_timeout": "15min"}
ROLES = {"hive_owner": "HIVE_DATABASE_URL", "hive_app": "HIVE_DATABASE_APP_URL", "hive_system": "HIVE_DATABASE_SYSTEM_URL"}


@dataclass
class House:
    """A running hive; `database` by role: hive_owner, hive_app, hive_system."""

    cluster: postgres.Cluster
    database: dict[str, str]
    url: str
    pid: int
    folder: Path

    def cpu(self) -> tuple[float, float]:
        """CPU seconds so far: of hive, of PostgreSQL with all its processes."""
        return cpu_of(self.pid), cpu_of(self.cluster.process.pid)


def cpu_of(pid: int) -> float:
    """CPU seconds of a process and its children, those that ended included."""
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) == pid:
            total += sum(map(int, fields[11:15])) / TICKS
        elif int(fields[1]) == pid:
            total += sum(map(int, fields[11:13])) / TICKS
    return total


def _environment(cluster: postgres.Cluster, folder: Path) -> dict[str, str]:
    """hive's settings for the database of this folder, made on first use."""
    passwords = {role: f"{role}-of-the-bench" for role in ROLES}
    asked = [{"name": "hive", "owner": "hive_owner", "password": passwords["hive_owner"]}]
    asyncio.run(provision(cluster.url, asked))
    place = cluster.database_url("hive").rpartition("@")[2]
    urls = {name: f"postgresql://{role}:{passwords[role]}@{place}" for role, name in ROLES.items()}
    secret = folder / "secret"
    if not secret.exists():
        secret.write_text(new_secret_key())
    return {**urls, "HIVE_BLOBS": str(folder / "files"), "HIVE_SECRET_KEY": secret.read_text()}


def _seed(environment: dict[str, str]) -> None:
    content = {
        "admin": {"login": "admin@bench.example", "password": "a bench is not a secret"},
        "organisation": ORGANISATION,
        "org_admin": {"login": "feeder@bench.example", "api_key": KEY},
        "cortex_servers": [],
        "templates": True,
    }
    command = [str(Path(sys.executable).parent / "hive"), "seed", "--migrate", "--json", "-"]
    subprocess.run(command, input=json.dumps(content).encode(), env={**os.environ, **environment}, check=True)


@contextmanager
def hive(*, keep: Path | None = None) -> Iterator[House]:
    """A hive (API alone, one process), fsync and synchronous_commit on; its database is empty and all gone afterwards, unless
    it is to be kept in a folder for the next run."""
    with tempfile.TemporaryDirectory(prefix="waggle-bench-") as temporary:
        root = keep or Path(temporary)
        root.mkdir(parents=True, exist_ok=True)
        cluster = postgres.start(root / "postgres", settings=SETTINGS)
        try:
            environment = _environment(cluster, root)
            _seed(environment)
            port = postgres.free_port()
            command = [str(Path(sys.executable).parent / "hive"), "serve", "--api-only", "--port", str(port)]
            with (root / "hive.log").open("wb") as log:
                server = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
            try:
                url = f"http://127.0.0.1:{port}"
                _wait(url, server, root / "hive.log")
                yield House(cluster, {role: environment[name] for role, name in ROLES.items()}, url, server.pid, root)
            finally:
                server.terminate()
                server.wait(20)
        finally:
            cluster.stop()


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if server.poll() is not None:
            raise SystemExit(log.read_text()[-2000:])
        try:
            if httpx.get(f"{url}/health").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise SystemExit("hive does not answer: " + log.read_text()[-2000:])


def client(house: House) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=house.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60)
