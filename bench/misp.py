"""Importing from MISP, in figures: `python bench/misp.py [events] [attributes per event] [events of the unchanged instance]`.

The platform is started as its operator starts it, the MISP server is the tests' double in a process of its own. Shown are: the
time PyMISP takes to fetch and parse the same events into its own objects; the time from the poll to the last message confirmed
by the bus, and until hive has all alerts; the connector's greatest memory with a tenth of the events and with all of them; and
a poll of an instance that did not change, with its requests.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "services" / "misp-connector" / "tests"), str(ROOT / "tests")]

from misp_double import Asked, MispDouble  # noqa: E402 (the tests' folder is on the path only now)
from started import Started, started  # noqa: E402

PAGE = 100
KEY = "k" * 40
WAIT_SECONDS = 1800.0


def event(number: int, attributes: int) -> dict[str, Any]:
    return {
        "info": f"Campaign {number}",
        "threat_level_id": "2",
        "Tag": ["tlp:green"],
        "Attribute": [
            {"type": "domain", "category": "Network activity", "value": f"d{number}-{n}.example", "comment": "seen in traffic"}
            for n in range(attributes)
        ],
    }


def serve(events: int, attributes: int) -> None:
    """The double until its input ends; a line asks for the number of requests since the last line."""
    with MispDouble(key=KEY) as misp:
        for number in range(events):
            misp.state.clock += 1
            misp.state.add(event(number, attributes))
        print(misp.url, flush=True)
        for _ in sys.stdin:
            asked: list[Asked] = list(misp.requests)
            misp.requests.clear()
            print(len(asked), flush=True)


@contextmanager
def double(events: int, attributes: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, __file__, "--serve", str(events), str(attributes)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def requests_of(process: subprocess.Popen[str]) -> int:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return int(line(process))


def fetch_with_pymisp(url: str, events: int) -> None:
    """What anybody's script does: pages of complete events, as PyMISP's objects."""
    from pymisp import PyMISP

    misp = PyMISP(url, KEY, ssl=False)
    began = time.perf_counter()
    found = 0
    for page in range(1, events // PAGE + 2):
        found += len(misp.search(controller="events", limit=PAGE, page=page, pythonify=True))
    assert found == events, found
    print(time.perf_counter() - began)


def memory(pid: int) -> float:
    """MiB, the most a process ever held."""
    for entry in Path(f"/proc/{pid}/status").read_text().splitlines():
        if entry.startswith("VmHWM"):
            return int(entry.split()[1]) / 1024
    raise RuntimeError("no VmHWM")


def wait(done: Any) -> float:
    """The moment it is done."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if done():
            return time.monotonic()
        time.sleep(0.1)
    raise SystemExit("not within the time")


class Bench:
    def __init__(self, platform: Started) -> None:
        self.platform = platform
        self.connector: httpx.Client = platform.client("misp-connector")
        self.hive: httpx.Client = platform.client("hive")

    @property
    def pid(self) -> int:
        return int(self.platform.ready["misp-connector"]["pids"][0])

    def add(self, name: str, url: str, **options: Any) -> None:
        body = {"name": name, "url": url, "key": KEY, "options": {"interval": "1d", **options}}
        answer = self.connector.post("/api/instances", json=body)
        assert answer.status_code == 201, answer.text

    def state(self, name: str) -> dict[str, Any]:
        found = self.connector.get(f"/api/instances/{name}").json()["state"]
        if found["last_error"]:
            raise SystemExit(found["last_error"])
        return dict(found)

    def polled(self, name: str, after: int = 0) -> float:
        return wait(lambda: (self.state(name)["last_ok"] or 0) > after)

    def confirmed(self) -> float:
        return wait(lambda: self.connector.get("/api/outbox").json()["waiting"] == 0)

    def alerts(self, name: str) -> int:
        query = [
            {"_name": "listAlert"},
            {"_name": "filter", "_field": "source", "_value": name},
            {"_name": "count"},
        ]
        return int(self.hive.post("/api/v1/query", json={"query": query}).json())


def imported(bench: Bench, name: str, url: str, events: int) -> tuple[float, float]:
    """Seconds until the last message was confirmed, and until hive had all alerts."""
    began = time.monotonic()
    bench.add(name, url)
    bench.polled(name)
    confirmed = bench.confirmed() - began
    arrived = wait(lambda: bench.alerts(name) >= events) - began
    return confirmed, arrived


def main(events: int, attributes: int, unchanged: int) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="waggle-bench-") as folder,
        started(Path(folder) / "home", WAGGLE_OUTBOUND_ALLOW="127.0.0.0/8") as platform,
    ):
        measure(Bench(platform), events, attributes, unchanged)


def measure(bench: Bench, events: int, attributes: int, unchanged: int) -> None:
    with double(events // 10, attributes) as few:
        imported(bench, "few", line(few), events // 10)
    small = memory(bench.pid)
    with double(events, attributes) as many:
        url = line(many)
        theirs = float(
            subprocess.run(
                [sys.executable, __file__, "--pymisp", url, str(events)], capture_output=True, text=True, check=True
            ).stdout
        )
        confirmed, arrived = imported(bench, "many", url, events)
    large = memory(bench.pid)
    print(f"{events} events with {events * attributes} attributes")
    print(f"  PyMISP fetches and parses       {theirs:7.1f} s")
    print(f"  poll to last message confirmed  {confirmed:7.1f} s   {confirmed / theirs:.2f} times that (1.5 are allowed)")
    print(f"  until hive has all alerts       {arrived:7.1f} s")
    print(f"  connector's memory at most      {large:7.1f} MiB after {events}, {small:.1f} MiB after {events // 10} events")
    with double(unchanged, 2) as still:
        # noted and not imported: what is measured is the poll after it
        bench.add("still", line(still), max_attributes=1, page_size=1000)
        bench.polled("still")
        requests_of(still)
        before = bench.state("still")["last_ok"]
        bench.connector.post("/api/instances/still/poll")
        bench.polled("still", after=before)
        state = bench.state("still")
        took = (state["last_ok"] - state["last_started"]) / 1000
        print(f"unchanged instance of {unchanged} events: {took:.2f} s, {requests_of(still)} requests")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(int(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["--pymisp"]:
        fetch_with_pymisp(sys.argv[2], int(sys.argv[3]))
    else:
        given = [int(one) for one in sys.argv[1:]]
        main(*(given + [2000, 50, 50_000][len(given) :]))
