"""Every searchable property, relation and aggregation of contracts/hive-v0.md §4.3 to §4.7."""

from __future__ import annotations

from typing import Any

COMMON = ["_id", "id", "createdBy", "createdAt", "updatedBy", "updatedAt"]
DURATIONS = [f"computed.handlingDuration{unit}" for unit in ("", "InSeconds", "InMinutes", "InHours", "InDays")]
PROPERTIES = {
    "alert": [
        "type", "source", "sourceRef", "title", "description", "severity", "date", "lastSyncDate", "tags", "flag", "tlp", "pap",
        "read", "follow", "status", "summary", "user", "caseTemplate", "externalLink", "customFields.hits",
        "customFields.hits.integer", "case", "imported", "importDate", *DURATIONS,
    ],
    "case": [
        "caseId", "title", "description", "severity", "startDate", "endDate", "tags", "flag", "tlp", "pap", "status", "summary",
        "owner", "resolutionStatus", "impactStatus", "customFields.hits", "caseTemplate", *DURATIONS, "viewingOrganisation",
        "owningOrganisation", "patternId", "template", "mergeInto", "mergeFrom",
    ],
    "case/task": ["title", "description", "status", "flag", "startDate", "endDate", "order", "dueDate", "group", "owner"],
    "case/task/log": [
        "message", "deleted", "startDate", "status", "owner", "attachment.name", "attachment.hashes", "attachment.size",
        "attachment.contentType", "attachment.id",
    ],
    "case/artifact": [
        "dataType", "data", "message", "tags", "tlp", "ioc", "sighted", "ignoreSimilarity", "startDate", "status",
        "attachment.name", "attachment.hashes", "attachment.size", "attachment.contentType", "attachment.id", "relatedId",
        "reports",
    ],
    "case/template": [
        "name", "displayName", "titlePrefix", "description", "severity", "tags", "flag", "tlp", "pap", "summary", "user",
        "customFields", "status",
    ],
    "user": ["login", "name", "status", "profile", "roles"],
    "connector/cortex/job": [
        "analyzerId", "analyzerName", "analyzerDefinition", "cortexId", "cortexJobId", "startDate", "status",
    ],
    "connector/cortex/action": [
        "responderId", "responderName", "objectType", "objectId", "status", "startDate", "cortexId", "tlp",
    ],
    "audit": ["operation", "objectType", "objectId", "rootId", "requestId", "startDate", "base", "details"],
    "customFields": ["name", "reference", "description", "type", "mandatory", "options"],
    "dashboard": ["title", "description", "status", "definition"], "page": ["title", "content", "category", "order"],
}  # fmt: skip
NO_SORT = {"template", "mergeInto", "mergeFrom"}


async def _filled(world: Any) -> dict[str, str]:
    async def made(path: str, body: Any, client: Any = None) -> Any:
        answer = await (client or world.soc).post(f"/api{path}", json=body)
        assert answer.status_code in (200, 201), (path, answer.text)
        return answer.json()

    alert = {"type": "t", "source": "s", "sourceRef": "1", "title": "Hit", "description": "d", "customFields": {"hits": 3}}
    one = await made("/alert", {**alert, "artifacts": [{"dataType": "ip", "data": "192.0.2.1"}], "tags": ["x"]})
    case = await made("/case", {"title": "C", "description": "d", "customFields": {"hits": 3}, "tasks": [{"title": "T"}]})
    (task,) = await made(f"/case/{case['id']}/task/_search", {})
    files = {"_json": (None, '{"message": "m"}', "application/json"), "attachment": ("a.txt", b"a", "text/plain")}
    log = (await world.soc.post(f"/api/case/task/{task['id']}/log", files=files)).json()
    (observable,) = await made(f"/case/{case['id']}/artifact", {"dataType": "ip", "data": "192.0.2.2", "ioc": True})
    await made("/connector/cortex/job", {"analyzerId": "none", "artifactId": observable["id"]})
    await made("/connector/cortex/action", {"responderId": "none", "objectType": "case", "objectId": case["id"]})
    await made("/case/template", {"name": "W", "tasks": [{"title": "Look"}]})
    await made("/dashboard", {"title": "D", "description": "d", "definition": "{}"})
    await made("/page", {"title": "P", "content": "c"})
    return {"alert": one["id"], "case": case["id"], "task": task["id"], "log": log["id"], "observable": observable["id"]}


async def test_every_property_is_found_sorted_by_and_grouped_by(world: Any) -> None:
    await _filled(world)
    for path, names in PROPERTIES.items():
        for name in [*COMMON, *names]:
            for query in ({"_contains": name}, {"_not": {"_contains": name}}, {"_in": {"_field": name, "_values": []}}):
                answer = await world.soc.post(f"/api/{path}/_search", json={"query": query})
                assert answer.status_code == 200, (path, name, query, answer.text)
            if name not in NO_SORT:
                answer = await world.soc.post(f"/api/{path}/_search?sort=-{name}&range=all", json={})
                assert answer.status_code == 200 and answer.json(), (path, name, answer.text)
                grouped = await world.soc.post(f"/api/{path}/_stats", json={"stats": [{"_agg": "field", "_field": name}]})
                assert grouped.status_code == 200, (path, name, grouped.text)


async def test_status_ok_and_roles(world: Any) -> None:
    await _filled(world)
    for path in ("case/task/log", "case/artifact", "case/template"):
        assert (await world.soc.post(f"/api/{path}/_search", json={"query": {"status": "Ok"}})).json(), path
        assert (await world.soc.post(f"/api/{path}/_search", json={"query": {"_not": {"status": "Deleted"}}})).json(), path
        assert (await world.soc.post(f"/api/{path}/_search", json={"query": {"status": "Deleted"}})).json() == [], path
    found = (await world.soc.post("/api/user/_search?range=all", json={"query": {"roles": "admin"}})).json()
    assert found and all("admin" in one["roles"] for one in found)
    readers = (await world.soc.post("/api/user/_search?range=all", json={"query": {"_not": {"roles": "write"}}})).json()
    assert readers and all("write" not in one["roles"] for one in readers)


async def test_relations(world: Any) -> None:
    ids = await _filled(world)
    parent = lambda kind, query: {"_parent": {"_type": kind, "_query": query}}  # noqa: E731
    child = lambda kind, query: {"_child": {"_type": kind, "_query": query}}  # noqa: E731
    for path, query, wanted in (
        ("case", child("case_task", {"title": "T"}), "case"), ("case", child("case_artifact", {"data": "192.0.2.2"}), "case"),
        ("case/task", {"_parent": {"_type": "case", "_id": ids["case"]}}, "task"),
        ("case/task", child("case_task_log", {"message": "m"}), "task"),
        ("case/task/log", parent("case_task", parent("case", {"title": "C"})), "log"),
        ("case/artifact", parent("case", {"_id": ids["case"]}), "observable"),
        ("case/artifact", child("case_artifact_job", {"status": "Failure"}), "observable"),
        ("alert", child("alert_artifact", {"data": "192.0.2.1"}), "alert"),
        ("alert", child("case_artifact", {"data": "192.0.2.1"}), "alert"),
    ):  # fmt: skip
        found = (await world.soc.post(f"/api/{path}/_search", json={"query": query})).json()
        assert [one["id"] for one in found] == [ids[wanted]], (path, query, found)
        negated = (await world.soc.post(f"/api/{path}/_search", json={"query": {"_not": query}})).json()
        assert ids[wanted] not in [one["id"] for one in negated], (path, query)
    (of_alert,) = (await world.soc.post("/api/case/artifact/_search", json={"query": parent("alert", {"title": "Hit"})})).json()
    assert of_alert["data"] == "192.0.2.1"
    (job,) = (
        await world.soc.post("/api/connector/cortex/job/_search", json={"query": parent("case_artifact", {"ioc": True})})
    ).json()
    assert job["analyzerId"] == "none"
    found = (
        await world.soc.post("/api/case/template/_search", json={"query": child("caseTemplate_task", {"title": "Look"})})
    ).json()
    assert [one["name"] for one in found] == ["W"]
    tasks = await world.soc.post("/api/case/task/_search", json={"query": parent("caseTemplate", {"name": "W"})})
    assert (tasks.status_code, tasks.json()) == (200, [])


async def test_a_search_over_all_kinds(world: Any) -> None:
    """§2, TheHive 3: `_type` chooses; without it everything with a text that fits is found."""
    ids = await _filled(world)
    search = "/api/_search?range=all"
    assert (await world.anonymous.post(search, json={})).status_code == 401
    only = await world.soc.post(search, json={"query": {"_and": [{"_type": "case"}, {"title": "C"}]}})
    assert ([one["id"] for one in only.json()], only.headers["x-total"]) == ([ids["case"]], "1")
    every = (await world.soc.post(search, json={"query": {"createdBy": "org-admin@soc.example"}})).json()
    assert {"alert", "case", "case_task", "case_task_log", "case_artifact"} <= {one["_type"] for one in every}
    assert (await world.other.post(search, json={"query": {"createdBy": "org-admin@soc.example"}})).json() == []
    page = await world.soc.post("/api/_search?range=1-3", json={"query": {"createdBy": "org-admin@soc.example"}})
    assert [one["id"] for one in page.json()] == [one["id"] for one in every[1:3]]
    assert int(page.headers["x-total"]) == len(every)
    assert (await world.soc.post(search, json={"query": {"_nonsense": 1}})).status_code == 400
    assert (await world.soc.post(search, json={"query": {"_type": "nothing"}})).json() == []
