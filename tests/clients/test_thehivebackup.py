"""thehivebackup 0.1.5 as released: a backup of one hive restored into a second, empty one (contracts hive-v0 §6.2, §6.12)."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from outside import run
from started import started


def fill(client: httpx.Client) -> None:
    """What a small team has: cases with everything that hangs on them, alerts in every state."""

    def post(path: str, body: dict[str, Any] | None = None, **more: Any) -> Any:
        answer = client.post(path, json=body, **more) if body is not None else client.post(path, **more)
        assert answer.status_code in (200, 201), (path, answer.text)
        return answer.json()

    for n in range(3):
        case = post(
            "/api/case",
            {
                "title": f"Case {n}", "description": "d", "severity": 1 + n, "tlp": n, "pap": n, "tags": [f"t{n}", "all"],
                "flag": n == 1, "customFields": {"hosts": {"integer": n}, "unit": {"string": "x"}}, "summary": "s",
                "tasks": [{"title": "First", "description": "do"}, {"title": "Second", "status": "InProgress", "group": "g"}],
            },
        )  # fmt: skip
        for task in post(f"/api/case/{case['id']}/task/_search", {}):
            post(f"/api/case/task/{task['id']}/log", {"message": f"note on {task['title']}"})
            post(
                f"/api/case/task/{task['id']}/log", data={"message": "file"}, files={"attachment": ("note.txt", f"n{n}".encode())}
            )
        post(
            f"/api/case/{case['id']}/artifact",
            {"dataType": "ip", "data": [f"192.0.2.{n}", "192.0.2.99"], "ioc": True, "tags": ["o"]},
        )
        post(f"/api/case/{case['id']}/artifact", {"dataType": "own_type", "data": "x"})
        files = {"attachment": (f"sample{n}.bin", bytes([n]) * 1000)}
        post(f"/api/case/{case['id']}/artifact", data={"_json": '{"dataType": "file"}'}, files=files)
    for n in range(4):
        artifacts = [{"dataType": "domain", "data": f"d{n}.example"}, {"dataType": "file", "data": "a.txt;text/plain;aGVsbG8="}]
        alert = post(
            "/api/alert",
            {
                "type": "t", "source": "s", "sourceRef": str(n), "title": f"Alert {n}", "description": "d", "tags": ["x"],
                "tlp": 3, "customFields": {"hosts": {"integer": n}}, "artifacts": artifacts,
            },
        )  # fmt: skip
        if n:
            post(f"/api/alert/{alert['id']}/{('markAsRead', 'createCase', 'follow')[n - 1]}")


def content(client: httpx.Client) -> dict[str, Any]:
    """What a restore must bring back, without what is new in every installation (ids, dates, people)."""

    def every(path: str) -> list[dict[str, Any]]:
        found = client.post(path, params={"range": "all", "nparent": 2}, json={"query": {}})
        assert found.status_code == 200, found.text
        return list(found.json())

    def field(one: dict[str, Any], *names: str) -> str:
        return repr([one.get(name) for name in names])

    def attached(one: dict[str, Any]) -> str:
        return repr([one["attachment"][name] for name in ("name", "size", "hashes")]) if "attachment" in one else ""

    cases, tasks, logs = every("/api/case/_search"), every("/api/case/task/_search"), every("/api/case/task/log/_search")
    observables, alerts = every("/api/case/artifact/_search"), every("/api/alert/_search")
    of_case = ("title", "description", "severity", "tlp", "pap", "flag", "summary", "tags", "customFields")
    of_alert = ("type", "source", "sourceRef", "title", "severity", "tlp", "tags", "customFields")
    of_value = ("dataType", "data", "tlp", "tags", "ioc", "message")
    return {
        "cases": Counter(field(one, *of_case) for one in cases),
        "tasks": Counter(one["case"]["title"] + field(one, "title", "description", "group", "order") for one in tasks),
        "logs": Counter(field(one["case_task"]["case"], "title") + message(one) + attached(one) for one in logs),
        "observables": Counter(
            one["case"]["title"] + field(one, *of_value) + attached(one) for one in observables if "case" in one
        ),
        "alerts": Counter(field(one, *of_alert) for one in alerts),
        "alert values": Counter(one["data"] for alert in alerts for one in alert["artifacts"] if "data" in one),
    }


def message(log: dict[str, Any]) -> str:
    """Without the line that the restoring program writes before it."""
    return str(log["case_task"]["title"]) + re.sub(r"^Original log by.*?\n\n", "", log["message"])


@pytest.mark.usefixtures("libmagic")
@pytest.mark.timeout(300)
def test_a_second_hive_gets_the_same(tmp_path: Path) -> None:
    with started(tmp_path / "one", "hive") as first:
        with first.client("hive") as client:
            fill(client)
            before = content(client)
        key = first.credentials["hive"]["api_key"]
        run("thehivebackup", "thehivebackup", "backup", "--key", key, first.url("hive"), folder=tmp_path)
    (backup,) = tmp_path.glob("backup*")
    assert len(list((backup / "attachments").iterdir())) == 7
    with started(tmp_path / "two", "hive") as second:
        key = second.credentials["hive"]["api_key"]
        arguments = ["--key", key, "--connections", "4", "--alerts", str(backup), second.url("hive")]
        output = run("thehivebackup", "thehivebackup", "restore", *arguments, folder=tmp_path)
        with second.client("hive") as client:
            after = content(client)
    assert "WARNING" not in output, output[-3000:]
    for kind in before:
        assert after[kind] == before[kind], kind
