"""The real clients, thehive4py 2.1.0 and 1.8.1, against a real server process. Each runs in an environment of its own."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import pyzipper

REPOSITORY = Path(__file__).parents[3]
CLIENTS = Path(__file__).parent / "clients"
LOGIN, PASSWORD = "analyst@soc.example", "correct horse battery"


@pytest_asyncio.fixture
async def server(world: Any, tmp_path: Path) -> AsyncIterator[str]:
    """`hive serve --api-only` on a free port over the world's database."""
    settings = world.settings
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "HIVE_DATABASE_APP_URL": settings.database_app_url.get_secret_value(),
        "HIVE_DATABASE_SYSTEM_URL": settings.database_system_url.get_secret_value(),
        "HIVE_BLOBS": settings.blobs,
        "HIVE_SECRET_KEY": settings.secret_keys[0].get_secret_value(),
    }
    log = (tmp_path / "server.log").open("wb")
    command = [sys.executable, "-c", "from hive.cli import main; main()", "serve", "--api-only", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 60
    async with httpx.AsyncClient() as client:
        while True:
            assert process.poll() is None and time.monotonic() < until, (tmp_path / "server.log").read_text()
            try:
                if (await client.get(f"{url}/health")).status_code == 200:
                    break
            except httpx.HTTPError:
                await asyncio.sleep(0.2)
    yield url
    process.terminate()
    await asyncio.to_thread(process.wait, 20)
    log.close()
    assert "unexpected_failure" not in (tmp_path / "server.log").read_text()


def _interpreter(client: str) -> str:
    found = REPOSITORY / ".venvs" / client / "bin" / "python"
    if not found.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{found} is missing: run `make setup-dev`")
        pytest.skip(f"{found} is missing: run `make setup-dev`")
    return str(found)


async def _run(client: str, script: str, *arguments: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        _interpreter(client), str(CLIENTS / script), *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, error = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 0, error.decode()[-3000:]
    return dict(json.loads(out.decode().splitlines()[-1]))


async def test_thehive4py_2(world: Any, server: str) -> None:
    found = await _run("client-thehive4py-2", "flow_v2.py", server, "key-soc-org-admin", LOGIN, PASSWORD)
    assert found == {
        "duplicate": "CreateError - Alert phishing:client:1 already exist in organisation soc", "case": "InProgress",
    }  # fmt: skip
    assert await world.owner.fetchval("SELECT count(*) FROM alerts") == 2


@pytest.mark.usefixtures("libmagic")
async def test_thehive4py_1(world: Any, server: str) -> None:
    found = await _run("client-thehive4py-1", "flow_v1.py", server, "key-soc-org-admin")
    assert found == {
        "duplicate": [400, "Alert external:wazuh:1 already exists in organisation soc"], "job": 201, "case": 1,
    }  # fmt: skip


@pytest.mark.usefixtures("libmagic")
@pytest.mark.parametrize("mode", ["3", "4"])
async def test_every_method_of_thehive4py_1(world: Any, server: str, mode: str) -> None:
    """In both modes of the client; what it printed as missing has no call in the script."""
    found = await _run("client-thehive4py-1", "every_v1.py", server, "key-soc-org-admin", mode)
    assert found["missing"] == []
    with pyzipper.AESZipFile(found["zip"]) as archive:
        archive.setpassword(b"malware")
        (entry,) = archive.infolist()
        assert (entry.filename, archive.read(entry), entry.flag_bits & 1) == ("sample.txt", b"hello", 1)
    events = await world.owner.fetch("SELECT action, kind FROM audit WHERE kind IN ('case', 'alert') AND action = 'delete'")
    assert {tuple(row) for row in events} == {("delete", "case"), ("delete", "alert")}
