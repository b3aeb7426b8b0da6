"""Alerts with 20 observables: how fast, and at what CPU, beside PostgreSQL writing the same rows by itself.

    python bench/ingest.py [--alerts 3000] [--rounds 3]

In one run, on the same cores, fsync and synchronous_commit on: single POSTs (16 in flight), batches of 100, `pgbench` with
the product's own statement prepared and the bodies already in the server, COPY of the same rows, and everything once more
without row-level security. Prints a table and then one line of JSON. Rates compare only within the run.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import orjson
import uvloop
from alerts import alert
from house import KEY, ORGANISATION, House, hive

from hive.alerts import intake
from hive.alerts.drafts import draft_of
from hive.alerts.schemas import InputAlert
from hive.catalogue import Catalogues
from launcher.postgres import find_binaries
from waggle.db import Database
from waggle.ids import now_ms

IN_FLIGHT = 16
BATCH = 100
COLUMNS = """SELECT attname FROM pg_attribute
  WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"""
WALLED = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relrowsecurity"


@dataclass
class Figure:
    """Of one way of writing: alerts per second, CPU in ms per alert of hive and of PostgreSQL."""

    per_second: float
    hive_ms: float
    postgres_ms: float


async def _post(url: str, bodies: Sequence[bytes], path: str, wanted: bytes) -> None:
    """Sends the bodies over IN_FLIGHT kept-open connections; a client of little CPU of its own."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    waiting = iter(bodies)

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        for body in waiting:
            head = (
                f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            found = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
            rest = await reader.readexactly(int(found[1])) if found else b""
            if not answer.startswith(b"HTTP/1.1 " + wanted):
                raise SystemExit(f"unexpected answer: {answer[:200]!r} {rest[:500]!r}")
        writer.close()

    await asyncio.gather(*(connection() for _ in range(IN_FLIGHT)))


def timed(house: House, count: int, act: Any) -> Figure:
    before, began = house.cpu(), time.perf_counter()
    act()
    took, after = time.perf_counter() - began, house.cpu()
    return Figure(count / took, (after[0] - before[0]) * 1000 / count, (after[1] - before[1]) * 1000 / count)


def singles(house: House, count: int, run: str) -> Figure:
    bodies = [orjson.dumps(alert(n, run=run)) for n in range(count)]
    return timed(house, count, lambda: uvloop.run(_post(house.url, bodies, "/api/v1/alert", b"201")))


def batches(house: House, count: int, run: str) -> Figure:
    alerts = [alert(n, run=run) for n in range(count)]
    bodies = [orjson.dumps({"alerts": alerts[i : i + BATCH]}) for i in range(0, count, BATCH)]
    return timed(house, count, lambda: uvloop.run(_post(house.url, bodies, "/api/v1/alert/_bulk", b"201")))


async def _records(house: House, count: int, run: str) -> list[dict[str, Any]]:
    """What the service gives its statement, for the same alerts."""
    database = Database(house.database["hive_app"], house.database["hive_system"], application_name="bench")
    catalogue = await Catalogues(database).current(types={"ip"})
    drafts = [draft_of(InputAlert.model_validate(alert(n, run=run)), catalogue, files={}, assignee=None) for n in range(count)]
    await database.close()
    return [intake.record(draft, "feeder@bench.example", now_ms()) for draft in drafts]


async def _stock(house: House, records: list[dict[str, Any]]) -> int:
    """The bodies as rows that hive_app may read; answers the organisation's number."""
    owner = await asyncpg.connect(house.database["hive_owner"])
    await owner.execute(
        "DROP TABLE IF EXISTS bench_bodies; CREATE TABLE bench_bodies (i integer PRIMARY KEY, body jsonb NOT NULL);"
        " GRANT SELECT ON bench_bodies TO hive_app"
    )
    rows = [(i, orjson.dumps([record]).decode()) for i, record in enumerate(records)]
    await owner.executemany("INSERT INTO bench_bodies VALUES ($1, $2::jsonb)", rows)
    org: int = await owner.fetchval("SELECT id FROM organisations WHERE name = $1", ORGANISATION)
    await owner.execute("VACUUM ANALYZE")
    await owner.close()
    return org


def pgbench(house: House, count: int, run: str) -> Figure:
    """The product's own statement, prepared, with its parameters at hand in the server: the floor."""
    per_client = count // IN_FLIGHT
    org = asyncio.run(_stock(house, asyncio.run(_records(house, per_client * IN_FLIGHT, run))))
    body = "(SELECT body FROM bench_bodies WHERE i = :client_id::int * :each::int + :k::int)"
    values = {
        1: f"'{org}'", 2: "''", 3: "'bench'", 4: body, 5: str(org),
        6: str(now_ms()), 7: "'feeder@bench.example'", 8: "'bench'", 9: f"'{ORGANISATION}'", 10: "ARRAY[gen_random_uuid()]",
    }  # fmt: skip
    statement = re.sub(r"\$(\d+)", lambda found: values[int(found[1])], intake.STATEMENT)
    statement = re.sub(r"--.*", "", statement)
    script = house.folder / "floor.sql"
    script.write_text(" ".join(statement.split()) + ";\n\\set k :k + 1\n")
    command = [
        str(find_binaries() / "pgbench"), "--no-vacuum", "--protocol", "prepared", "--client", str(IN_FLIGHT), "--jobs", "1",
        "--transactions", str(per_client), "--define", "k=0", "--define", f"each={per_client}", "--file", str(script),
        house.database["hive_app"],
    ]  # fmt: skip

    def act() -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or "number of failed transactions: 0" not in done.stdout:
            raise SystemExit(done.stdout[-1000:] + done.stderr[-2000:])

    return timed(house, per_client * IN_FLIGHT, act)


async def _copied_out(house: House, count: int) -> dict[str, tuple[list[str], bytes]]:
    """The newest alerts and all that hangs on them as COPY data; the rows themselves are deleted."""
    owner = await asyncpg.connect(house.database["hive_owner"])
    of_alerts = "IN (SELECT id FROM doomed)"
    tables = {
        "alerts": f"id {of_alerts}", "alert_tags": f"alert_id {of_alerts}", "alert_texts": f"alert_id {of_alerts}",
        "observables": f"alert_id {of_alerts}", "audit": f"root_id {of_alerts}",
        "observable_tags": f"observable_id IN (SELECT id FROM observables WHERE alert_id {of_alerts})",
    }  # fmt: skip
    await owner.execute(f"CREATE TEMP TABLE doomed AS SELECT id FROM alerts ORDER BY id DESC LIMIT {count}")
    contents: dict[str, tuple[list[str], bytes]] = {}
    for table, condition in tables.items():
        found = await owner.fetch(COLUMNS, table)
        columns, out = [row["attname"] for row in found], io.BytesIO()
        await owner.copy_from_query(f"SELECT {', '.join(columns)} FROM {table} WHERE {condition}", output=out, format="binary")
        contents[table] = columns, out.getvalue()
    await owner.execute(f"DELETE FROM audit WHERE root_id {of_alerts}")
    await owner.execute(f"DELETE FROM alerts WHERE id {of_alerts}")
    await owner.execute("VACUUM")
    await owner.close()
    return contents


def copy(house: House, count: int) -> Figure:
    """COPY in binary form of the same rows into the same tables with the same indexes, in one transaction."""
    contents = asyncio.run(_copied_out(house, count))

    async def write() -> None:
        owner = await asyncpg.connect(house.database["hive_owner"])
        async with owner.transaction():
            for table, (columns, raw) in contents.items():
                await owner.copy_to_table(table, source=io.BytesIO(raw), columns=columns, format="binary")
        await owner.close()

    return timed(house, count, lambda: asyncio.run(write()))


async def _walls(house: House, tables: Sequence[str], *, up: bool) -> None:
    owner = await asyncpg.connect(house.database["hive_owner"])
    for table in tables:
        await owner.execute(f'ALTER TABLE "{table}" {"ENABLE" if up else "DISABLE"} ROW LEVEL SECURITY')
    await owner.close()


async def _walled(house: House) -> list[str]:
    owner = await asyncpg.connect(house.database["hive_owner"])
    found = [row["relname"] for row in await owner.fetch(WALLED)]
    await owner.close()
    return found


def best(figures: Sequence[Figure]) -> Figure:
    return Figure(max(f.per_second for f in figures), min(f.hive_ms for f in figures), min(f.postgres_ms for f in figures))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--alerts", type=int, default=3000)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    found: dict[str, list[Figure]] = {}
    with hive() as house:
        walled = asyncio.run(_walled(house))
        singles(house, 200, "warm")
        for turn in range(given.rounds):
            n = given.alerts
            found.setdefault("single POSTs", []).append(singles(house, n, f"single{turn}"))
            found.setdefault("pgbench", []).append(pgbench(house, n, f"floor{turn}"))
            found.setdefault("batches of 100", []).append(batches(house, n, f"batch{turn}"))
            found.setdefault("COPY", []).append(copy(house, n))
            asyncio.run(_walls(house, walled, up=False))
            found.setdefault("single POSTs, no walls", []).append(singles(house, n, f"open{turn}"))
            asyncio.run(_walls(house, walled, up=True))
    table = {name: best(figures) for name, figures in found.items()}
    for name, f in table.items():
        print(f"{name:24} {f.per_second:8.0f} alerts/s   hive {f.hive_ms:6.3f} ms   PostgreSQL {f.postgres_ms:6.3f} ms per alert")
    ratios = {
        "single_of_pgbench": table["single POSTs"].per_second / table["pgbench"].per_second,
        "batch_of_copy": table["batches of 100"].per_second / table["COPY"].per_second,
        "walls_cost": table["single POSTs"].postgres_ms / table["single POSTs, no walls"].postgres_ms - 1,
    }
    print(json.dumps({**{name: asdict(f) for name, f in table.items()}, **{k: round(v, 3) for k, v in ratios.items()}}))


if __name__ == "__main__":
    main()
