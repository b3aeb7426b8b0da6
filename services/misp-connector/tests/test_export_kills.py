"""Threats R05: an export that is killed at any step ends, tried again, as one event without a second attribute."""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import asyncpg
import pytest
from misp_double import ROLE, Asked, MispDouble
from misp_harness import Connector, Exporting
from test_process import COMMAND, KEY, Process, envelope_for, hive_on
from test_process import process as process

from misp_connector.exporting import exporter as exporter_module
from waggle.contracts.messages.misp import CaseExportRequested
from waggle.testing_bus import TestBus

ROUNDS = 50
WRITES = r"^(events|attributes|objects)/(add|edit|publish)|^tags"


def full_case(exporting: Exporting, number: int) -> dict[str, Any]:
    """Loose attributes, one that is refused, an object, a file, and a case that changes between two exports."""
    pair = ['misp:group="domain-ip:1"']
    return exporting.case(
        *(exporting.observable(n, "domain", f"d{n}.example") for n in range(5)),
        exporting.observable(5, "ip", "no address"),
        exporting.observable(6, "domain", "pair.example", tags=pair),
        exporting.observable(7, "ip", "192.0.2.7", tags=pair),
        exporting.observable(8, "file", None, file=exporting.file("a.exe", b"MZ %d" % number)),
        number=number,
        techniques=[{"pattern_id": "T1566", "name": "Phishing"}],
    )


def assert_once(misp: MispDouble, identity: str) -> None:
    assert list(misp.state.events) == [identity]
    event = misp.state.events[identity]
    attributes = [a for a, _ in misp.state.attributes(event)]
    loose = [(a["type"], a["category"], a["value"]) for a in event["Attribute"]]
    assert max(Counter(a["uuid"] for a in attributes).values()) == 1
    assert max(Counter(loose).values()) == 1
    assert Counter(o["name"] for o in event["Object"]) == {"domain-ip": 1, "file": 1}
    assert Counter(len(o["Attribute"]) for o in event["Object"]) == {2: 1, 6: 1}
    assert {a["value"] for a in event["Attribute"]} == {f"d{n}.example" for n in range(5)}


@pytest.mark.timeout(300)
async def test_killed_at_every_step_fifty_times_out_of_fifty(
    connector: Connector, exporting: Exporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each round kills at another request: before MISP has it, after MISP has stored it, or before our own record."""
    chance = random.Random(5)
    steps: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    finish = exporter_module.records.finish
    for number in range(1, ROUNDS + 1):
        with MispDouble(role={**ROLE, "perm_publish": True}) as misp:
            name = f"misp{number}"
            await connector.add(name, misp.url)
            case = full_case(exporting, number)
            await exporting.ask(case, instance=name, publish=True)
            step, place = ("before", "stored", "record")[number % 3], chance.randrange(1, 5)
            await killed_once(exporting, misp, monkeypatch, loop, step, place, finish)
            await exporting.hurry()
            await exporting.run()
            assert_once(misp, case["event_uuid"])
            assert misp.state.events[case["event_uuid"]]["published"]
            steps[step] += 1
    assert len(await connector.sent("case.exported.v1")) == ROUNDS
    assert await connector.sent("case.export.failed.v1") == []
    assert min(steps.values()) >= ROUNDS // 3


async def killed_once(
    exporting: Exporting,
    misp: MispDouble,
    monkeypatch: pytest.MonkeyPatch,
    loop: asyncio.AbstractEventLoop,
    step: str,
    place: int,
    finish: Any,
) -> None:
    """Carries the export out and takes it down without a word at the given step."""
    claimed = await exporting.claim()
    assert claimed is not None
    task = asyncio.create_task(exporting.exporter.export(claimed))
    seen = 0

    def kill(asked: Asked) -> None:
        nonlocal seen
        seen += bool(re.search(WRITES, asked.path))
        if seen == place:
            seen += 1
            loop.call_soon_threadsafe(task.cancel)
            if step == "before":
                raise ConnectionError("the sender is dead")

    async def die(*args: Any, **kwargs: Any) -> None:
        raise asyncio.CancelledError

    if step == "record":
        monkeypatch.setattr(exporter_module.records, "finish", die)
    else:
        setattr(misp, "before" if step == "before" else "after", kill)
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.02)
    monkeypatch.setattr(exporter_module.records, "finish", finish)
    misp.before = misp.after = None


@contextmanager
def shelf_over_http(exporting: Exporting) -> Iterator[str]:
    """Hive's claims, for a connector in a process of its own."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            content = exporting.shelf.contents.get(self.path.rpartition("/")[2], b"")
            allowed = self.headers.get("Authorization") == "Bearer agreed"
            self.send_response(200 if content and allowed else 403)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


async def test_a_process_that_is_killed_for_real(process: Process, bus: TestBus, exporting: Exporting) -> None:
    """kill -9 while the request is on its way, and when MISP has stored it: the same promise, with the bus in between."""
    with shelf_over_http(exporting) as address, MispDouble() as misp:
        process.environment["MISP_CONNECTOR_NEIGHBOUR_KEYS"] = json.dumps({address: "agreed"})
        instance = {"name": "partner", "url": misp.url, "key": misp.key, "purpose": "ExportOnly"}
        seed = json.dumps({"api_key": KEY, "organisations": ["soc"], "instances": [instance]})
        assert process.run("seed", "--json", "-", text=seed).returncode == 0, COMMAND
        case = full_case(exporting, 1)
        text = json.dumps(case).replace("http://hive.test", address)
        reference = {**exporting.shelf.put(text.encode())}
        reference["url"] = f"{address}/{reference['sha256']}"
        message = CaseExportRequested(case_id=case["case_id"], instance="partner", case_ref=reference)
        async with hive_on(bus) as (hive, opened):
            request: list[Any] = [envelope_for(message, "export", "soc")]
            for path, kind in (("events/add", "after"), ("objects/add", "before")):
                ended = asyncio.Event()
                loop = asyncio.get_running_loop()

                def kill(asked: Asked, path: str = path, ended: asyncio.Event = ended, loop: Any = loop) -> None:
                    if path in asked.path and process.running is not None:
                        process.running.send_signal(signal.SIGKILL)
                        loop.call_soon_threadsafe(ended.set)

                setattr(misp, kind, kill)
                await process.start()
                await opened.publish(request)  # the queue is there once the connector has been
                request = []
                await asyncio.wait_for(ended.wait(), 30)
                await process.end(signal.SIGKILL)
                misp.before = misp.after = None
                await over(process)
            await process.start()
            await hive.wait(lambda h: any(e.type == "case.exported.v1" for e in h.received))
        assert_once(misp, case["event_uuid"])


async def over(process: Process) -> None:
    """The lease of the dead process."""
    connection = await asyncpg.connect(process.environment["MISP_CONNECTOR_DATABASE_URL"])
    await connection.execute("UPDATE exports SET lease_until = NULL")
    await connection.close()
