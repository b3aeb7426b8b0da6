"""The embedded PostgreSQL under its supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from launcher import postgres


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "postgres"


async def value(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_a_cluster_keeps_its_data_over_a_restart(home: Path) -> None:
    cluster = postgres.start(home)
    try:
        await value(cluster.url, "CREATE TABLE kept AS SELECT 42 AS n")
    finally:
        cluster.stop()
    assert cluster.process.returncode == 0
    again = postgres.start(home)
    try:
        assert again.port == cluster.port
        assert await value(again.url, "SELECT n FROM kept") == 42
        assert await value(again.url, "SELECT lower('ÄÖ')") == "äö"
    finally:
        again.stop()


async def test_a_wrong_password_is_refused(home: Path) -> None:
    cluster = postgres.start(home)
    try:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await value(cluster.url.replace(cluster.password, "wrong"), "SELECT 1")
    finally:
        cluster.stop()


def test_a_busy_port_is_an_error_with_the_servers_words(home: Path) -> None:
    first = postgres.start(home)
    try:
        with pytest.raises(postgres.PostgresError, match="ended with status"):
            postgres.start(home.parent / "second", port=first.port)
    finally:
        first.stop()


def test_it_shuts_down_when_its_starter_is_killed(home: Path) -> None:
    code = (
        "import time; from pathlib import Path; from launcher import postgres\n"
        f"c = postgres.start(Path({str(home)!r})); print(c.process.pid, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    deadline = time.monotonic() + 20
    while (home / "data" / "postmaster.pid").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not (home / "data" / "postmaster.pid").exists()
    with pytest.raises(ProcessLookupError):
        for _ in range(200):
            os.kill(pid, 0)
            time.sleep(0.05)
            if "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]:
                raise ProcessLookupError
