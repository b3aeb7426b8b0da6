"""The connector as its operator runs it: a process of its own, with the bus, stopped and killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from misp_double import Fault, MispDouble
from misp_harness import SERVICE_KEY, Connector

from launcher.postgres import free_port
from misp_connector.events.consumers import Commands
from waggle.contracts.envelope import DataRef, Envelope
from waggle.contracts.messages.misp import CaseExportRequested, MispPollRequested, SightingReported
from waggle.ids import now_ms, uuid7
from waggle.messaging import Delivery, Poison
from waggle.messaging.rights import HIVE_ALERTS, HIVE_MISP
from waggle.security.secretbox import new_secret_key
from waggle.testing import ServiceDatabase
from waggle.testing_bus import TestBus

KEY = "o" * 43
COMMAND = [sys.executable, "-c", "from misp_connector.cli import main; main()"]


@dataclass
class Hive:
    """What hive receives, by queue; each message is kept as often as it is delivered."""

    received: list[Envelope] = field(default_factory=list)

    async def take(self, delivery: Delivery) -> None:
        self.received.append(delivery.envelope)

    def alerts(self) -> list[Envelope]:
        return [envelope for envelope in self.received if envelope.type == "alert.raised.v1"]

    async def wait(self, done: Callable[[Hive], bool], seconds: float = 40) -> None:
        for _ in range(int(seconds * 20)):
            if done(self):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"not within {seconds} s; received {[(e.type, e.data) for e in self.received]}")


@asynccontextmanager
async def hive_on(bus: TestBus) -> AsyncIterator[tuple[Hive, Any]]:
    opened = bus.open("hive")
    hive = Hive()
    await opened.start()
    await opened.subscribe(HIVE_ALERTS, hive.take)
    await opened.subscribe(HIVE_MISP, hive.take)
    try:
        yield hive, opened
    finally:
        await opened.close()


@dataclass
class Process:
    """A connector's process and how to reach it."""

    environment: dict[str, str]
    port: int
    running: subprocess.Popen[bytes] | None = None

    @property
    def api(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", headers={"Authorization": f"Bearer {KEY}"})

    def run(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments], env=self.environment, input=text, capture_output=True, text=True, timeout=60
        )

    async def start(self) -> None:
        self.running = subprocess.Popen([*COMMAND, "serve", "--port", str(self.port)], env=self.environment)
        async with self.api as client:
            for _ in range(400):
                assert self.running.poll() is None, "the connector ended"
                try:
                    if (await client.get("/health")).status_code == 200:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        raise AssertionError("the connector is not healthy after 20 s")

    async def log_until(self, word: str, folder: Path) -> str:
        """What it logs while it serves, from its start until `word` has been said and it was stopped."""
        log = folder / "log"
        with log.open("w") as target:
            command = [*COMMAND, "--log-level", "DEBUG", "serve", "--port", str(self.port)]
            self.running = subprocess.Popen(command, env=self.environment, stderr=target, stdout=target)
        for _ in range(1200):
            if word in log.read_text():
                break
            await asyncio.sleep(0.05)
        await self.end(signal.SIGTERM)
        return log.read_text()

    async def end(self, number: signal.Signals) -> int:
        assert self.running is not None
        self.running.send_signal(number)
        return await asyncio.to_thread(self.running.wait, 30)

    def stop(self) -> None:
        if self.running and self.running.poll() is None:
            self.running.kill()
            self.running.wait()


@pytest.fixture
async def process(database: ServiceDatabase, bus: TestBus, tmp_path: Path) -> AsyncIterator[Process]:
    port = free_port()
    made = Process(
        {
            "PATH": os.environ["PATH"],
            "MISP_CONNECTOR_DATABASE_URL": database.owner_url,
            "MISP_CONNECTOR_DATABASE_APP_URL": database.app_url,
            "MISP_CONNECTOR_DATABASE_SYSTEM_URL": database.system_url,
            "MISP_CONNECTOR_BLOBS": str(tmp_path / "blobs"),
            "MISP_CONNECTOR_SECRET_KEY": new_secret_key(),
            "MISP_CONNECTOR_SERVICE_KEYS": json.dumps({"hive": SERVICE_KEY}),
            "MISP_CONNECTOR_INTERNAL_URL": f"http://127.0.0.1:{port}",
            **bus.environment("misp-connector"),
        },
        port,
    )
    yield made
    made.stop()


def seed_of(misp: MispDouble, **options: Any) -> str:
    instance = {"name": "partner", "url": misp.url, "key": misp.key, "options": {"interval": "10s", **options}}
    return json.dumps({"api_key": KEY, "organisations": ["soc"], "instances": [instance]})


class TestRunning:
    async def test_migrate_seed_serve_and_stop(self, process: Process, bus: TestBus) -> None:
        async with hive_on(bus) as (hive, opened):
            with MispDouble() as misp:
                misp.state.add({"info": "x", "Attribute": [{"type": "attachment", "value": "a.txt", "data": "aGk="}]})
                assert process.run("migrate").returncode == 0
                for _ in range(2):
                    seeded = process.run("seed", "--json", "-", text=seed_of(misp, interval="1h"))
                    assert seeded.returncode == 0, seeded.stderr
                await process.start()
                await hive.wait(lambda h: len(h.alerts()) == 1)
                file = (hive.alerts()[0].data or {})["observables"][0]["file"]
                async with httpx.AsyncClient(headers={"Authorization": f"Bearer {SERVICE_KEY}"}) as client:
                    assert (await client.get(file["url"])).content == b"hi"

                misp.state.clock += 60
                misp.state.add({"info": "asked for"})
                message = MispPollRequested(instance="partner")
                await opened.publish([envelope_for(message, "instance:partner")])
                await hive.wait(lambda h: len(h.alerts()) == 2)
                async with process.api as api:
                    (queue,) = (await api.get("/api/queues")).json()
                    assert (queue["name"], queue["dead"]) == ("misp.commands", 0)
            assert await process.end(signal.SIGTERM) == 0

    async def test_a_dead_letter_is_shown_and_can_be_sent_again(self, process: Process, bus: TestBus) -> None:
        with MispDouble() as misp:
            assert process.run("seed", "--json", "-", text=seed_of(misp)).returncode == 0
            await process.start()
            opened = bus.open("hive")
            await opened.start()
            lost = envelope_for(MispPollRequested(instance="nobody"), "instance:nobody")
            await opened.publish([lost])
            await opened.close()
            async with process.api as api:
                for _ in range(200):
                    letters = (await api.get("/api/queues/misp.commands/dead")).json()
                    if letters:
                        break
                    await asyncio.sleep(0.05)
                assert letters[0]["message_id"] == str(lost.id) and "no instance nobody" in letters[0]["reason"]
                shown = process.run("queues", "--dead", "misp.commands")
                assert shown.returncode == 0 and shown.stdout.startswith(f"{lost.id}  attempt 1: "), shown.stderr
                again = f"/api/queues/misp.commands/dead/{lost.id}/resend"
                assert (await api.post(again)).status_code == 202
                assert (await api.post("/api/queues/hive.alerts/dead/" + str(lost.id) + "/resend")).status_code == 404

    async def test_a_killed_connector_goes_on_where_it_was(self, process: Process, bus: TestBus) -> None:
        """Threat R01 on this side: kill -9 while events come in; each arrives, and in effect once."""
        async with hive_on(bus) as (hive, _):
            with MispDouble() as misp:
                for n in range(25):
                    misp.state.clock += 1
                    misp.state.add({"info": f"event {n}"})
                misp.faults = [Fault("stall", "events/restSearch", seconds=0.03)]
                assert process.run("seed", "--json", "-", text=seed_of(misp, page_size=7)).returncode == 0
                for kill_after in (3, 12):
                    await process.start()
                    await hive.wait(lambda h, n=kill_after: len(h.alerts()) >= n)  # type: ignore[misc]
                    await process.end(signal.SIGKILL)
                    await expire(process)
                await process.start()
                await hive.wait(lambda h: len({e.id for e in h.alerts()}) == 25)
                await asyncio.sleep(0.5)
        titles = [(e.data or {})["alert"]["title"] for e in {e.id: e for e in hive.alerts()}.values()]
        assert sorted(titles) == sorted(f"#{n + 1} event {n}" for n in range(25))

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"MISP_CONNECTOR_SECRET_KEY": ""}, "SECRET_KEYS"),
            ({"MISP_CONNECTOR_INSTANCES": "/nowhere.toml"}, "/nowhere.toml"),
            ({"MISP_CONNECTOR_PARALLEL_POLLS": "0"}, "parallel_polls"),
        ],
    )
    async def test_settings_that_cannot_be_used_are_said_in_a_line(
        self, process: Process, change: dict[str, str], says: str
    ) -> None:
        process.environment |= change
        ended = process.run("serve", "--port", "0")
        assert ended.returncode == 1 and says in ended.stderr and "Traceback" not in ended.stderr

    async def test_secrets_are_in_no_log(self, process: Process, tmp_path: Path) -> None:
        """Threat S19: canaries in every secret, faults on every path."""
        canary = "canary-misp-key-that-nobody-may-see"
        with MispDouble(key=canary) as misp:
            misp.state.add({"info": "x"})
            misp.faults = [Fault("html500", "events/restSearch")]
            assert process.run("seed", "--json", "-", text=seed_of(misp)).returncode == 0
            log = await process.log_until("event_not_imported", tmp_path)
        for secret in (canary, KEY, SERVICE_KEY, process.environment["MISP_CONNECTOR_SECRET_KEY"]):
            assert secret not in log
        assert "event_not_imported" in log


async def expire(process: Process) -> None:
    import asyncpg

    connection = await asyncpg.connect(process.environment["MISP_CONNECTOR_DATABASE_URL"])
    await connection.execute("UPDATE instance_states SET lease_until = now() WHERE lease_until IS NOT NULL")
    await connection.close()


def envelope_for(message: Any, key: str, organisation: str | None = None) -> Envelope:
    return Envelope(
        id=uuid7(),
        type=message.type,
        source="hive",
        time=now_ms(),
        organisation=organisation,
        key=key,
        data=message.model_dump(mode="json"),
    )


class TestCommands:
    """The consumer alone, without a process."""

    @staticmethod
    async def handle(connector: Connector, message: Any, envelope: Envelope | None = None) -> Envelope:
        envelope = envelope or envelope_for(message, "x", "soc")
        await Commands(connector.runtime.database, connector.runtime.notifier)(Delivery(envelope, message, 1, "misp.commands"))
        return envelope

    async def test_a_poll_is_asked_for_once_however_often_the_message_comes(self, connector: Connector) -> None:
        with MispDouble() as misp:
            await connector.add("partner", misp.url)
            await connector.poll()
            assert await connector.claim() is None
            message = MispPollRequested(instance="PARTNER")
            envelope = await self.handle(connector, message)
            held = await connector.claim()
            assert held and held.instance.name == "partner"
            await connector.poller.poll(held)
            await self.handle(connector, message, envelope)
            assert await connector.claim() is None

    async def test_a_poll_of_all_leaves_out_what_is_disabled(self, connector: Connector) -> None:
        await connector.add("partner", "http://127.0.0.1:9/")
        await connector.rows("UPDATE instances SET enabled = false")
        await self.handle(connector, MispPollRequested())
        assert await connector.claim() is None
        with pytest.raises(Poison, match="disabled"):
            await self.handle(connector, MispPollRequested(instance="partner"))

    async def test_an_export_to_nobody_is_refused_once(self, connector: Connector) -> None:
        ref = DataRef.model_validate({"sha256": "0" * 64, "size": 1, "url": "http://hive/x"})
        request = CaseExportRequested(case_id="~1", instance="partner", case_ref=ref)
        envelope = await self.handle(connector, request)
        await self.handle(connector, request, envelope)
        (answer,) = await connector.sent("case.export.failed.v1")
        assert answer["causation_id"] == str(envelope.id) and answer["organisation"] == "soc"
        assert answer["data"]["retryable"] is False and answer["data"]["case_id"] == "~1"

    async def test_what_this_version_does_not_do_is_kept_as_a_dead_letter(self, connector: Connector) -> None:
        with pytest.raises(Poison, match=r"sighting\.reported"):
            await self.handle(connector, SightingReported(value="a.example", data_type="domain", at=1))
