"""How long the pages of everyday take over many rows, and how long it takes to count exactly what matches.

    python bench/load.py BIG --alerts 1000000; python bench/load.py SMALL --alerts 10000
    python bench/queries.py BIG SMALL [--turns 20]

Each query of `queries.json` (its values in turn) is asked over the API by one client; p95 over the turns. A query's page at
BIG may take at most 100 ms and three times what it takes at SMALL; its count 20 ms and 1 us per matching row. Prints a table
and a line of JSON, and says at the end which are over.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import time
from pathlib import Path
from typing import Any

import httpx
from house import client, hive

QUERIES = Path(__file__).parent / "queries.json"
PAGE_MS, GROWTH, COUNT_MS, COUNT_US = 100.0, 3.0, 20.0, 1.0
NOISE_MS = 5.0


def filled(query: Any, value: Any) -> Any:
    """The query with the value in place of its mark."""
    if isinstance(query, dict):
        return {name: filled(part, value) for name, part in query.items()}
    if isinstance(query, list):
        return [filled(part, value) for part in query]
    if query == "{value}":
        return value
    return query.replace("{value}", str(value)) if isinstance(query, str) else query


def p95(times: list[float]) -> float:
    return sorted(times)[max(0, round(len(times) * 0.95) - 1)]


async def _ask(asking: httpx.AsyncClient, query: Any) -> tuple[float, Any]:
    began = time.perf_counter()
    answer = await asking.post("/api/v1/query", json={"query": query})
    took = (time.perf_counter() - began) * 1000
    if answer.status_code == 408:
        return math.inf, 0
    if answer.status_code != 200:
        raise SystemExit(f"{json.dumps(query)}: {answer.status_code} {answer.text[:300]}")
    return took, answer.json()


async def measured(url: str, turns: int, asking: httpx.AsyncClient) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for one in json.loads(QUERIES.read_text()):
        values = one.get("values", [None])
        queries = [filled(one["query"], value) for value in values]
        for query in queries:
            await _ask(asking, query)
        times = [(await _ask(asking, queries[turn % len(queries)]))[0] for turn in range(turns)]
        figures = {"page_ms": p95(times)}
        if one["query"][0]["_name"].startswith("list"):
            counted = [
                await _ask(asking, [*(s for s in query if s["_name"] not in ("sort", "page")), {"_name": "count"}])
                for query in queries
            ]
            over = [took - COUNT_MS - matching * COUNT_US / 1000 for took, matching in counted]
            worst = over.index(max(over))
            figures |= {"count_ms": counted[worst][0], "matching": counted[worst][1], "count_over_ms": over[worst]}
        found[one["name"]] = figures
    return found


def asked(folder: Path, turns: int) -> dict[str, dict[str, float]]:
    async def run(url: str) -> dict[str, dict[str, float]]:
        async with client(house) as asking:
            return await measured(url, turns, asking)

    with hive(keep=folder) as house:
        return asyncio.run(run(house.url))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("big", type=Path)
    options.add_argument("small", type=Path)
    options.add_argument("--turns", type=int, default=20)
    given = options.parse_args()
    small, big = asked(given.small, given.turns), asked(given.big, given.turns)
    over = []
    for name, at_big in big.items():
        page, before = at_big["page_ms"], small[name]["page_ms"]
        late = page > PAGE_MS or page > max(GROWTH * before, before + NOISE_MS)
        slow = at_big.get("count_over_ms", 0) > 0
        over += [name] if late or slow else []
        counts = f"{at_big['count_ms']:9.1f} {at_big['matching']:9.0f}" if "count_ms" in at_big else ""
        print(f"{name:40} {before:8.1f} {page:8.1f} {counts}  {'page ' if late else ''}{'count' if slow else ''}")
    print(f"{len(over)} of {len(big)} are over: {', '.join(over) or 'none'}")
    print(json.dumps({"small": small, "big": big}))


if __name__ == "__main__":
    main()
