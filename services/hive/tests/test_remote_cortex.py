"""Another Cortex, over its REST API: what it is sent, what its answers do here, and what its bad days do not do."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cortex_double import KEY, CortexDouble, cortex_double

from hive.analysis import polling
from hive.analysis.polling import poll_once, refresh_catalogues

LINE = {"level": "malicious", "namespace": "Rep", "predicate": "Score", "value": 9}


@pytest.fixture
async def remote(world: Any) -> AsyncIterator[CortexDouble]:
    """A double that hive knows as the server `else`; its lists of workers are read."""
    async with cortex_double() as double:
        sealed = world.hive.secrets.seal(KEY.encode(), context="cortex_servers:else")
        await world.owner.execute(
            "INSERT INTO cortex_servers (name, kind, url, sealed_key, created_at, created_by)"
            " VALUES ('else', 'rest', $1, $2, 1, 'test')", f"{double.url}/", sealed,
        )  # fmt: skip
        await refresh_catalogues(world.hive)
        yield double


async def asked(world: Any, observable: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {"analyzerId": "an1", "artifactId": observable["_id"], **more}
    answer = await world.soc.post("/api/connector/cortex/job", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def job(world: Any, given: dict[str, Any]) -> dict[str, Any]:
    return dict((await world.soc.get(f"/api/connector/cortex/job/{given['_id']}")).json())


async def step(world: Any, times: int = 1) -> None:
    """The next calls of all open runs, now."""
    for _ in range(times):
        for table in ("jobs", "actions"):
            await world.owner.execute(f"UPDATE {table} SET next_poll_at = now() WHERE next_poll_at IS NOT NULL")
        await poll_once(world.hive)


async def test_its_workers_are_listed_beside_ours(world: Any, remote: CortexDouble) -> None:
    (analyzer,) = (await world.reader.get("/api/v1/connector/cortex/analyzer")).json()
    assert (analyzer["id"], analyzer["cortexIds"], analyzer["maxTlp"], "maxPap" in analyzer) == ("an1", ["else"], 2, False)
    case = await world.case()
    (responder,) = (await world.soc.get(f"/api/connector/cortex/responder/case/{case['_id']}")).json()
    assert (responder["id"], responder["cortexIds"]) == ("re1", ["else"])


async def test_a_server_may_be_kept_for_some_organisations(world: Any, remote: CortexDouble) -> None:
    await world.owner.execute("UPDATE cortex_servers SET organisations = '{other}' WHERE name = 'else'")
    assert (await world.soc.get("/api/connector/cortex/analyzer")).json() == []
    assert [w["id"] for w in (await world.other.get("/api/connector/cortex/analyzer")).json()] == ["an1"]
    observable = await world.observable((await world.case())["_id"])
    assert (await asked(world, observable, cortexId="else"))["status"] == "Failure"


async def test_a_value_goes_out_and_its_report_comes_back(world: Any, remote: CortexDouble) -> None:
    case = await world.case()
    observable = await world.observable(case["_id"], tlp=1, pap=1)
    made = await asked(world, observable, parameters={"depth": 2})
    assert made["status"] == "Waiting"
    await step(world)
    (run,) = remote.runs
    assert run == {
        "path": "/api/analyzer/an1/run", "dataType": "domain", "tlp": 1, "pap": 1, "message": str(case["number"]),
        "data": "evil.example",
        "parameters": {"depth": 2, "organisation": "soc", "user": "org-admin@soc.example"},
    }  # fmt: skip
    assert ((await job(world, made))["status"], (await job(world, made))["cortexJobId"]) == ("InProgress", "remote-1")
    remote.mood = "working"
    await step(world)
    remote.mood = "well"
    remote.report = {
        "success": True, "full": {"seen": "\u0000"}, "summary": {"taxonomies": [LINE, "no line"]}, "operations": "none",
        "artifacts": [
            {"dataType": "ip", "data": "192.0.2.9", "tlp": 3, "tags": ["c2"]}, None, {"dataType": "ip"},
            {"dataType": "file", "attachment": {"id": "ab12", "name": "drop.exe", "contentType": "application/x-dosexec"}},
            {"dataType": "file", "attachment": {"id": "../../user/admin", "name": "x"}},
        ],
    }  # fmt: skip
    await step(world)
    ended = await job(world, made)
    assert (ended["status"], ended["report"]["full"]) == ("Success", {"seen": "\ufffd"})
    assert [(a["dataType"], a.get("data"), a["tlp"]) for a in ended["report"]["artifacts"]] == [
        ("ip", "192.0.2.9", 4), ("file", None, 2),
    ]  # fmt: skip
    path = f"/api/connector/cortex/job/{made['_id']}/artifact/{ended['report']['artifacts'][1]['_id']}/download"
    assert (await world.reader.get(path)).content == b"dropped file"
    assert (await world.other.get(path)).status_code == 404
    shown = (await world.soc.get(f"/api/v1/observable/{observable['_id']}")).json()["reports"]
    assert shown["Reputation_1_0"]["taxonomies"][0] == {**LINE, "value": "9"}
    assert len(remote.runs) == 1


async def test_a_file_goes_as_the_part_that_cortex_expects(world: Any, remote: CortexDouble) -> None:
    case = await world.case()
    made = await world.soc.post(
        f"/api/v1/case/{case['_id']}/observable", data={"_json": json.dumps({"dataType": "file"})},
        files={"attachment": ("a.exe", b"MZ")},
    )  # fmt: skip
    await asked(world, made.json()[0])
    await step(world)
    (run,) = remote.runs
    assert (tuple(run["file"]), run["dataType"], run["data"]) == (("a.exe", b"MZ"), "file", None)


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("refusing", "Cortex answered 404: "), ("forgetful", "Cortex answered 404: "),
    ],
)  # fmt: skip
async def test_a_refusal_ends_the_job_with_its_reason(world: Any, remote: CortexDouble, mood: str, reason: str) -> None:
    made = await asked(world, await world.observable((await world.case())["_id"]))
    remote.mood = mood
    await step(world, 2)
    ended = await job(world, made)
    assert (ended["status"], ended["errorMessage"].startswith(reason)) == ("Failure", True), ended


@pytest.mark.parametrize("mood", ["html", "broken", "list", "elsewhere"])
async def test_garbage_is_tried_again_for_a_while(
    world: Any, remote: CortexDouble, mood: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "GARBLED", 3)
    first = await asked(world, await world.observable((await world.case())["_id"]))
    remote.mood = mood
    await step(world, 2)
    assert (await job(world, first))["status"] == "Waiting"
    remote.mood = "well"
    await step(world, 2)
    assert (await job(world, first))["status"] == "Success"
    second = await asked(world, await world.observable((await world.case())["_id"]))
    remote.mood = mood
    await step(world, 3)
    ended = await job(world, second)
    assert (ended["status"], "cannot be understood" in ended["errorMessage"]) == ("Failure", True)


@pytest.mark.parametrize("mood", ["down", "full", "slow", "gone"])
async def test_a_server_that_does_not_answer_is_waited_for(
    world: Any, remote: CortexDouble, mood: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive.analysis.remote.TIMEOUT", 0.3)
    monkeypatch.setattr(polling, "UNREACHABLE", 3)
    made = await asked(world, await world.observable((await world.case())["_id"]))
    remote.mood = mood
    if mood == "gone":
        await world.owner.execute("UPDATE cortex_servers SET url = 'http://no-such-host.invalid' WHERE name = 'else'")
    await step(world, 2)
    assert (await job(world, made))["status"] == "Waiting"
    await step(world)
    ended = await job(world, made)
    assert (ended["status"], ended["errorMessage"].startswith("Cortex server else did not answer")) == ("Failure", True)


async def test_a_server_that_is_taken_away(world: Any, remote: CortexDouble) -> None:
    made = await asked(world, await world.observable((await world.case())["_id"]))
    await world.owner.execute("DELETE FROM cortex_servers WHERE name = 'else'")
    await step(world)
    assert "not configured any more" in (await job(world, made))["errorMessage"]


async def test_a_failed_report(world: Any, remote: CortexDouble) -> None:
    made = await asked(world, await world.observable((await world.case())["_id"]))
    remote.status, remote.report = "Failure", {"success": False, "errorMessage": "no quota"}
    await step(world, 2)
    assert (await job(world, made))["errorMessage"] == "no quota"


async def test_a_job_is_claimed_once(world: Any, remote: CortexDouble) -> None:
    """Two processes at the same moment submit one run."""
    await asked(world, await world.observable((await world.case())["_id"]))
    rows = [await world.hive.database.fetch(polling.CLAIMS[polling.Job], system=True) for _ in range(2)]
    assert [len(found) for found in rows] == [1, 0]


async def test_a_responder_elsewhere(world: Any, remote: CortexDouble) -> None:
    case = await world.case(tags=["before"])
    body = {"responderId": "re1", "cortexId": "else", "objectType": "case", "objectId": case["_id"]}
    answer = await world.soc.post("/api/connector/cortex/action", json=body)
    assert (answer.status_code, answer.json()["status"]) == (200, "Waiting")
    remote.report = {"success": True, "full": {"message": "done"}, "operations": [{"type": "AddTagToCase", "tag": "blocked"}]}
    await step(world, 2)
    (run,) = remote.runs
    assert (run["path"], run["dataType"], run["label"]) == (
        "/api/responder/re1/run",
        "thehive:case",
        f"#{case['number']} Intrusion",
    )
    assert (run["data"]["_type"], run["data"]["caseId"], run["data"]["tags"]) == ("case", case["number"], ["before"])
    assert (await world.soc.get(f"/api/v1/case/{case['_id']}")).json()["tags"] == ["before", "blocked"]
    ended = (await world.soc.get(f"/api/connector/cortex/action/{answer.json()['_id']}")).json()
    assert (ended["status"], ended["report"], json.loads(ended["operations"])[0]["status"]) == (
        "Success", {"success": True, "full": {"message": "done"}}, "Success",
    )  # fmt: skip
