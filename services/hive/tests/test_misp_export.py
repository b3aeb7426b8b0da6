"""Exports from hive's side: who may ask, what the connector gets to see, and what people are told of it."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest
from test_analysis import delivery, on_misp

from hive.misp.pushing import push_due

INSTANCE = {"name": "circl", "url": "https://misp.example", "purpose": "ImportAndExport", "status": "OK"}


async def told(world: Any, **change: Any) -> None:
    data = {**INSTANCE, **change}
    await on_misp(world.hive, delivery("misp.instance_changed.v1", data, organisation=None, source="misp-connector"))


async def answered(world: Any, case: dict[str, Any], **more: Any) -> None:
    (row,) = await world.owner.fetch("SELECT event_uuid FROM case_exports")
    done = {"case_id": case["_id"], "instance": "circl", "event_uuid": str(row["event_uuid"]), "event_id": "7", **more}
    kind = "case.export.failed.v1" if "error" in more else "case.exported.v1"
    await on_misp(world.hive, delivery(kind, done, source="misp-connector", queue="hive.misp"))


def path(case: dict[str, Any], *, v: str = "/v1") -> str:
    return f"/api{v}/connector/misp/export/{case['_id']}/circl"


async def document(world: Any) -> dict[str, Any]:
    """The case as the connector fetches it, with its own key and nobody else's."""
    message = (await world.outbox("case.export.requested.v1"))[-1]
    place = urlsplit(message["data"]["case_ref"]["url"]).path
    assert (await world.soc.get(place)).status_code == 401
    assert (await world.client("cortex-service-key").get(place)).status_code == 404
    answer = await world.client("misp-service-key").get(place)
    assert answer.status_code == 200
    return dict(answer.json())


class TestWhoMay:
    async def test_access(self, world: Any) -> None:
        await told(world)
        case = await world.case()
        for client, status in ((world.anonymous, 401), (world.reader, 403), (world.other, 404)):
            assert (await client.post(path(case))).status_code == status
            assert (await client.post(path(case, v=""), json={})).status_code == status
        listing = f"/api/v1/connector/misp/export/{case['_id']}"
        for client, status in ((world.anonymous, 401), (world.other, 404), (world.reader, 200)):
            assert (await client.get(listing)).status_code == status

    @pytest.mark.parametrize(
        ("change", "status"), [({"purpose": "ImportOnly"}, 400), ({"status": "DISABLED"}, 400), ({"status": "REMOVED"}, 404)]
    )
    async def test_servers_that_take_none(self, world: Any, change: dict[str, str], status: int) -> None:
        await told(world, **change)
        assert (await world.soc.post(path(await world.case()))).status_code == status

    async def test_what_the_body_may_say(self, world: Any) -> None:
        await told(world)
        case = await world.case()
        assert (await world.soc.post(path(case), json={"publish": True})).status_code == 204
        assert (await world.outbox("case.export.requested.v1"))[0]["data"]["publish"] is True
        assert (await world.soc.post(path(case), json={"other": 1})).status_code == 400


class TestWhatLeaves:
    async def test_the_case_without_what_is_held(self, world: Any) -> None:
        await told(world)
        case = await world.case(tags=["campaign"], tlp=2)
        await world.observable(case["_id"], ioc=True, message="C2")
        red = await world.observable(case["_id"], data="secret.example", ioc=True, tlp=4)
        kept = await world.observable(case["_id"], data="ours.example", ioc=True, tags=["misp:no-export"])
        technique = {"patternId": "T1566", "tactic": "initial-access", "occurDate": 1}
        await world.soc.post(f"/api/v1/case/{case['_id']}/procedure", json=technique)
        content = {"attachment": ("a.exe", b"MZ")}
        form = {"_json": '{"dataType": "file", "ioc": true}'}
        assert (await world.soc.post(f"/api/v1/case/{case['_id']}/observable", data=form, files=content)).status_code == 201
        assert (await world.soc.post(path(case))).status_code == 204
        shown = await document(world)
        assert (shown["title"], shown["tlp"], shown["stage"], shown["tags"]) == ("Intrusion", "AMBER", "New", ["campaign"])
        assert [(o["data_type"], o.get("data"), o["ioc"]) for o in shown["observables"]] == [
            ("domain", "evil.example", True), ("file", None, True),
        ]  # fmt: skip
        assert {(h["observable_id"], h["reason"]) for h in shown["held"]} == {
            (red["_id"], "TLP:RED"), (kept["_id"], "tagged misp:no-export"),
        }  # fmt: skip
        assert "secret.example" not in str(shown) and "ours.example" not in str(shown)
        assert [one["pattern_id"] for one in shown["techniques"]] == ["T1566"]
        file = shown["observables"][1]["file"]
        assert (await world.client("misp-service-key").get(urlsplit(file["url"]).path)).content == b"MZ"
        assert file["md5"] == "ac6ad5d9b99757c3a878f2d275ace198"

    async def test_the_event_is_the_same_each_time_and_no_other_cases(self, world: Any) -> None:
        await told(world)
        case, second = await world.case(), await world.case()
        uuids = []
        for one in (case, case, second):
            await world.soc.post(path(one))
            uuids.append((await document(world))["event_uuid"])
        assert uuids[0] == uuids[1] != uuids[2]


class TestWhatIsTold:
    async def test_results_and_what_was_held(self, world: Any) -> None:
        await told(world)
        case = await world.case()
        one = await world.observable(case["_id"], ioc=True)
        await world.soc.post(path(case))
        listing = f"/api/v1/connector/misp/export/{case['_id']}"
        assert [(e["state"], e["results"]) for e in (await world.soc.get(listing)).json()] == [("requested", [])]
        results = [
            {"observable_id": one["_id"], "result": "created"},
            {"observable_id": "~9", "result": "held", "reason": "TLP:RED"},
        ]
        await answered(world, case, results=results, held=["~9"], warnings=["tag x: no"], strategy="extend", published=True)
        (shown,) = (await world.soc.get(listing)).json()
        assert (shown["state"], shown["eventId"], shown["strategy"], shown["published"]) == ("partial", "7", "extend", True)
        assert (shown["held"], shown["warnings"], shown["results"][1]["reason"]) == (["~9"], ["tag x: no"], "TLP:RED")
        await answered(world, case, error="down", retryable=True)
        (shown,) = (await world.soc.get(listing)).json()
        assert (shown["state"], shown["error"], shown["retrying"], shown["eventId"]) == ("failed", "down", True, "7")

    async def test_the_classic_route_waits_for_the_answer(self, world: Any) -> None:
        await told(world)
        case = await world.case()
        one = await world.observable(case["_id"], ioc=True)
        world.hive.settings.v0_export_wait = 0.0
        assert (await world.soc.post(path(case, v=""), json={})).status_code == 202
        for result, status in (("created", 201), ("rejected", 207)):
            await world.owner.execute("UPDATE case_exports SET state = 'requested'")
            results = [{"observable_id": one["_id"], "result": result, "reason": "because"}]
            world.hive.settings.v0_export_wait = 20.0
            answer = await answered_meanwhile(world, case, results=results)
            assert answer.status_code == status, answer.text
        assert answer.json()["failure"][0]["message"] == "because" and answer.json()["success"] == []
        answer = await answered_meanwhile(world, case, error="refused", retryable=False)
        assert (answer.status_code, "refused" in answer.json()["message"]) == (400, True)
        world.hive.settings.v0_strict4 = True
        assert (await world.soc.post(path(case, v=""), json={})).status_code == 204

    async def test_the_classic_status(self, world: Any) -> None:
        where = "/api/connector/misp/status"
        assert (await world.soc.get(where)).json() == {"enabled": False, "status": "OK", "servers": []}
        await told(world, version="2.5.1")
        await told(world, name="second", status="ERROR")
        await told(world, name="third", status="DISABLED")
        shown = (await world.soc.get(where)).json()
        assert shown["status"] == "WARNING" and [s["name"] for s in shown["servers"]] == ["circl", "second"]
        assert shown["servers"][0] == {
            "name": "circl", "version": "2.5.1", "status": "OK", "url": "https://misp.example", "purpose": "ImportAndExport",
        }  # fmt: skip


async def test_new_iocs_of_an_exported_case_are_told_once_the_burst_is_over(world: Any) -> None:
    await told(world)
    case = await world.case()
    one = await world.observable(case["_id"], ioc=True)
    assert await push_due(world.hive) == 0
    await world.soc.post(path(case))
    await answered(world, case)
    await world.observable(case["_id"], data="no-ioc.example")
    await world.soc.patch(f"/api/v1/observable/{one['_id']}", json={"tags": ["x"]})
    world.hive.settings.export_quiet_seconds = 0.0
    assert await push_due(world.hive) == 0
    world.hive.settings.export_quiet_seconds = 60.0
    for number in range(3):
        await world.observable(case["_id"], data=f"n{number}.example", ioc=True)
    await world.soc.patch(f"/api/v1/observable/{one['_id']}", json={"sighted": True})
    assert await push_due(world.hive) == 0
    await world.owner.execute("UPDATE case_exports SET iocs_changed_at = now() - interval '61 seconds'")
    assert [await push_due(world.hive), await push_due(world.hive)] == [1, 0]
    (message,) = await world.outbox("case.iocs_changed.v1")
    assert (message["organisation"], message["data"]["instances"]) == ("soc", ["circl"])
    place = urlsplit(message["data"]["case_ref"]["url"]).path
    shown = (await world.client("misp-service-key").get(place)).json()
    assert len(shown["observables"]) == 5 and shown["observables"][0]["sighted_at"] > 0
    await world.soc.delete(f"/api/v1/observable/{one['_id']}")
    world.hive.settings.export_quiet_seconds = 0.0
    assert await push_due(world.hive) == 1


async def answered_meanwhile(world: Any, case: dict[str, Any], **more: Any) -> Any:
    """The classic route's answer while the connector's comes in."""
    asking = asyncio.create_task(world.soc.post(path(case, v=""), json={}))
    before = len(await world.outbox("case.export.requested.v1"))
    while len(await world.outbox("case.export.requested.v1")) == before:
        await asyncio.sleep(0.02)
    await answered(world, case, **more)
    return await asking
