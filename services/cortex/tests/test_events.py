"""Analyses over the bus: from `analysis.requested.v1` to `analysis.completed.v1`, with a real runner and a bus of its own."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from pydantic import SecretStr

from cortex.events.announcer import Announcer
from cortex.events.machinery import Machinery
from cortex.events.outgoing import Outgoing
from cortex.seed import Seed, sow
from waggle.contracts.envelope import Envelope
from waggle.ids import now_ms, uuid7
from waggle.messaging import BusSettings, Delivery, Signer, make_bus
from waggle.messaging.postgres_schema import install
from waggle.messaging.rights import HIVE_ANALYSIS, cortex_analysis
from waggle.testing import PASSWORD, Server

CANARY = b"content of a file that stays with its owner"


class Owner(BaseHTTPRequestHandler):
    """A neighbour that serves one file to whoever has the key."""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == "Bearer key-at-hive" and self.path.endswith(hashlib.sha256(CANARY).hexdigest())
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(CANARY) if known else 0))
        self.end_headers()
        if known:
            self.wfile.write(CANARY)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def neighbour() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Owner)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@dataclass
class Hive:
    """The other side: asks, and collects what comes back."""

    bus: Any
    bench: Any
    received: list[Delivery] = field(default_factory=list)
    cortex: Any = None
    """The bus as the other side has it."""

    async def take(self, delivery: Delivery) -> None:
        self.received.append(delivery)

    async def ask(
        self, job_id: str, *, organisation: str | None = "soc", message_id: UUID | None = None, **data: Any
    ) -> Envelope:
        data = {"job_id": job_id, "name": "Echo_1_0", "tlp": "AMBER", "pap": "AMBER", **data}
        if "file" not in data:
            data = {"data_type": "ip", "data": "203.0.113.5", **data}
        envelope = Envelope(
            id=message_id or uuid7(), type="analysis.requested.v1", source="hive", time=now_ms(), organisation=organisation,
            key=f"job:{job_id}", request_id="request-1", target="local", data=data,
        )  # fmt: skip
        await self.bus.publish([envelope])
        return envelope

    async def cancel(self, job_id: str) -> None:
        envelope = Envelope(
            id=uuid7(), type="analysis.cancelled.v1", source="hive", time=now_ms(), organisation="soc", key=f"job:{job_id}",
            target="local", data={"job_id": job_id},
        )  # fmt: skip
        await self.bus.publish([envelope])

    def of(self, kind: str, job_id: str | None = None) -> list[Any]:
        found = [d.message for d in self.received if d.envelope.type == kind]
        return [m for m in found if job_id is None or m.job_id == job_id]

    async def result(self, job_id: str, *, seconds: float = 30) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := self.of("analysis.completed.v1", job_id):
                return found[0]
            await asyncio.sleep(0.02)
        state = await self.bench.owner.fetch("SELECT status, error_message FROM jobs")
        raise AssertionError(f"no result of {job_id}: jobs {state}, received {[d.envelope.type for d in self.received]}")


@pytest_asyncio.fixture
async def settings_of_bus(postgres: Server) -> AsyncIterator[dict[str, BusSettings]]:
    """A bus database of this test's own, and how hive and cortex reach it."""
    mark = secrets.token_hex(4)
    logins = {f"bus_hive_{mark}": "hive", f"bus_cortex_{mark}": "cortex"}
    admin = await asyncpg.connect(postgres.url)
    await admin.execute(f'CREATE DATABASE "bus_{mark}"')
    for login in logins:
        await admin.execute(f"CREATE ROLE {login} LOGIN PASSWORD '{PASSWORD}'")
    await install(postgres.database_url(f"bus_{mark}"), logins)  # type: ignore[arg-type]
    keys = {service: Signer.new_key() for service in ("hive", "cortex")}
    senders = {s: {"keys": [Signer(key).public_key], "organisations": None} for s, key in keys.items()}
    yield {
        service: BusSettings(
            BUS_DATABASE_URL=postgres.database_url(f"bus_{mark}", login), WAGGLE_SIGNING_KEY=keys[service], WAGGLE_SENDERS=senders
        )  # type: ignore[call-arg]
        for login, service in logins.items()
    }
    await admin.execute(f'DROP DATABASE "bus_{mark}" WITH (FORCE)')
    for login in logins:
        await admin.execute(f"DROP ROLE {login}")
    await admin.close()


@pytest_asyncio.fixture
async def hive(api: Any, settings_of_bus: dict[str, BusSettings], neighbour: str) -> AsyncIterator[Hive]:
    """hive beside a cortex that is linked to its organisation `soc`; the worker Echo is enabled."""
    bus = make_bus(settings_of_bus["hive"])
    other = Hive(bus, api.bench)
    await bus.start()
    await bus.subscribe(HIVE_ANALYSIS, other.take)
    await api.enable()
    link = {"service": "hive", "organisation": "soc", "user": "admin@lab"}
    await sow(api.engine, Seed.model_validate({"service_links": [link]}))
    settings = api.settings.model_copy(update={"neighbour_keys": {neighbour: SecretStr("key-at-hive")}})
    engine = api.engine
    object.__setattr__(engine, "settings", settings)
    machinery = Machinery(engine, settings_of_bus["cortex"])
    await machinery.start()
    other.cortex = machinery.bus
    yield other
    await machinery.stop()
    await bus.close()


async def test_a_request_comes_back_as_a_report(api: Any, hive: Hive) -> None:
    api.bench.start_runner()
    asked = await hive.ask("~1", message="42", parameters={"user": "a"}, tlp="GREEN")
    result = await hive.result("~1")
    assert (result.status, result.error_message, result.from_cache) == ("Success", None, False)
    assert result.report["value"] == "203.0.113.5"
    (verdict,) = result.summary.taxonomies
    assert (verdict.level, verdict.namespace, verdict.predicate, verdict.value) == ("safe", "Echo", "Value", "203.0.113.5")
    (artifact,) = result.artifacts
    assert (artifact.data_type, artifact.data, artifact.tlp, artifact.tags) == ("domain", "found.example.org", "AMBER", ("t",))
    assert result.operations == ({"type": "AddTagToCase", "tag": "echo"},)
    (started,) = hive.of("analysis.started.v1", "~1")
    assert (started.cortex_job_id, started.attempt) == (result.cortex_job_id, 1)
    envelope = next(d.envelope for d in hive.received if d.message is result)
    assert (envelope.source, envelope.organisation, envelope.key) == ("cortex", "soc", "job:~1")
    assert (envelope.causation_id, envelope.request_id) == (asked.id, "request-1")
    job = (await api.admin.get(f"/api/job/{result.cortex_job_id}")).json()
    assert (job["createdBy"], job["organization"], job["message"], job["tlp"]) == ("admin@lab", "lab", "42", 1)


async def test_files_stay_with_their_owner_in_both_directions(api: Any, hive: Hive, neighbour: str) -> None:
    api.bench.start_runner()
    sha256 = hashlib.sha256(CANARY).hexdigest()
    file = {
        "name": "mail.eml",
        "content_type": "message/rfc822",
        "size": len(CANARY),
        "sha256": sha256,
        "url": f"{neighbour}/c/{sha256}",
    }
    await hive.ask("~file", data_type="file", file=file)
    result = await hive.result("~file")
    assert result.status == "Success", result.error_message
    assert result.report["value"] == "mail.eml"
    back = result.artifacts[1].file
    assert (back.sha256, back.name) == (sha256, "copy.bin")
    path = str(back.url).split("9001", 1)[1]
    claimed = await api.anonymous.get(path, headers={"Authorization": "Bearer neighbours-key"})
    assert claimed.content == CANARY


async def test_a_long_report_is_named_and_fetched(api: Any, hive: Hive) -> None:
    source = """
import json, pathlib, sys
(pathlib.Path(sys.argv[1]) / "output" / "output.json").write_text(json.dumps({"success": True, "full": {"x": "y" * 400_000}}))
"""
    api.flavor("Long", source=source)
    await api.enable("Long_1_0")
    api.bench.start_runner()
    await hive.ask("~long", name="Long_1_0")
    result = await hive.result("~long")
    assert result.report is None and result.report_ref.size > 400_000
    path = str(result.report_ref.url).split("9001", 1)[1]
    fetched = await api.anonymous.get(path, headers={"Authorization": "Bearer neighbours-key"})
    assert fetched.json() == {"x": "y" * 400_000}


async def test_many_long_artifacts_do_not_break_the_message(api: Any, hive: Hive) -> None:
    source = """
import json, pathlib, sys
found = [{"dataType": "other", "data": "z" * 1000 + str(i)} for i in range(400)]
report = {"success": True, "full": {}, "artifacts": found}
(pathlib.Path(sys.argv[1]) / "output" / "output.json").write_text(json.dumps(report))
"""
    api.flavor("Many", source=source)
    await api.enable("Many_1_0")
    api.bench.start_runner()
    await hive.ask("~many", name="Many_1_0")
    deadline = time.monotonic() + 30
    while not (found := [d for d in hive.received if d.envelope.data_ref]) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    path = str(found[0].envelope.data_ref.url).split("9001", 1)[1]
    fetched = await api.anonymous.get(path, headers={"Authorization": "Bearer neighbours-key"})
    assert len(fetched.json()["artifacts"]) == 400 and fetched.json()["job_id"] == "~many"


class TestRefusals:
    async def test_each_comes_back_as_a_failure_with_the_reason(self, hive: Hive) -> None:
        cases: list[Any] = [
            ({"organisation": "strangers"}, "may not use this Cortex for the organisation strangers"),
            ({"organisation": None}, "may not use this Cortex for the organisation (none)"),
            ({"name": "Nothing_1_0"}, "worker Nothing_1_0 not found"),
            ({"worker_id": "x"}, "worker x not found"),
            ({"kind": "responder"}, "worker Echo_1_0 not found"),
        ]
        for changes, reason in cases:
            await hive.ask(f"~{reason}", **changes)
            result = await hive.result(f"~{reason}")
            assert result.status == "Failure" and reason in result.error_message and result.cortex_job_id is None

    async def test_a_marking_over_the_limit_is_refused_with_cortexutils_text(self, api: Any, hive: Hive) -> None:
        """threats S15 and S17: words on the bus, and one that nobody knows is RED."""
        worker = (await api.admin.get("/api/analyzer")).json()[0]["id"]
        config = {"configuration": {"check_tlp": True, "max_tlp": 2}}
        await api.admin.patch(f"/api/analyzer/{worker}", json=config)
        for word in ("RED", "AMBER+STRICT", "unheard-of"):
            await hive.ask(f"~{word}", tlp=word)
            result = await hive.result(f"~{word}")
            assert (result.status, result.error_message) == ("Failure", "TLP is higher than allowed.")

    async def test_a_file_that_cannot_be_fetched(self, hive: Hive, neighbour: str) -> None:
        sha256 = hashlib.sha256(CANARY).hexdigest()
        cases: list[Any] = [
            ({"url": "http://127.0.0.1:1/x"}, "no key for http://127.0.0.1:1: name it in CORTEX_NEIGHBOUR_KEYS"),
            ({"url": "http://169.254.169.254/latest"}, "no key for"),
            ({"sha256": "00" * 32}, "its hash differs"),
            ({"size": 2**40}, "over the limit"),
        ]
        for change, reason in cases:
            file = {
                "name": "a",
                "content_type": "text/plain",
                "size": 10,
                "sha256": sha256,
                "url": f"{neighbour}/{sha256}",
                **change,
            }
            await hive.ask(f"~{reason}", data_type="file", file=file)
            result = await hive.result(f"~{reason}")
            assert result.status == "Failure" and reason in result.error_message

    async def test_a_locked_user_serves_nobody(self, api: Any, hive: Hive) -> None:
        await api.bench.owner.execute("UPDATE users SET status = 'Locked' WHERE login = 'admin@lab'")
        await hive.ask("~1")
        assert "may not use this Cortex" in (await hive.result("~1")).error_message


class TestOnceInEffect:
    async def test_a_poisoned_request_is_a_dead_letter_and_the_queue_goes_on(self, api: Any, hive: Hive) -> None:
        """threats R08."""
        api.bench.start_runner()
        await hive.ask("~poison", parameters="no object")
        await hive.ask("~good")
        assert (await hive.result("~good")).status == "Success"
        assert hive.cortex is not None
        (letter,) = await hive.cortex.dead(cortex_analysis("local").name)
        assert letter.reason.startswith("invalid analysis.requested.v1"), letter.reason
        assert hive.of("analysis.completed.v1", "~poison") == []

    async def test_the_same_message_twice_makes_one_job_and_one_result(self, api: Any, hive: Hive) -> None:
        """threats R04."""
        api.bench.start_runner()
        first = await hive.ask("~1", force=True)
        await hive.result("~1")
        await hive.ask("~1", message_id=first.id, force=True)
        await hive.ask("~1", force=True)
        await asyncio.sleep(1)
        assert await api.bench.owner.fetchval("SELECT count(*) FROM jobs") == 1
        assert len(hive.of("analysis.completed.v1", "~1")) == 1

    async def test_equal_requests_share_a_job_and_each_gets_its_answer(self, api: Any, hive: Hive) -> None:
        """Asked at once, while it runs, and after it has ended."""
        await asyncio.gather(*(hive.ask(f"~{i}") for i in range(10)))
        deadline = time.monotonic() + 10
        while await api.bench.owner.fetchval("SELECT count(*) FROM job_requests") < 10 and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        api.bench.start_runner()
        results = [await hive.result(f"~{i}") for i in range(10)]
        await hive.ask("~late")
        results.append(await hive.result("~late"))
        assert {r.status for r in results} == {"Success"} and len({r.cortex_job_id for r in results}) == 1
        assert sorted(r.from_cache for r in results) == [False] + [True] * 10
        assert await api.bench.owner.fetchval("SELECT count(*) FROM jobs") == 1

    async def test_rate_limit_makes_requests_wait_for_their_turn(self, api: Any, hive: Hive) -> None:
        worker = (await api.admin.get("/api/analyzer")).json()[0]["id"]
        await api.admin.patch(f"/api/analyzer/{worker}", json={"rate": 2, "rateUnit": "Second"})
        api.bench.start_runner()
        began = time.monotonic()
        await asyncio.gather(*(hive.ask(f"~{i}", data=f"203.0.113.{i}") for i in range(5)))
        results = [await hive.result(f"~{i}") for i in range(5)]
        assert {r.status for r in results} == {"Success"}
        assert time.monotonic() - began > 1.8

    async def test_cancelled_request_stops_its_job(self, api: Any, hive: Hive) -> None:
        await hive.ask("~1")
        deadline = time.monotonic() + 10
        while not await api.bench.owner.fetchval("SELECT count(*) FROM dispatch") and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        await hive.cancel("~1")
        while await api.bench.owner.fetchval("SELECT count(*) FROM dispatch") and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        assert await api.bench.owner.fetchval("SELECT status FROM jobs") == "Deleted"
        await hive.cancel("~1")
        await hive.cancel("~unknown")

    async def test_result_announced_before_a_crash_leaves_after_the_restart(
        self, api: Any, settings_of_bus: dict[str, BusSettings]
    ) -> None:
        """threats R01: the job has ended, nobody has told of it yet. No service runs; then one starts."""
        await api.enable()
        await sow(
            api.engine, Seed.model_validate({"service_links": [{"service": "hive", "organisation": "soc", "user": "admin@lab"}]})
        )
        worker = (await api.admin.get("/api/analyzer")).json()[0]["id"]
        job = (await api.admin.post(f"/api/analyzer/{worker}/run", json={"dataType": "ip", "data": "203.0.113.5"})).json()["id"]
        await api.bench.owner.execute(
            "INSERT INTO job_requests VALUES ('hive', '~1', 'soc', $1, $2, 'request-1', 'lab', false)", UUID(hex=job), uuid7()
        )
        await api.bench.owner.execute("UPDATE jobs SET announced = true")
        api.bench.start_runner()
        await api.bench.ended(job)
        bus = make_bus(settings_of_bus["hive"])
        hive = Hive(bus, api.bench)
        await bus.start()
        await bus.subscribe(HIVE_ANALYSIS, hive.take)
        machinery = Machinery(api.engine, settings_of_bus["cortex"])
        await machinery.start()
        assert (await hive.result("~1")).status == "Success"
        await machinery.stop()
        await bus.close()


class TestCatalog:
    async def test_is_told_at_the_start_and_on_every_change(self, api: Any, hive: Hive) -> None:
        async def catalog(count: int) -> Any:
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                told = hive.of("worker.catalog_changed.v1")
                if told and len(told[-1].workers) == count:
                    return told[-1]
                await asyncio.sleep(0.02)
            raise AssertionError(f"no catalog of {count}: {hive.of('worker.catalog_changed.v1')}")

        (echo,) = (await catalog(1)).workers
        assert (echo.name, echo.version, echo.kind, echo.max_tlp) == ("Echo_1_0", "1.0", "analyzer", None)
        api.flavor("More")
        worker = await api.enable("More_1_0", configuration={"check_tlp": True, "max_tlp": 1})
        assert (await catalog(2)).workers[1].max_tlp == "GREEN"
        await api.admin.delete(f"/api/analyzer/{worker}")
        await catalog(1)

    async def test_while_nobody_listens_only_the_newest_waits(self, api: Any) -> None:
        link = {"service": "hive", "organisation": "soc", "user": "admin@lab"}
        await sow(api.engine, Seed.model_validate({"service_links": [link]}))
        worker = await api.enable()
        await api.admin.delete(f"/api/analyzer/{worker}")
        await api.enable()
        outgoing = Outgoing(sender="cortex", claims_url="http://x/api/claims", blobs=api.engine.blobs)
        await Announcer(api.engine.database, api.engine.notifier, outgoing).once()
        deadline = time.monotonic() + 10
        while await api.bench.owner.fetchval("SELECT count(*) FROM announcements") and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        (body,) = [json.loads(row["body"]) for row in await api.bench.owner.fetch("SELECT body FROM outbox")]
        assert [w["name"] for w in body["data"]["workers"]] == ["Echo_1_0"]

    async def test_other_organisations_workers_are_not_told(self, api: Any, hive: Hive) -> None:
        await api.user("boss@other", ["read", "analyze", "orgadmin"], organisation="other")
        answer = await api._as("boss@other").post("/api/organization/analyzer/Echo_1_0", json={"name": "Echo_1_0"})
        assert answer.status_code == 201
        await asyncio.sleep(1.5)
        assert all(len(told.workers) <= 1 for told in hive.of("worker.catalog_changed.v1"))


async def test_without_a_bus_announcements_do_not_pile_up(api: Any) -> None:
    worker = await api.enable()
    job = (await api.admin.post(f"/api/analyzer/{worker}/run", json={"dataType": "ip", "data": "203.0.113.5"})).json()["id"]
    api.bench.start_runner()
    await api.bench.ended(job)
    deadline = time.monotonic() + 10
    while await api.bench.owner.fetchval("SELECT count(*) FROM announcements") and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    assert await api.bench.owner.fetchval("SELECT count(*) FROM announcements") == 0
    assert await api.bench.owner.fetchval("SELECT count(*) FROM outbox") == 0


async def test_a_result_that_cannot_be_sent_still_ends_the_request(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = await api.enable()
    job = (await api.admin.post(f"/api/analyzer/{worker}/run", json={"dataType": "ip", "data": "203.0.113.5"})).json()["id"]
    owner = api.bench.owner
    await owner.execute("INSERT INTO job_requests VALUES ('hive', '~1', 'soc', $1, $2, '', 'lab', false)", UUID(hex=job), uuid7())
    await owner.execute("UPDATE jobs SET status = 'Success'")  # without a report
    outgoing = Outgoing(sender="cortex", claims_url="http://x/api/claims", blobs=api.engine.blobs)
    await owner.execute("INSERT INTO announcements (what, job_id) VALUES ('ended', $1)", UUID(hex=job))
    await Announcer(api.engine.database, api.engine.notifier, outgoing).once()
    deadline = time.monotonic() + 5
    while (
        not (bodies := [json.loads(r["body"]) for r in await owner.fetch("SELECT body FROM outbox")])
        and time.monotonic() < deadline
    ):
        await asyncio.sleep(0.1)
    assert bodies[0]["data"]["status"] == "Failure" and "cannot be sent over the bus" in bodies[0]["data"]["error_message"]


def test_queue_is_the_instances_own() -> None:
    assert cortex_analysis("local").name == "cortex.local.analysis"
    assert "analysis.requested.v1.local" in cortex_analysis("local").patterns
