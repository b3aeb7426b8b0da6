"""What the classic API answers to readers: searches, statistics, pipelines, the stream, the flow, descriptions."""

from __future__ import annotations

import asyncio
from typing import Any

ALERT = {"type": "external", "source": "siem", "sourceRef": "1", "title": "Hit", "description": "d", "date": 1_700_000_000_000}
DAY = 86_400_000


async def post(client: Any, path: str, body: Any = None, status: int = 200) -> Any:
    answer = await client.post(path, json=body if body is not None else {})
    assert answer.status_code == status, (path, answer.text)
    return answer.json()


async def filled(world: Any) -> dict[str, Any]:
    for n in range(6):
        day = {"date": 1_700_000_000_000 + n // 2 * DAY}
        body = {
            **ALERT,
            **day,
            "sourceRef": str(n),
            "severity": 1 + n % 3,
            "tags": ["all", f"t{n % 2}"],
            "customFields": {"hits": n},
        }
        await post(world.soc, "/api/alert", body, 201)
    case = await post(world.soc, "/api/case", {"title": "C", "description": "d", "tasks": [{"title": "T"}, {"title": "U"}]}, 201)
    await post(world.soc, f"/api/case/{case['id']}/artifact", {"dataType": "ip", "data": ["192.0.2.1", "192.0.2.2"]}, 201)
    return dict(case)


class TestStatistics:
    async def test_access(self, world: Any) -> None:
        assert (await world.anonymous.post("/api/alert/_stats", json={"stats": []})).status_code == 401
        await filled(world)
        assert await post(world.other, "/api/alert/_stats", {"stats": [{"_agg": "count"}]}) == {"count": 0}

    async def test_aggregations_are_merged_deeply(self, world: Any) -> None:
        await filled(world)
        stats = [
            {"_agg": "count"}, {"_agg": "field", "_field": "status", "_select": [{"_agg": "count"}]},
            {"_agg": "sum", "_field": "severity"}, {"_agg": "avg", "_field": "severity", "_name": "mean"},
            {"_agg": "max", "_field": "customFields.hits"},
        ]  # fmt: skip
        found = await post(world.soc, "/api/alert/_stats", {"query": {}, "stats": stats})
        assert found == {"count": 6, "New": {"count": 6}, "sum_severity": 12, "mean": 2, "max_customFields.hits": 5}

    async def test_groups_of_many_values_within_groups(self, world: Any) -> None:
        await filled(world)
        inner = [{"_agg": "count"}, {"_agg": "field", "_field": "severity", "_select": [{"_agg": "count"}]}]
        stats = [{"_agg": "field", "_field": "tags", "_order": "-count", "_size": 2, "_select": inner}]
        found = await post(world.soc, "/api/alert/_stats", {"stats": stats})
        assert next(iter(found)) == "all" and len(found) == 2
        assert found["all"] == {"count": 6, "1": {"count": 2}, "2": {"count": 2}, "3": {"count": 2}}

    async def test_time_and_categories(self, world: Any) -> None:
        await filled(world)
        first = 1_700_000_000_000 // DAY * DAY
        stats = [{"_agg": "time", "_fields": ["date"], "_interval": "1d", "_select": [{"_agg": "count"}]}]
        found = await post(world.soc, "/api/alert/_stats", {"stats": stats})
        assert found == {str(first + n * DAY): {"date": {"count": 2}} for n in range(3)}
        month = [{"_agg": "time", "_fields": "date", "_interval": 1, "_unit": "MONTHS", "_name": "m"}]
        assert await post(world.soc, "/api/alert/_stats", {"stats": month}) == {"1698796800000": {"m": {"count": 6}}}
        week = [{"_agg": "time", "_fields": "date", "_interval": "1w"}]
        assert list(await post(world.soc, "/api/alert/_stats", {"stats": week})) == ["1699833600000"]
        split = [{"_agg": "category", "_categories": {"low": {"severity": 1}, "rest": {"_not": {"severity": 1}}}}]
        assert await post(world.soc, "/api/alert/_stats", {"stats": split}) == {"low": {"count": 2}, "rest": {"count": 4}}
        top = [{"_agg": "top", "_field": "severity", "_size": 1, "_query": {"tags": "t0"}}]
        assert len(await post(world.soc, "/api/alert/_stats", {"stats": top})) == 1

    async def test_several_kinds_at_once(self, world: Any) -> None:
        await filled(world)
        body = {"stats": [
            {"model": "alert", "stats": [{"_agg": "count", "_name": "alerts"}]},
            {"model": "case_task", "query": {"status": "Waiting"}, "stats": [{"_agg": "count", "_name": "tasks"}]},
        ]}  # fmt: skip
        assert await post(world.soc, "/api/_stats", body) == {"alerts": 6, "tasks": 2}

    async def test_what_cannot_be_counted_is_refused(self, world: Any) -> None:
        bad: list[Any] = [
            {"stats": 1}, {"stats": [{"_agg": "median", "_field": "severity"}]}, {"stats": [{"_agg": "sum", "_field": "title"}]},
            {"stats": [{"_agg": "field", "_field": "nothing"}]}, {"stats": [{"_agg": "time", "_fields": ["title"]}]},
            {"stats": [{"_agg": "time", "_fields": ["date"], "_interval": "1x"}]}, {"stats": [{"_agg": "field"}]},
            {"query": [], "stats": [{"_agg": "count"}]}, {"stats": [{"_agg": "category"}]},
        ]  # fmt: skip
        for body in bad:
            answer = await world.soc.post("/api/alert/_stats", json=body)
            assert answer.status_code == 400, body
            assert answer.json()["message"]


class TestSearch:
    async def test_every_kind_answers(self, world: Any) -> None:
        await filled(world)
        counts = {
            "alert": 6, "case": 1, "case/task": 2, "case/artifact": 2, "case/task/log": 0, "case/template": 2, "user": 5,
            "organisation": 3, "profile": 4, "customFields": 1, "observable/type": 16, "tag": 3,
        }  # fmt: skip
        for path, count in counts.items():
            answer = await world.soc.post(f"/api/{path}/_search?range=all", json={"query": {}})
            assert answer.status_code == 200, (path, answer.text)
            assert (len(answer.json()), answer.headers["x-total"]) == (count, str(count)) or path in ("user", "organisation"), (
                path
            )
            assert (await world.soc.get(f"/api/{path}?range=0-1")).status_code == 200, path
            assert (await world.soc.post(f"/api/{path}/_stats", json={"stats": [{"_agg": "count"}]})).json()["count"] >= 0

    async def test_parents_and_figures(self, world: Any) -> None:
        case = await filled(world)
        task = (await post(world.soc, "/api/case/task/_search", {"query": {"title": "T"}, "nparent": 1}))[0]
        assert task["case"]["id"] == case["id"]
        await post(world.soc, f"/api/case/task/{task['id']}/log", {"message": "m"}, 201)
        log = (await post(world.soc, "/api/case/task/log/_search?nparent=2", {}))[0]
        assert log["case_task"]["case"]["caseId"] == case["caseId"]
        (shown,) = await post(world.soc, "/api/case/_search?nstats=true", {})
        assert shown["stats"]["tasks"] == {"InProgress": 1, "Waiting": 1, "total": 2}
        assert (shown["stats"]["artifacts"], shown["stats"]["isOwner"]) == ({"count": 2}, True)
        observable = (await post(world.soc, "/api/case/artifact/_search", {"query": {"data": "192.0.2.1"}, "nparent": 1}))[0]
        assert observable["case"]["id"] == case["id"]

    async def test_similar_cases_and_links(self, world: Any) -> None:
        case = await filled(world)
        other = await post(world.soc, "/api/case", {"title": "O", "description": "d"}, 201)
        (twin,) = await post(
            world.soc, f"/api/case/{other['id']}/artifact", {"dataType": "ip", "data": "192.0.2.1", "ioc": True}, 201
        )
        (link,) = (await world.soc.get(f"/api/case/{case['id']}/links")).json()
        assert (link["id"], link["linksCount"], link["linkedWith"][0]["data"]) == (other["id"], 1, "192.0.2.1")
        (same,) = (await world.soc.get(f"/api/case/artifact/{twin['id']}/similar")).json()
        assert same["case"]["id"] == case["id"]
        body = {
            **ALERT,
            "sourceRef": "s",
            "artifacts": [{"dataType": "ip", "data": v} for v in ("192.0.2.1", "192.0.2.2", "192.0.2.9")],
        }
        alert = await post(world.soc, "/api/alert", body, 201)
        shown = (await world.soc.get(f"/api/alert/{alert['id']}?similarity=1")).json()
        found = [
            (c["caseId"], c["similarArtifactCount"], c["similarIocCount"], c["artifactCount"]) for c in shown["similarCases"]
        ]
        assert found == [(case["caseId"], 2, 0, 2), (other["caseId"], 1, 1, 1)]
        assert [a["seen"] for a in shown["artifacts"]] == [True, True, False]
        assert (await world.other.get(f"/api/alert/{alert['id']}?similarity=1")).status_code == 404

    async def test_the_pipeline(self, world: Any) -> None:
        case = await filled(world)

        async def query(*steps: dict[str, Any], prefix: str = "/api/v0/query") -> Any:
            return await post(world.soc, prefix, {"query": list(steps)})

        one = {"_name": "getCase", "idOrName": str(case["caseId"])}
        assert [t["title"] for t in await query(one, {"_name": "tasks"}, {"_name": "sort", "_fields": [{"title": "desc"}]})] == [
            "U",
            "T",
        ]
        assert await query(one, {"_name": "observables"}, {"_name": "count"}, prefix="/api/query") == 2
        page = {"_name": "page", "from": 0, "to": 1, "withParents": True}
        assert (await query({"_name": "listTask"}, page))[0]["case"]["id"] == case["id"]
        filtered = {"_name": "filter", "_gte": {"_field": "severity", "_value": 3}}
        assert len(await query({"_name": "listAlert"}, filtered)) == 2
        aggregation = {"_name": "aggregation", "_agg": "field", "_field": "severity", "_select": [{"_agg": "count"}]}
        assert await query({"_name": "listAlert"}, filtered, aggregation) == {"3": {"count": 2}}
        for bad in ([], [{"_name": "nothing"}], [{"_name": "getCase"}], [one, {"_name": "logs"}]):
            assert (await world.soc.post("/api/v0/query", json={"query": bad})).status_code == 400, bad


class TestStream:
    async def test_a_poll_waits_for_what_happens(self, world: Any) -> None:
        assert (await world.anonymous.post("/api/stream")).status_code == 401
        name = (await world.soc.post("/api/stream")).text
        assert len(name) == 20 and name.isalnum()
        assert (await world.other.get(f"/api/stream/{name}")).status_code == 404
        assert (await world.client("key-soc-analyst").get(f"/api/stream/{name}")).status_code == 404
        waiting = asyncio.create_task(world.soc.get(f"/api/stream/{name}"))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await world.other.post("/api/alert", json=ALERT)
        alert = await post(world.soc, "/api/alert", {**ALERT, "artifacts": [{"dataType": "ip", "data": "192.0.2.1"}]}, 201)
        async with asyncio.timeout(10):
            groups = (await waiting).json()
        assert [g["base"]["objectId"] for g in groups] == [alert["id"]]
        assert (groups[0]["base"]["operation"], groups[0]["base"]["objectType"]) == ("Creation", "alert")
        assert groups[0]["base"]["object"]["sourceRef"] == "1"
        await post(world.soc, f"/api/alert/{alert['id']}/markAsRead")
        (second,) = (await world.soc.get(f"/api/stream/{name}")).json()
        assert second["base"]["details"] == {"read": True, "status": "Ignored"}
        assert (await world.soc.get("/api/stream/unknown")).status_code == 404

    async def test_the_flow(self, world: Any) -> None:
        case = await post(world.soc, "/api/case", {"title": "C", "description": "d", "tasks": [{"title": "T"}]}, 201)
        await post(world.soc, "/api/alert", ALERT, 201)
        groups = (await world.soc.get("/api/flow?rootId=any&count=5")).json()
        assert [g["base"]["objectType"] for g in groups] == ["alert", "case"]
        assert groups[1]["summary"] == {"case_task": {"Creation": 1}}
        (only,) = (await world.soc.get("/api/flow", params={"rootId": case["id"]})).json()
        assert only["base"]["rootId"] == case["id"]
        assert (await world.other.get("/api/flow?rootId=any")).json() == []
        assert (await world.other.get("/api/flow", params={"rootId": case["id"]})).json() == []


class TestDescriptions:
    async def test_models(self, world: Any) -> None:
        await filled(world)
        every = (await world.soc.get("/api/describe/_all")).json()
        assert {
            "case",
            "case_task",
            "alert",
            "case_artifact",
            "user",
            "case_task_log",
            "audit",
            "caseTemplate",
            "customField",
        } <= set(every)
        alert = {one["name"]: one for one in (await world.soc.get("/api/describe/alert")).json()["attributes"]}
        assert (alert["severity"]["labels"], alert["date"]["type"], alert["status"]["type"]) == (
            ["low", "medium", "high", "critical"], "date", "enumeration",
        )  # fmt: skip
        assert alert["customFields.hits"]["type"] == "number" and {"createdBy", "createdAt", "updatedBy", "updatedAt"} <= set(
            alert
        )
        assert (await world.soc.get("/api/describe/nothing")).status_code == 404

    async def test_lists(self, world: Any) -> None:
        assert (await world.soc.get("/api/list")).json() == ["list_artifactDataType", "case_metrics", "ui_settings"]
        await world.admin.post("/api/observable/type", json={"name": "coin"})
        types = (await world.soc.get("/api/list/list_artifactDataType")).json()
        assert {"ip", "file", "coin"} <= set(types.values())
        assert (await world.soc.get("/api/list/case_metrics")).json() == {}
        assert (await world.admin.post("/api/list/case_metrics", json={})).status_code == 423
