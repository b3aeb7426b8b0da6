"""The service and the runner as they are started: what is waited for, what they must not say."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest_asyncio.fixture
async def served(api: Any) -> AsyncIterator[str]:
    """`cortex serve` and `cortex run` as processes; the URL."""
    port = free_port()
    settings = api.settings
    env = {
        "PATH": os.environ["PATH"],
        "CORTEX_DATABASE_APP_URL": api.database.app_url,
        "CORTEX_DATABASE_SYSTEM_URL": api.database.system_url,
        "CORTEX_BLOBS": settings.blobs,
        "CORTEX_SECRET_KEY": api.bench.secret_key,
        "CORTEX_ANALYZER_PATHS": ",".join(settings.analyzer_paths),
        "CORTEX_RESPONDER_PATHS": ",".join(settings.responder_paths),
    }
    program = str(Path(sys.executable).with_name("cortex"))
    log = (api.bench.folder / "serve.log").open("wb")
    server = subprocess.Popen([program, "serve", "--port", str(port)], env=env, stdout=log, stderr=log)
    api.bench.processes.append(server)
    api.bench.start_runner()
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 30
    async with httpx.AsyncClient() as client:
        while True:
            try:
                if (await client.get(f"{url}/health")).status_code == 200:
                    break
            except httpx.TransportError:
                assert time.monotonic() < deadline and server.poll() is None, (api.bench.folder / "serve.log").read_text()
            time.sleep(0.1)
    yield url
    server.terminate()
    assert server.wait(15) in (0, -15)


async def test_no_secret_reaches_a_log_or_an_answer(api: Any, served: str) -> None:
    """threats S19, with canaries in every place a secret comes in."""
    canaries = {"key": "canary-key-0123456789", "password": "canary-password-123", "nested": "https://u:canary-user-1@h/"}
    items = [{"name": name, "type": "string"} for name in canaries]
    api.flavor("Leak", source="import sys\nprint(open(sys.argv[1] + '/input/input.json').read())", configurationItems=items)
    worker = await api.enable("Leak_1_0", configuration=canaries)
    seen = []
    headers = {"Authorization": f"Bearer {api.keys['admin@lab']}"}
    async with httpx.AsyncClient(base_url=served, headers=headers, timeout=40) as client:
        job = (await client.post(f"/api/analyzer/{worker}/run", json={"dataType": "ip", "data": "203.0.113.5"})).json()["id"]
        paths = (f"/api/job/{job}/waitreport", f"/api/analyzer/{worker}", "/api/analyzer", "/metrics", "/health")
        seen += [(await client.get(path)).text for path in paths]
        seen.append((await client.patch(f"/api/analyzer/{worker}", json={"configuration": 3, "key": canaries["key"]})).text)
        login = {"user": canaries["key"], "password": canaries["password"]}
        seen.append((await client.post("/api/login", json=login)).text)
    assert "wrote no output.json" in seen[0]
    seen += [(api.bench.folder / "serve.log").read_text(), api.bench.log]
    secrets = ["canary-key", "canary-password", "canary-user", api.bench.secret_key, *api.keys.values()]
    for text in seen:
        assert not [secret for secret in secrets if secret in text]


async def test_service_answers_what_install_scripts_wait_for(served: str) -> None:
    async with httpx.AsyncClient(base_url=served) as client:
        assert (await client.head("/index.html")).status_code == 200
        assert (await client.get("/api/status")).json()["config"]["capabilities"][0] == "changePassword"
        missing = await client.get("/api/nothing")
        assert missing.status_code == 404 and missing.json()["type"] in ("NotFound", "NotFoundError")
