"""What building a case by hand costs: `python bench/case.py [rounds]`.

One connection, one request after the other, as a playbook or a person does it: a case, ten tasks and fifty observables, 61 POSTs.
Beside them, in the same round, 61 POSTs that change nothing (following an alert that is followed): the same road from socket to
transaction and back, without anything to write. The kinds take turns, round by round, so that what else the machine does meets
both. `bare` is an authenticated POST that never reaches the database.

Prints a table and, as its last line, JSON. Fails where building takes more than four times as long as doing nothing.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
from house import KEY, House, hive

TASKS, OBSERVABLES = 10, 50
POSTS = 1 + TASKS + OBSERVABLES
LIMIT = 4.0


def posted(client: httpx.Client, path: str, body: Any, expected: int) -> Any:
    answer = client.post(path, json=body)
    if answer.status_code != expected:
        raise SystemExit(f"{path}: {answer.status_code} {answer.text[:500]}")
    return answer.json() if answer.content else None


def build(client: httpx.Client, number: int) -> None:
    case = posted(
        client, "/api/v1/case", {"title": f"Case {number}", "description": "Built step by step", "tags": ["bench"]}, 201
    )
    path = f"/api/v1/case/{case['_id']}"
    for task in range(TASKS):
        posted(client, f"{path}/task", {"title": f"Task {task}", "group": "triage", "description": "Look at it"}, 201)
    for one in range(OBSERVABLES):
        body = {"dataType": "domain", "data": f"host{one}.case{number}.example", "tags": ["bench"], "message": "seen"}
        posted(client, f"{path}/observable", body, 201)


def follow(client: httpx.Client, alert: str) -> None:
    for _ in range(POSTS):
        posted(client, f"/api/v1/alert/{alert}/follow", None, 204)


def bare(client: httpx.Client) -> None:
    for _ in range(POSTS):
        posted(client, "/api/v1/freetext", {"text": "-"}, 200)


def measured(house: House, rounds: int) -> dict[str, Any]:
    with httpx.Client(base_url=house.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as client:
        body = {"type": "t", "source": "s", "sourceRef": "1", "title": "Followed", "description": "d"}
        alert = posted(client, "/api/v1/alert", body, 201)["_id"]
        kinds: dict[str, Callable[[int], None]] = {
            "build": lambda number: build(client, number), "no-op": lambda _: follow(client, alert),
            "bare": lambda _: bare(client),
        }  # fmt: skip
        for work in kinds.values():
            work(0)
        took: dict[str, list[float]] = {name: [] for name in kinds}
        spent: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
        for number in range(1, rounds + 1):
            for name, work in kinds.items():
                before, began = house.cpu(), time.perf_counter()
                work(number)
                took[name].append(time.perf_counter() - began)
                after = house.cpu()
                spent[name].append((after[0] - before[0], after[1] - before[1]))
    shown: dict[str, Any] = {"posts": POSTS, "rounds": rounds, "limit": LIMIT}
    for name in kinds:
        api, database = (statistics.mean(one[side] for one in spent[name]) for side in (0, 1))
        shown[name] = {
            "median_s": round(statistics.median(took[name]), 3),
            "ms_per_post": round(statistics.median(took[name]) / POSTS * 1000, 2),
            "api_cpu_ms": round(api / POSTS * 1000, 2), "postgres_cpu_ms": round(database / POSTS * 1000, 2),
        }  # fmt: skip
    shown["ratio"] = round(statistics.median(a / b for a, b in zip(took["build"], took["no-op"], strict=True)), 2)
    shown["met"] = shown["ratio"] <= LIMIT
    return shown


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with hive() as house:
        found = measured(house, rounds)
    print(f"{'61 POSTs':10} {'seconds':>9} {'ms each':>9} {'API CPU ms':>11} {'PG CPU ms':>10}")
    for name in ("build", "no-op", "bare"):
        one = found[name]
        print(
            f"{name:10} {one['median_s']:9.3f} {one['ms_per_post']:9.2f} {one['api_cpu_ms']:11.2f} {one['postgres_cpu_ms']:10.2f}"
        )
    print(f"building a case takes {found['ratio']} times as long as nothing; at most {LIMIT}")
    print(json.dumps(found))
    if not found["met"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
