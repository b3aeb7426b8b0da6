"""CPU per message of both buses, in one run: `python bench/bus.py [messages]`.

Everything is on this machine: a PostgreSQL and a RabbitMQ of our own, one process that publishes and consumes (signing and
checking included). CPU time of the client and of the broker, not messages per second: the latter says more about what else
the machine does. Each figure is the least of three rounds.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg

from launcher import postgres, rabbitmq
from waggle.contracts.envelope import Envelope
from waggle.ids import now_ms, uuid7
from waggle.messaging import Bus, Delivery, Keyring, Queue, Sender, Signer
from waggle.messaging.postgres import PostgresBus
from waggle.messaging.postgres_schema import install
from waggle.messaging.rabbit import RabbitBus

BATCH = 200
ROUNDS = 3
TICKS = os.sysconf("SC_CLK_TCK")


def envelope(number: int) -> Envelope:
    data = {"instance": "bench", "event_uuids": [str(uuid7()) for _ in range(12)]}
    return Envelope(
        id=uuid7(), type="alert.source_gone.v1", source="misp-connector", time=now_ms(), key=f"misp:bench:{number}", data=data
    )


def cpu_of_children(pid: int) -> float:
    """CPU seconds of a process and all its descendants, those that ended included."""
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        own = int(stat.parent.name)
        if own == pid:
            total += sum(map(int, fields[11:15])) / TICKS
        elif int(fields[1]) == pid:
            total += sum(map(int, fields[11:13])) / TICKS
    return total


async def one_round(make: Callable[[str], Bus], broker: int, count: int) -> dict[str, float]:
    done = asyncio.Event()
    seen = 0

    async def handler(_: Delivery) -> None:
        nonlocal seen
        seen += 1
        if seen == count:
            done.set()

    queue = Queue(f"hive.bench-{uuid7().hex[-8:]}.alerts", ("alert.source_gone.v1",))
    receiver, sender = make("hive"), make("misp-connector")
    messages = [envelope(n) for n in range(count)]
    await receiver.start()
    await sender.start()
    await receiver.subscribe(queue, _never, concurrency=1)  # declares the queue
    await receiver.close()
    before, began = cpu_of_children(broker), time.process_time()
    for start in range(0, count, BATCH):
        await sender.publish(messages[start : start + BATCH])
    published = time.process_time()
    receiver = make("hive")
    await receiver.start()
    wall = time.monotonic()
    consuming = time.process_time()
    await receiver.subscribe(queue, handler)
    await asyncio.wait_for(done.wait(), 120)
    consumed = time.process_time()
    wall = time.monotonic() - wall
    await receiver.close()
    await sender.close()
    return {
        "publish, client": (published - began) / count,
        "consume, client": (consumed - consuming) / count,
        "both, broker": (cpu_of_children(broker) - before) / count,
        "consume, wall": wall / count,
    }


async def _never(_: Delivery) -> None:
    raise AssertionError("nothing is published yet")


async def measure(name: str, make: Callable[[str], Bus], broker: int, count: int) -> None:
    rounds = [await one_round(make, broker, count) for _ in range(ROUNDS)]
    print(f"{name:10}", *(f"{part}: {min(r[part] for r in rounds) * 1e6:6.0f} us" for part in rounds[0]), sep="   ")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    keys = {name: Signer.new_key() for name in ("hive", "misp-connector")}
    ring = Keyring({name: Sender((Signer(key).public_key,)) for name, key in keys.items()})
    with tempfile.TemporaryDirectory() as folder:
        cluster = postgres.start(Path(folder) / "postgres")
        node = rabbitmq.start(Path(folder) / "rabbitmq")
        try:
            urls = asyncio.run(_prepare(cluster))

            def on_postgres(service: str) -> Bus:
                return PostgresBus(urls[service], signer=Signer(keys[service]), keyring=ring)

            def on_rabbit(service: str) -> Bus:
                return RabbitBus(node.url, signer=Signer(keys[service]), keyring=ring)

            runner: dict[str, Any] = {}
            if importlib.util.find_spec("uvloop"):
                import uvloop

                runner["loop_factory"] = uvloop.new_event_loop
            for name, make, pid in (("postgres", on_postgres, cluster.process.pid), ("rabbitmq", on_rabbit, node.broker.pid)):
                with asyncio.Runner(**runner) as loop:
                    loop.run(measure(name, make, pid, count))
        finally:
            node.stop()
            cluster.stop()


async def _prepare(cluster: postgres.Cluster) -> dict[str, str]:
    admin = await asyncpg.connect(cluster.url)
    await admin.execute("CREATE DATABASE bus")
    for role in ("bus_hive", "bus_misp"):
        await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'bench'")
    await admin.close()
    await install(cluster.database_url("bus"), {"bus_hive": "hive", "bus_misp": "misp-connector"})
    where = f"127.0.0.1:{cluster.port}/bus"
    return {"hive": f"postgresql://bus_hive:bench@{where}", "misp-connector": f"postgresql://bus_misp:bench@{where}"}


if __name__ == "__main__":
    main()
