"""Cortex' queue: counts for who administers, messages for the superadmin."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cortex.app import build
from waggle.messaging import BusSettings
from waggle.testing import Server
from waggle.testing_bus import TestBus, bus_in

QUEUE = "cortex.local.analysis"
MESSAGE = "6f1d3c1e-0b5a-4f0e-9a53-2d7c1f0e0001"
MESSAGES = (
    ("GET", f"/api/admin/queues/{QUEUE}/dead"),
    ("POST", f"/api/admin/queues/{QUEUE}/dead/{MESSAGE}/resend"),
    ("GET", "/api/admin/outbox/refused"),
    ("POST", f"/api/admin/outbox/refused/{MESSAGE}/resend"),
)


class TestAccess:
    async def test_counts_are_for_administrators(self, api: Any) -> None:
        for path in ("/api/admin/queues", "/api/admin/outbox"):
            assert (await api.anonymous.get(path)).status_code == 401
            assert (await api.reader.get(path)).status_code == 403

    async def test_messages_are_for_the_superadmin(self, api: Any) -> None:
        for method, path in MESSAGES:
            assert (await api.admin.request(method, path)).status_code == 403, path


class TestWithoutABus:
    async def test_the_outbox_is_shown_and_no_queue(self, api: Any) -> None:
        for client in (api.admin, api.superadmin):
            assert (await client.get("/api/admin/outbox")).json()["refused"] == 0
            assert (await client.get("/api/admin/queues")).status_code == 503


class TestApiOnly:
    async def test_the_queue_is_shown_by_a_process_that_does_not_work(
        self, api: Any, postgres: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with bus_in(postgres) as bus:
            for name, value in bus.environment("cortex").items():
                monkeypatch.setenv(name, value)
            api.app = build(api.settings, bus=BusSettings.given(), api_only=True, scan=False)
            async with api.app.router.lifespan_context(api.app):
                api.clients.clear()
                (shown,) = (await api.admin.get("/api/admin/queues")).json()
                assert shown == {"name": QUEUE, "ready": 0, "delayed": 0, "in_hand": 0, "dead": 0}
                assert (await api.superadmin.get(MESSAGES[0][1])).json() == []
                assert (await api.superadmin.post(MESSAGES[1][1])).status_code == 404
                assert (await api.superadmin.get("/api/admin/queues/hive.alerts/dead")).status_code == 404


class TestCommand:
    async def test_shows_the_queue_and_says_what_is_wrong(self, api: Any, postgres: Server) -> None:
        async with bus_in(postgres) as bus:
            shown = await asyncio.to_thread(cortex_queues, api, bus)
            assert shown.returncode == 0, shown.stderr
            assert [line.split()[0] for line in shown.stdout.splitlines()] == ["queue", QUEUE, "outbox:"]
            wrong = await asyncio.to_thread(cortex_queues, api, bus, "--resend", QUEUE, MESSAGE)
            assert wrong.returncode == 1
            assert wrong.stderr.splitlines()[-1] == f"cortex: {QUEUE} has no dead letter {MESSAGE}"


def cortex_queues(api: Any, bus: TestBus, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"], "CORTEX_DATABASE_APP_URL": api.database.app_url,
        "CORTEX_DATABASE_SYSTEM_URL": api.database.system_url, "CORTEX_BLOBS": str(api.bench.folder / "blobs"),
        "CORTEX_SECRET_KEY": api.bench.secret_key, **bus.environment("cortex"),
    }  # fmt: skip
    command = [str(Path(sys.executable).with_name("cortex")), "queues", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
