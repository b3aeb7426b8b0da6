"""Hive's queues: counts for who administers an organisation, messages for who administers the platform."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import anyio

from hive.app import make_app
from hive.queues import QUEUES
from waggle.security.secretbox import new_secret_key
from waggle.testing import Server, ServiceDatabase
from waggle.testing_bus import TestBus, bus_in

COUNTS = ("/api/v1/admin/queues", "/api/v1/admin/outbox")
MESSAGE = "6f1d3c1e-0b5a-4f0e-9a53-2d7c1f0e0001"
MESSAGES = (
    ("GET", "/api/v1/admin/queues/hive.alerts/dead"),
    ("POST", f"/api/v1/admin/queues/hive.alerts/dead/{MESSAGE}/resend"),
    ("GET", "/api/v1/admin/outbox/refused"),
    ("POST", f"/api/v1/admin/outbox/refused/{MESSAGE}/resend"),
)


class TestAccess:
    async def test_anonymous_callers_and_analysts_are_refused(self, world: Any) -> None:
        for path in COUNTS:
            assert (await world.anonymous.get(path)).status_code == 401
            for profile in ("analyst", "read-only"):
                assert (await world.client(f"key-soc-{profile}").get(path)).status_code == 403

    async def test_an_organisation_sees_no_messages_of_the_platform(self, world: Any) -> None:
        for method, path in MESSAGES:
            assert (await world.soc.request(method, path)).status_code == 403, path


class TestWithoutABus:
    async def test_the_outbox_is_shown(self, world: Any) -> None:
        before = (await world.soc.get("/api/v1/admin/outbox")).json()
        await world.alert()
        after = (await world.soc.get("/api/v1/admin/outbox")).json()
        assert after["waiting"] > before["waiting"] and after["refused"] == 0
        assert (await world.admin.get("/api/v1/admin/queues")).status_code == 503


class TestApiOnly:
    async def test_queues_are_shown_by_a_process_that_does_not_work(self, world: Any, postgres: Server) -> None:
        async with bus_in(postgres) as bus:
            app = make_app(world.settings, bus.open("hive"), works=False)
            async with app.router.lifespan_context(app):
                world.app = app
                shown = (await world.client("key-soc-org-admin", x="api-only").get("/api/v1/admin/queues")).json()
                assert [(q["name"], q["ready"], q["dead"]) for q in shown] == sorted((q.name, 0, 0) for q in QUEUES)
                admin = world.client("key-admin-admin", x="api-only")
                assert (await admin.get("/api/v1/admin/queues/hive.alerts/dead")).json() == []
                assert (await admin.get("/api/v1/admin/queues/misp.commands/dead")).status_code == 404
                assert (await admin.post(MESSAGES[1][1])).status_code == 404
                assert (await admin.post(MESSAGES[1][1].replace(MESSAGE, "~1"))).status_code == 400


async def hive(database: ServiceDatabase, bus: TestBus, folder: Path, *arguments: str) -> Any:
    environment = {
        "PATH": os.environ["PATH"], "HIVE_DATABASE_APP_URL": database.app_url,
        "HIVE_DATABASE_SYSTEM_URL": database.system_url, "HIVE_BLOBS": str(folder), "HIVE_SECRET_KEY": new_secret_key(),
        **bus.environment("hive"),
    }  # fmt: skip
    command = [sys.executable, "-c", "from hive.cli import main; main()", "queues", *arguments]
    return await anyio.run_process(command, env=environment, check=False)


class TestCommand:
    async def test_shows_the_queues_and_says_what_is_wrong(
        self, database: ServiceDatabase, postgres: Server, tmp_path: Path
    ) -> None:
        async with bus_in(postgres) as bus:
            shown = await hive(database, bus, tmp_path)
            assert shown.returncode == 0, shown.stderr
            assert [line.split()[0] for line in shown.stdout.decode().splitlines()] == [
                "queue", "hive.alerts", "hive.analysis", "hive.misp", "outbox:",
            ]  # fmt: skip
            wrong = await hive(database, bus, tmp_path, "--dead", "misp.commands")
            assert wrong.returncode == 1
            assert wrong.stderr.decode().splitlines()[-1].startswith("hive: this service's queues are hive.alerts")
