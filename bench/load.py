"""A hive with years behind it: one organisation that owns all the alerts, cases and observables, loaded into a folder once.

    python bench/load.py FOLDER [--alerts 1000000]

The rows are made inside PostgreSQL (`load.sql`), indexes are built afterwards, as a restore does it.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

import asyncpg
from house import House, hive

TABLES = (
    "alerts", "alert_tags", "alert_fields", "alert_texts", "cases", "case_shares", "case_tags", "case_fields", "case_texts",
    "observables", "observable_tags", "observable_values",
)  # fmt: skip
INDEXES = """SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition FROM pg_index i
  WHERE i.indrelid = $1::text::regclass AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)"""


async def load(house: House, alerts: int) -> None:
    connection = await asyncpg.connect(house.cluster.database_url("hive"))
    await connection.execute("SET session_replication_role = replica; SET maintenance_work_mem = '1GB'; SET work_mem = '256MB'")
    definitions: list[str] = []
    for table in TABLES:
        for row in await connection.fetch(INDEXES, table):
            definitions.append(row["definition"])
            await connection.execute(f"DROP INDEX {row['name']}")
    script = (Path(__file__).parent / "load.sql").read_text().format(alerts=alerts, cases=alerts // 10)
    for statement in script.split(";\n"):
        if statement.strip():
            began = time.perf_counter()
            await connection.execute(statement, timeout=3600)
            print(f"{time.perf_counter() - began:7.1f} s  {' '.join(statement.split())[:100]}", flush=True)
    for definition in definitions:
        began = time.perf_counter()
        await connection.execute(definition, timeout=3600)
        print(f"{time.perf_counter() - began:7.1f} s  {definition[:100]}", flush=True)
    await connection.execute("VACUUM ANALYZE", timeout=3600)
    await connection.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--alerts", type=int, default=1_000_000)
    given = options.parse_args()
    if given.folder.exists():
        raise SystemExit(f"{given.folder} is there already")
    with hive(keep=given.folder) as house:
        asyncio.run(load(house, given.alerts))


if __name__ == "__main__":
    main()
