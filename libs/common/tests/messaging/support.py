"""What the messaging tests share: keys, envelopes, and the two carriers behind one face."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import aio_pika
import asyncpg

from launcher import postgres, rabbitmq
from waggle.contracts.envelope import Envelope
from waggle.contracts.messages.base import Service
from waggle.ids import now_ms, uuid7
from waggle.messaging import Bus, Delivery, Keyring, Queue, Sender, Signer
from waggle.messaging.postgres import PostgresBus
from waggle.messaging.postgres_schema import install
from waggle.messaging.rabbit import RabbitBus
from waggle.messaging.rabbit_topology import retry_queue
from waggle.messaging.rights import EXCHANGE, PREFIXES, rabbit_definitions

HERE = Path(__file__).parent
SERVICES: tuple[Service, ...] = ("hive", "cortex", "misp-connector")
KEYS = {service: Signer.new_key() for service in SERVICES}
PASSWORDS = {service: secrets.token_hex(16) for service in SERVICES}
DEFINITIONS = rabbit_definitions({service: (service, PASSWORDS[service]) for service in SERVICES})
LADDER = (0.05, 0.1, 0.2)
LEASE = 1.5


def signer(service: Service) -> Signer:
    return Signer(KEYS[service])


def keyring(**organisations: list[str]) -> Keyring:
    """All three services; those named may speak for the given organisations only."""
    limits = {name.replace("_", "-"): frozenset(names) for name, names in organisations.items()}
    return Keyring({service: Sender((signer(service).public_key,), limits.get(service)) for service in SERVICES})


def alert_raised(number: int = 1, **changes: Any) -> Envelope:
    alert = {
        "type": "misp",
        "source": "training",
        "source_ref": f"event-{number}",
        "title": f"Event {number}",
        "date": now_ms(),
        "last_sync_date": now_ms(),
    }
    content: dict[str, Any] = {
        "id": uuid7(),
        "type": "alert.raised.v1",
        "source": "misp-connector",
        "time": now_ms(),
        "organisation": "acme",
        "key": f"misp:training:{number}",
        "request_id": "r-1",
        "data": {"alert": alert, "observables": [{"data_type": "ip", "data": "192.0.2.1"}]},
    }
    return Envelope(**{**content, **changes})


def source_gone(**changes: Any) -> Envelope:
    gone = {"type": "alert.source_gone.v1", "data": {"instance": "training", "event_uuids": []}}
    return alert_raised(**{**gone, **changes})


def analysis_requested(instance: str, **changes: Any) -> Envelope:
    data = {"job_id": "~1", "worker_id": "w", "data_type": "ip", "data": "192.0.2.1", "tlp": "AMBER", "pap": "AMBER"}
    return alert_raised(type="analysis.requested.v1", source="hive", target=instance, data=data, **changes)


class Inbox:
    """A handler that keeps what it gets, and does as it is told first."""

    def __init__(self, *then: Exception | None) -> None:
        self.got: list[Delivery] = []
        self.times: list[float] = []
        self._then = list(then)

    async def __call__(self, delivery: Delivery) -> None:
        self.got.append(delivery)
        self.times.append(time.monotonic())
        if self._then and (error := self._then.pop(0)):
            raise error

    @property
    def ids(self) -> list[UUID]:
        return [delivery.envelope.id for delivery in self.got]


class Carrier(Protocol):
    name: str

    def queue(self, kind: str = "alerts", *patterns: str) -> Queue: ...
    def bus(self, service: Service, *, keys: Keyring | None = None, ladder: Sequence[float] = LADDER) -> Bus: ...
    def url(self, service: Service) -> str: ...
    async def stop(self, *, kill: bool) -> None: ...
    async def start(self) -> None: ...
    async def put_raw(self, queue: Queue, body: bytes) -> None: ...
    async def crash(self, queue: Queue, times: int) -> None: ...

    queues: list[Queue]


class _Carrier:
    def __init__(self) -> None:
        self._unique = secrets.token_hex(4)
        self.queues: list[Queue] = []

    def queue(self, kind: str = "alerts", *patterns: str) -> Queue:
        queue = Queue(f"hive.{self._unique}.{kind}", patterns or ("alert.raised.v1", "alert.source_gone.v1"))
        self.queues.append(queue)
        return queue


class PostgresCarrier(_Carrier):
    name = "postgres"

    def __init__(self, cluster: postgres.Cluster) -> None:
        super().__init__()
        self._cluster = cluster
        self._database = f"bus_{self._unique}"

    async def prepare(self) -> None:
        admin = await asyncpg.connect(self._cluster.url)
        for service in SERVICES:
            role = f"bus_{PREFIXES[service]}"
            if not await admin.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
                await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORDS[service]}'")
        await admin.execute(f"CREATE DATABASE {self._database}")
        await admin.execute(f"REVOKE CONNECT ON DATABASE {self._database} FROM PUBLIC")
        await admin.close()
        await install(self._cluster.database_url(self._database), {f"bus_{PREFIXES[s]}": s for s in SERVICES})

    async def clean(self) -> None:
        admin = await asyncpg.connect(self._cluster.url)
        await admin.execute(f"DROP DATABASE {self._database} WITH (FORCE)")
        await admin.close()

    def url(self, service: Service) -> str:
        login = f"bus_{PREFIXES[service]}:{PASSWORDS[service]}"
        return f"postgresql://{login}@127.0.0.1:{self._cluster.port}/{self._database}"

    def bus(self, service: Service, *, keys: Keyring | None = None, ladder: Sequence[float] = LADDER) -> Bus:
        return PostgresBus(self.url(service), signer=signer(service), keyring=keys or keyring(), ladder=ladder, lease=LEASE)

    async def stop(self, *, kill: bool) -> None:
        if kill:
            self._cluster.process.kill()
            self._cluster.process.wait()
        await asyncio.to_thread(self._cluster.stop)

    async def start(self) -> None:
        # Not in a thread: the server dies with the thread that started it.
        fresh = postgres.start(self._cluster.folder, port=self._cluster.port)
        self._cluster.process = fresh.process

    async def owner(self) -> asyncpg.Connection:
        return await asyncpg.connect(self._cluster.database_url(self._database))

    async def crash(self, queue: Queue, times: int) -> None:
        """One message, taken `times` times by a consumer that never answers; ends when the last lease has."""
        hive = await asyncpg.connect(self.url("hive"))
        for _ in range(times):
            taken = await hive.fetch("SELECT * FROM bus.claim($1, 1, 0.001)", queue.name)
            assert len(taken) == 1
            await asyncio.sleep(0.005)
        await hive.close()

    async def put_raw(self, queue: Queue, body: bytes) -> None:
        owner = await self.owner()
        await owner.execute(
            "INSERT INTO bus.messages (queue, message_id, body) VALUES ($1, $2, $3)", queue.name, uuid7(), body.decode()
        )
        await owner.close()


class RabbitCarrier(_Carrier):
    name = "rabbitmq"

    def __init__(self, node: rabbitmq.Node) -> None:
        super().__init__()
        self._node = node
        self._restarted = False

    async def clean(self) -> None:
        connection = await aio_pika.connect(self._node.url)
        channel = await (await connection.channel()).get_underlay_channel()
        for queue in self.queues:
            if self._restarted:
                # RabbitMQ 3.10 breaks when queues are deleted while their dead-letter workers come up after a restart.
                for pattern in queue.patterns:
                    await channel.queue_unbind(queue.name, EXCHANGE, pattern)
                continue
            for name in [queue.name, queue.dead, *(retry_queue(queue, delay) for delay in LADDER)]:
                await channel.queue_delete(name)
        await connection.close()

    def url(self, service: Service) -> str:
        return self._node.url_of(service, PASSWORDS[service])

    def bus(self, service: Service, *, keys: Keyring | None = None, ladder: Sequence[float] = LADDER) -> Bus:
        return RabbitBus(self.url(service), signer=signer(service), keyring=keys or keyring(), ladder=ladder)

    async def stop(self, *, kill: bool) -> None:
        await asyncio.to_thread(self._node.stop, kill=kill)

    async def start(self) -> None:
        folder = self._node.folder
        # Not in a thread: the node dies with the thread that started it.
        fresh = rabbitmq.start(folder, self._node.port, definitions=DEFINITIONS)
        self._node.broker, self._node.mapper = fresh.broker, fresh.mapper
        self._restarted = True

    async def crash(self, queue: Queue, times: int) -> None:
        """One message, taken `times` times by a consumer whose channel closes without an answer."""
        connection = await aio_pika.connect(self._node.url)
        for _ in range(times):
            async with connection.channel() as channel:
                source = await channel.get_queue(queue.name, ensure=False)
                assert await source.get()
            await asyncio.sleep(0.02)
        await connection.close()

    async def put_raw(self, queue: Queue, body: bytes) -> None:
        connection = await aio_pika.connect(self._node.url)
        channel = await connection.channel()
        await channel.default_exchange.publish(aio_pika.Message(body), queue.name)
        await connection.close()


def start_rabbitmq(folder: Path) -> rabbitmq.Node:
    """A node whose users have exactly the rights of `waggle.messaging.rights`."""
    return rabbitmq.start(folder, definitions=DEFINITIONS)


class Process:
    """`worker_process.py` in a process of its own, to be killed."""

    def __init__(self, role: str, carrier: Carrier, service: Service, **options: Any) -> None:
        settings = {
            "role": role,
            "carrier": carrier.name,
            "url": carrier.url(service),
            "signing_key": KEYS[service],
            "senders": {s: signer(s).public_key for s in SERVICES},
            "lease": LEASE,
            **options,
        }
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "worker_process.py")],
            env={**os.environ, "WORKER": json.dumps(settings)},
            stdout=subprocess.PIPE,
            text=True,
        )

    async def line(self) -> str:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(asyncio.to_thread(self._process.stdout.readline), 30)
        assert line, f"the process ended with status {self._process.poll()}"
        return line.strip()

    async def ended(self) -> int:
        return await asyncio.wait_for(asyncio.to_thread(self._process.wait), 30)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextlib.asynccontextmanager
async def running(*buses: Bus) -> AsyncIterator[None]:
    for bus in buses:
        await bus.start()
    try:
        yield
    finally:
        for bus in buses:
            await bus.close()
