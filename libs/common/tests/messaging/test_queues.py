"""What operators see and do: routes, metrics and the command, over a real bus and a real outbox."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Request

from waggle.db import Database
from waggle.errors import AuthenticationFailed, BadRequest, Forbidden, NotFound, Unavailable
from waggle.ids import uuid7
from waggle.messaging import Bus, BusUnavailable, Poison, Queue, QueueDepth, command
from waggle.messaging.keeper import QueueKeeper
from waggle.messaging.outbox import enqueue
from waggle.observability.queues import queue_gauges
from waggle.queue_arguments import add_queue_arguments
from waggle.testing import MakeDatabase, until
from waggle.web import create_app
from waggle.web.access import Requirement, unguarded_routes
from waggle.web.queues import install, queue_router

from .support import Carrier, Inbox, PostgresCarrier, alert_raised, running

NOBODY = uuid7()


class _Key(Requirement):
    """`Bearer read` may read, `Bearer manage` everything."""

    def __init__(self, *keys: str) -> None:
        self._keys = keys

    def __call__(self, request: Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if given not in ("read", "manage"):
            raise AuthenticationFailed
        if given not in self._keys:
            raise Forbidden("this needs a key that manages")


class NoBus:
    """A broker that is away: nothing can be asked of it."""

    def __init__(self, seconds: float = 0) -> None:
        self._seconds = seconds

    async def start(self) -> None:
        """A broker that is away is no error."""

    async def close(self) -> None:
        """Nothing was opened."""

    async def depths(self, _queues: Any = None) -> dict[str, QueueDepth]:
        await asyncio.sleep(self._seconds)
        raise BusUnavailable("the broker is away")

    async def dead(self, _queue: str, _limit: int = 50) -> list[Any]:
        raise BusUnavailable("the broker is away")

    async def resend(self, _queue: str, _message_id: Any) -> bool:
        raise BusUnavailable("the broker is away")


def app_of(keeper: QueueKeeper) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    app = create_app(title="t", version="1", lifespan=lifespan)
    app.include_router(queue_router("/api", read=Depends(_Key("read", "manage")), manage=Depends(_Key("manage"))))
    install(app, keeper)
    return app


def client(app: FastAPI, key: str | None = "manage") -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://queues.test", headers=headers)


@pytest.fixture
async def db(make_database: MakeDatabase, migrations: Any) -> AsyncIterator[Database]:
    stored = await make_database("postal", migrations=migrations)
    database = Database(stored.app_url, stored.system_url, application_name="test")
    yield database
    await database.close()


@pytest.fixture
def queue(carrier: Carrier) -> Queue:
    return carrier.queue()


@pytest.fixture
async def bus(carrier: Carrier) -> AsyncIterator[Bus]:
    """Hive's bus in a process that handles nothing: it only looks."""
    opened = carrier.bus("hive")
    async with running(opened):
        yield opened


@pytest.fixture
def keeper(db: Database, bus: Bus, queue: Queue) -> QueueKeeper:
    return QueueKeeper(db, bus, [queue])


@pytest.fixture
def app(keeper: QueueKeeper) -> FastAPI:
    return app_of(keeper)


async def letter_in(carrier: Carrier, queue: Queue, reason: str = "no such alert") -> str:
    """A dead letter, and its id: a consumer that came and went gave the message up."""
    hive, misp, sent = carrier.bus("hive"), carrier.bus("misp-connector"), alert_raised()
    async with running(hive, misp):
        await hive.subscribe(queue, Inbox(Poison(reason)))
        await misp.publish([sent])
        await until(lambda: hive.dead(queue.name))
    return str(sent.id)


async def refused_in(db: Database) -> str:
    """A row of the outbox that was refused, and its id."""
    sent = alert_raised()
    async with db.raw(system=False) as connection:
        await enqueue(connection, [sent, alert_raised(2)])
    await db.fetch("UPDATE outbox SET refused = 'too big' WHERE message_id = $1", sent.id, system=True)
    return str(sent.id)


class TestAccess:
    def operations(self, queue: str = "hive.alerts") -> dict[str, list[tuple[str, str]]]:
        read = [("GET", "/api/queues"), ("GET", "/api/outbox")]
        manage = [
            ("GET", f"/api/queues/{queue}/dead"),
            ("POST", f"/api/queues/{queue}/dead/{NOBODY}/resend"),
            ("GET", "/api/outbox/refused"),
            ("POST", f"/api/outbox/refused/{NOBODY}/resend"),
        ]
        return {"read": read, "manage": manage}

    async def test_every_route_has_a_mark_and_keeps_the_anonymous_out(self, db: Database) -> None:
        app = app_of(QueueKeeper(db, None, []))
        assert unguarded_routes(app) == []
        async with client(app, None) as anonymous:
            for method, path in (o for part in self.operations().values() for o in part):
                assert (await anonymous.request(method, path)).status_code == 401, path

    async def test_readers_see_counts_and_neither_messages_nor_reasons(self, db: Database) -> None:
        app = app_of(QueueKeeper(db, None, []))
        async with client(app, "read") as reader:
            assert (await reader.get("/api/outbox")).status_code == 200
            for method, path in self.operations()["manage"]:
                assert (await reader.request(method, path)).status_code == 403, path


class TestQueues:
    async def test_a_queue_nobody_declared_is_empty(self, app: FastAPI, queue: Queue) -> None:
        async with client(app) as api:
            assert (await api.get("/api/queues")).json() == [
                {"name": queue.name, "ready": 0, "delayed": 0, "in_hand": 0, "dead": 0}
            ]
            assert (await api.get(f"/api/queues/{queue.name}/dead")).json() == []
            assert (await api.post(f"/api/queues/{queue.name}/dead/{NOBODY}/resend")).status_code == 404

    async def test_a_process_that_handles_nothing_shows_and_resends(self, app: FastAPI, carrier: Carrier, queue: Queue) -> None:
        sent = await letter_in(carrier, queue)
        async with client(app) as api:
            (letter,) = (await api.get(f"/api/queues/{queue.name}/dead")).json()
            assert (letter["message_id"], letter["reason"], letter["attempts"]) == (sent, "no such alert", 1)
            assert '"alert.raised.v1"' in letter["body"]

            async def dead(count: int) -> Any:
                (shown,) = (await api.get("/api/queues")).json()
                return shown if shown["dead"] == count else None

            await until(lambda: dead(1))
            assert (await api.post(f"/api/queues/{queue.name}/dead/{sent}/resend")).status_code == 202
            shown = await until(lambda: dead(0))
            assert shown["ready"] == 1
            assert (await api.post(f"/api/queues/{queue.name}/dead/{sent}/resend")).status_code == 404

    async def test_bad_input_is_refused(self, app: FastAPI, queue: Queue) -> None:
        async with client(app) as api:
            for other in ("misp.commands", "hive.nothing", "x" * 101, "%00"):
                assert (await api.get(f"/api/queues/{other}/dead")).status_code in (400, 404)
            assert (await api.post(f"/api/queues/misp.commands/dead/{NOBODY}/resend")).status_code == 404
            assert (await api.post(f"/api/queues/{queue.name}/dead/x/resend")).status_code == 400
            for limit in ("0", "501", "many"):
                assert (await api.get(f"/api/queues/{queue.name}/dead?limit={limit}")).status_code == 400

    async def test_messages_of_another_process_count_as_in_hand(self, db: Database, carrier: Carrier) -> None:
        if not isinstance(carrier, PostgresCarrier):
            pytest.skip("RabbitMQ tells no user what another connection holds")
        queue, looking = carrier.queue(), carrier.bus("hive")
        hive, misp, let_go = carrier.bus("hive"), carrier.bus("misp-connector"), asyncio.Event()

        async def hold(_delivery: Any) -> None:
            await let_go.wait()

        async with running(hive, misp, looking):
            await hive.subscribe(queue, hold)
            await misp.publish([alert_raised()])
            keeper = QueueKeeper(db, looking, [queue])

            async def held() -> bool:
                return (await keeper.depths())[queue.name] == QueueDepth(0, 0, 0, 1)

            await until(held)
            let_go.set()


class TestOutbox:
    async def test_it_answers_while_the_broker_is_away(self, db: Database) -> None:
        refused = await refused_in(db)
        async with client(app_of(QueueKeeper(db, NoBus(), []))) as api:
            answer = await api.get("/api/queues")
            assert (answer.status_code, answer.json()["message"]) == (503, "the broker is away")
            outbox = (await api.get("/api/outbox")).json()
            assert (outbox["waiting"], outbox["refused"]) == (1, 1) and 0 <= outbox["oldest_seconds"] < 60
            (shown,) = (await api.get("/api/outbox/refused")).json()
            assert (shown["message_id"], shown["topic"], shown["reason"]) == (refused, "alert.raised.v1", "too big")

    async def test_a_refused_message_can_be_tried_again(self, db: Database) -> None:
        refused = await refused_in(db)
        async with client(app_of(QueueKeeper(db, None, []))) as api:
            assert (await api.post(f"/api/outbox/refused/{refused}/resend")).status_code == 202
            assert (await api.get("/api/outbox")).json()["waiting"] == 2
            assert (await api.post(f"/api/outbox/refused/{refused}/resend")).status_code == 404
            assert (await api.post("/api/outbox/refused/x/resend")).status_code == 400


class TestMetrics:
    async def test_depths_are_in_the_metrics(self, db: Database, app: FastAPI, carrier: Carrier, queue: Queue) -> None:
        await refused_in(db)
        await letter_in(carrier, queue)
        expected = [
            f'waggle_queue_dead_letters{{queue="{queue.name}"}} 1.0',
            f'waggle_queue_messages{{queue="{queue.name}",state="ready"}} 0.0',
            'waggle_queues_answered{source="bus"} 1.0',
            "waggle_outbox_waiting 1.0",
            "waggle_outbox_refused 1.0",
        ]
        async with client(app) as api:

            async def shown() -> bool:
                lines = (await api.get("/metrics")).text.splitlines()
                return all(line in lines for line in expected)

            await until(shown)

    async def test_a_broker_that_hangs_costs_the_limit_and_no_other_number(self, db: Database) -> None:
        found = await asyncio.wait_for(queue_gauges(QueueKeeper(db, NoBus(60), []), limit=0.5), 5)
        values = {(s.name, *s.labels.values()): s.value for metric in found for s in metric.samples}
        assert values[("waggle_queues_answered", "bus")] == 0
        assert values[("waggle_queues_answered", "outbox")] == 1
        assert values[("waggle_outbox_waiting",)] == 0
        assert not any(name.startswith("waggle_queue_messages") for name, *_ in values)


class TestCommand:
    async def run(self, carrier: Carrier, db: Database, queue: Queue, *arguments: str) -> str:
        parser = argparse.ArgumentParser()
        add_queue_arguments(parser)
        bus = carrier.bus("hive")
        return await command.run(parser.parse_args(arguments), QueueKeeper(db, bus, [queue]), bus)

    async def test_shows_and_resends(self, db: Database, carrier: Carrier, queue: Queue) -> None:
        sent, refused = await letter_in(carrier, queue, "bad\x1b[2Jnews"), await refused_in(db)

        async def overview() -> list[str] | None:
            lines = (await self.run(carrier, db, queue)).splitlines()
            return lines if lines[1].split() == [queue.name, "0", "0", "0", "1"] else None

        lines = await until(overview)
        assert lines[0].split() == ["queue", "ready", "delayed", "in", "hand", "dead"]
        assert lines[2].startswith("outbox: 1 waiting") and lines[2].endswith("1 refused")
        assert await self.run(carrier, db, queue, "--dead", queue.name) == f"{sent}  attempt 1: bad [2Jnews"
        assert await self.run(carrier, db, queue, "--dead", "outbox") == f"{refused}  alert.raised.v1: too big"
        assert await self.run(carrier, db, queue, "--resend", queue.name, sent) == f"{sent} is back in {queue.name}"
        assert await self.run(carrier, db, queue, "--resend", "outbox", refused) == f"{refused} will be tried again"
        assert await self.run(carrier, db, queue, "--dead", queue.name) == "no dead letters"
        assert await self.run(carrier, db, queue, "--dead", "outbox") == "the bus has refused nothing"

    async def test_says_what_cannot_be_done(self, db: Database, carrier: Carrier, queue: Queue) -> None:
        for arguments, error in (
            (("--dead", "misp.commands"), NotFound),
            (("--resend", queue.name, str(NOBODY)), NotFound),
            (("--resend", "outbox", str(NOBODY)), NotFound),
            (("--resend", queue.name, "x"), BadRequest),
        ):
            with pytest.raises(error):
                await self.run(carrier, db, queue, *arguments)

    async def test_the_outbox_is_told_while_the_broker_is_away(self, db: Database) -> None:
        await refused_in(db)
        bus: Any = NoBus()
        with pytest.raises(Unavailable, match=r"the broker is away\noutbox: 1 waiting"):
            await command.run(argparse.Namespace(dead=None, resend=None), QueueKeeper(db, bus, []), bus)
