"""How long a change takes to reach 200 open pages: `python bench/stream.py [streams] [events]`.

A hive of its own (`waggle up hive`), pages as plain sockets that read `/api/v1/stream`, alerts posted one by one with a pause
in between. Measured from the moment the POST is sent to the moment a page has the event; one number per page and event.
Prints a table and, as its last line, JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from started import Started, started

PAUSE = 0.5
LIMIT_MS = 300.0


class Page:
    """One open stream; `seen` holds when each alert's event arrived, by the alert's id."""

    def __init__(self) -> None:
        self.seen: dict[str, float] = {}

    async def read(self, address: str, key: str, ready: asyncio.Semaphore) -> None:
        host = urlsplit(address)
        reader, writer = await asyncio.open_connection(host.hostname, host.port)
        writer.write(f"GET /api/v1/stream HTTP/1.1\r\nHost: {host.netloc}\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        await writer.drain()
        await reader.readuntil(b"connected")
        ready.release()
        while line := await reader.readline():
            if line.startswith(b"data: "):
                now = time.perf_counter()
                change = json.loads(line[6:])
                if change["objectType"] == "alert":
                    self.seen.setdefault(change["objectId"], now)


async def measure(running: Started, streams: int, events: int) -> list[float]:
    address, key = running.url("hive"), running.credentials["hive"]["api_key"]
    pages = [Page() for _ in range(streams)]
    ready = asyncio.Semaphore(0)
    tasks = [asyncio.create_task(page.read(address, key, ready)) for page in pages]
    async with asyncio.timeout(60):
        for _ in pages:
            await ready.acquire()
    await asyncio.sleep(1)
    sent: dict[str, float] = {}
    async with httpx.AsyncClient(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
        for number in range(events):
            began = time.perf_counter()
            body = {"type": "bench", "source": "stream", "sourceRef": str(number), "title": "x", "description": "x"}
            answer = await client.post("/api/v1/alert", json=body)
            answer.raise_for_status()
            sent[answer.json()["_id"]] = began
            await asyncio.sleep(PAUSE)
    await asyncio.sleep(3)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    missing = sum(len(sent.keys() - page.seen.keys()) for page in pages)
    if missing:
        raise SystemExit(f"{missing} events did not arrive")
    return sorted((page.seen[one] - began) * 1000 for page in pages for one, began in sent.items())


def main() -> None:
    streams = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    events = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    with tempfile.TemporaryDirectory() as folder, started(Path(folder) / "home", "hive") as running:
        times = asyncio.run(measure(running, streams, events))
    p50, p95, worst = times[len(times) // 2], times[int(len(times) * 0.95)], times[-1]
    figures = f"p50 {p50:.0f} ms, p95 {p95:.0f} ms (limit {LIMIT_MS:.0f} ms), worst {worst:.0f} ms"
    print(f"{streams} streams, {events} events: {figures}")
    print(json.dumps({"streams": streams, "events": events, "p50_ms": p50, "p95_ms": p95, "max_ms": worst, "limit_ms": LIMIT_MS}))
    if p95 > LIMIT_MS:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
