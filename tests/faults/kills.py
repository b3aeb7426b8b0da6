"""One round: 500 requests run while one process is killed; afterwards the books must balance.

Every alert that was answered with 201 exists exactly once, every analysis that was accepted has exactly one result, and no queue
holds a forgotten message.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
from started import Started

REQUESTS = 500
ANALYSES = 20
AT_ONCE = 16
SETTLE_SECONDS = 90.0
DATA_TYPE = "domain"
OPERATION = {"hive": "/api/v1/admin", "cortex": "/api/admin", "misp-connector": "/api"}
"""Below which path each service shows its queues."""


@dataclass
class Round:
    """What was promised in one round."""

    name: str
    killed: str = ""
    created: set[str] = field(default_factory=set)
    jobs: set[str] = field(default_factory=set)


def victims(platform: Started) -> dict[str, int]:
    """Every process of the platform by a name, but for the launcher itself."""
    ready = platform.ready
    return {
        f"{part}-{position}": pid
        for part, entry in ready.items()
        if isinstance(entry, dict)
        for position, pid in enumerate(entry["pids"])
    }


class Books:
    """Runs rounds against one platform and checks them."""

    def __init__(self, platform: Started) -> None:
        self.platform = platform
        key = platform.credentials["hive"]["api_key"]
        limits = httpx.Limits(max_connections=AT_ONCE)
        headers = {"Authorization": f"Bearer {key}"}
        self.hive = httpx.AsyncClient(base_url=platform.url("hive"), headers=headers, timeout=30, limits=limits)
        self.killed: list[tuple[float, str]] = []
        self.observables: list[str] = []
        self.analyzer = ""

    async def prepare(self) -> None:
        """A case with an observable per analysis of a round, and the analyzer that takes them."""
        case = (await self.hive.post("/api/v1/case", json={"title": "faults", "description": "x"})).json()
        values = [f"d{n}.example" for n in range(ANALYSES)]
        body = {"dataType": DATA_TYPE, "data": values}
        made = await self.hive.post(f"/api/v1/case/{case['_id']}/observable", json=body)
        self.observables = [one["_id"] for one in made.json()]
        assert len(self.observables) == ANALYSES
        deadline = time.monotonic() + SETTLE_SECONDS
        while not self.analyzer:
            workers = (await self.hive.get(f"/api/connector/cortex/analyzer/type/{DATA_TYPE}")).json()
            self.analyzer = next((w["id"] for w in workers if w["name"].startswith("UrlParts")), "")
            assert time.monotonic() < deadline, "cortex' list of analyzers never came"
            await asyncio.sleep(0.2)

    async def play(self, seed: int) -> Round:
        """One round with one kill; the seed decides which process and when."""
        chance = random.Random(seed)
        round_ = Round(f"seed-{seed}")
        alive = victims(self.platform)
        round_.killed = chance.choice([name for name in sorted(alive) if self._may_die(name)])
        self.killed.append((time.monotonic(), round_.killed))
        orders: list[tuple[str, int]] = [("alert", n) for n in range(REQUESTS - ANALYSES)]
        orders += [("analysis", n) for n in range(ANALYSES)]
        chance.shuffle(orders)
        kill_after = chance.randrange(50, REQUESTS - 50)
        done = 0
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(kind: str, number: int) -> None:
            nonlocal done
            async with gate:
                if kind == "alert":
                    await self._post_alert(round_, number)
                else:
                    await self._request_analysis(round_, number)
                done += 1
                if done == kill_after:
                    os.kill(alive[round_.killed], signal.SIGKILL)

        await asyncio.gather(*(one(kind, number) for kind, number in orders))
        return round_

    def _may_die(self, name: str) -> bool:
        """Five deaths of one process within a minute end the platform, as they should: three are enough here."""
        recent = [victim for at, victim in self.killed if at > time.monotonic() - 60]
        return recent.count(name) < 3

    async def _patiently(self, method: str, path: str, body: Any) -> httpx.Response | None:
        """The answer, tried again while the service is away or busy; None where no answer ever came."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                answer = await self.hive.request(method, path, json=body)
            except httpx.HTTPError:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code == 503:
                await asyncio.sleep(0.1)
                continue
            return answer
        return None

    async def _post_alert(self, round_: Round, number: int) -> None:
        reference = f"{round_.name}-{number}"
        body = {
            "type": "fault",
            "source": round_.name,
            "sourceRef": reference,
            "title": reference,
            "description": "x",
            "observables": [{"dataType": "ip", "data": f"198.51.{number // 256}.{number % 256}"}],
        }
        answer = await self._patiently("POST", "/api/v1/alert", body)
        assert answer is not None
        if answer.status_code == 201:
            round_.created.add(reference)
        else:  # an attempt whose answer was lost may have been stored: then this repeat is refused as a duplicate
            assert answer.status_code == 400, answer.text
            assert answer.json()["type"] == "CreateError", answer.text
            round_.created.add(reference)

    async def _request_analysis(self, round_: Round, number: int) -> None:
        body = {"analyzerId": self.analyzer, "cortexId": "local", "artifactId": self.observables[number]}
        answer = await self._patiently("POST", "/api/connector/cortex/job", body)
        assert answer is not None
        assert answer.status_code == 201, answer.text
        round_.jobs.add(answer.json()["_id"])

    async def query(self, *steps: dict[str, Any]) -> Any:
        answer = await self._patiently("POST", "/api/v1/query", {"query": list(steps)})
        assert answer is not None
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def check(self, round_: Round) -> None:
        """Waits for the results and counts."""
        alerts = await self.query(
            {"_name": "listAlert"},
            {"_name": "filter", "_field": "source", "_value": round_.name},
            {"_name": "page", "from": 0, "to": 10_000},
        )
        references = [alert["sourceRef"] for alert in alerts]
        assert sorted(references) == sorted(round_.created), f"{round_.killed}: alerts lost or doubled"
        assert all(alert["observableCount"] == 1 for alert in alerts)
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            jobs = await self._jobs(round_)
            open_ = [job for job in jobs if job["status"] in ("Waiting", "InProgress")]
            if not open_:
                break
            assert time.monotonic() < deadline, f"{round_.killed}: {len(open_)} jobs never ended\n{self.platform.output()}"
            await asyncio.sleep(0.25)
        assert len(jobs) == len(round_.jobs)
        reports = [await self._report(job["_id"]) for job in jobs]
        faults = [report for report in reports if not (report and report["success"] and report["full"])]
        assert not faults, f"{round_.killed}: {faults[:3]}"

    async def _report(self, job: str) -> Any:
        answer = await self._patiently("GET", f"/api/connector/cortex/job/{job}", None)
        assert answer is not None
        return answer.json().get("report")

    async def _jobs(self, round_: Round) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.query(
            {"_name": "listJob"},
            {"_name": "filter", "_in": {"_field": "_id", "_values": sorted(round_.jobs)}},
            {"_name": "page", "from": 0, "to": 10_000},
        )
        return found

    async def check_queues(self) -> None:
        """In no service anything waits, is held or was given up once the rounds are over."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while left := await self._left():
            assert time.monotonic() < deadline, f"messages left behind: {left}"
            await asyncio.sleep(0.25)

    async def _left(self) -> dict[str, dict[str, float]]:
        """What is in queues and outboxes, by service and place."""
        found: dict[str, dict[str, float]] = {}
        for service, path in OPERATION.items():
            headers = {"Authorization": f"Bearer {self.platform.credentials[service]['api_key']}"}
            async with httpx.AsyncClient(base_url=self.platform.url(service) + path, headers=headers, timeout=30) as api:
                try:
                    queues, outbox = await api.get("/queues"), await api.get("/outbox")
                except httpx.HTTPError:  # the last one killed is not back yet
                    found[service] = {"away": 1}
                    continue
            if 503 in (queues.status_code, outbox.status_code):
                found[service] = {"busy": 1}
                continue
            assert (queues.status_code, outbox.status_code) == (200, 200), f"{queues.text} {outbox.text}"
            shown = {queue.pop("name"): queue for queue in queues.json()}
            shown["outbox"] = {state: outbox.json()[state] for state in ("waiting", "refused")}
            found |= {f"{service} {place}": counts for place, counts in shown.items() if any(counts.values())}
        return found

    async def close(self) -> None:
        await self.hive.aclose()
