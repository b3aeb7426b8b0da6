"""The rules of contracts/hive-v0.md §5, each by its section, as classic clients see them."""

from __future__ import annotations

from typing import Any

ALERT = {"type": "external", "source": "siem", "sourceRef": "1", "title": "Hit", "description": "about it", "tags": ["a", "b"]}
CASE = {"title": "Case", "description": "d"}


class Hive:
    """Requests of an org-admin whose answers must be as expected."""

    def __init__(self, world: Any) -> None:
        self.world = world

    async def __call__(self, method: str, path: str, body: Any = None, status: int = 200, client: Any = None) -> Any:
        answer = await (client or self.world.soc).request(method, f"/api{path}", json=body)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    async def alert(self, **more: Any) -> dict[str, Any]:
        return dict(await self("POST", "/alert", {**ALERT, **more}, 201))

    async def case(self, **more: Any) -> dict[str, Any]:
        return dict(await self("POST", "/case", {**CASE, **more}, 201))

    async def found(self, kind: str, query: Any, **more: Any) -> list[dict[str, Any]]:
        return list(await self("POST", f"/{kind}/_search", {"query": query, "range": "all", **more}))


async def test_5_1_the_status_machine(world: Any) -> None:
    """All eight transitions, seen by searches for one, for several and for others than a status."""
    hive = Hive(world)
    one = await hive.alert()

    async def is_now(status: str) -> None:
        assert (await hive("GET", f"/alert/{one['id']}"))["status"] == status
        for query, count in (
            ({"status": status}, 1), ({"_in": {"_field": "status", "_values": [status]}}, 1), ({"_ne": {"status": status}}, 0),
            ({"_not": {"status": status}}, 0), ({"_string": f"status:{status}"}, 1),
        ):  # fmt: skip
            assert len(await hive.found("alert", query)) == count, query

    await is_now("New")
    for mark, status in (("markAsRead", "Ignored"), ("markAsUnread", "New")):
        await hive("POST", f"/alert/{one['id']}/{mark}")
        await is_now(status)
    case = await hive("POST", f"/alert/{one['id']}/createCase", {}, 201)
    await is_now("Imported")
    assert (await hive("POST", f"/alert/{one['id']}/createCase", {}, 201))["id"] == case["id"]
    for mark, status in (("markAsUnread", "Updated"), ("markAsRead", "Imported"), ("markAsUnread", "Updated")):
        await hive("POST", f"/alert/{one['id']}/{mark}")
        await is_now(status)
    await hive("DELETE", f"/case/{case['id']}", None, 204)
    await is_now("New")
    assert (await hive("GET", f"/alert/{one['id']}"))["case"] is None
    second = await hive("POST", f"/alert/{one['id']}/createCase", {}, 201)
    await is_now("Imported")
    await hive("DELETE", f"/case/{second['id']}/force", None, 204)
    await is_now("Ignored")


async def test_5_1_new_artifacts_are_news_and_other_changes_are_not(world: Any) -> None:
    hive = Hive(world)
    one = await hive.alert(artifacts=[{"dataType": "ip", "data": "192.0.2.1"}])
    path = f"/alert/{one['id']}"
    case = await hive("POST", f"{path}/createCase", {}, 201)
    await hive("PATCH", f"/case/{case['id']}", {"status": "Resolved", "resolutionStatus": "TruePositive"})
    assert (await hive("PATCH", path, {"title": "Other"}))["status"] == "Imported"
    more = {"artifacts": [{"dataType": "ip", "data": "192.0.2.1"}, {"dataType": "ip", "data": "192.0.2.2"}]}
    changed = await hive("PATCH", path, more)
    assert (changed["status"], len(changed["artifacts"])) == ("Updated", 2)
    assert (await hive("GET", f"/case/{case['id']}"))["status"] == "Open"
    assert {o["data"] for o in await hive("POST", f"/case/{case['id']}/artifact/_search", {})} == {"192.0.2.1", "192.0.2.2"}
    await hive("POST", f"{path}/unfollow")
    await hive("POST", f"{path}/markAsRead")
    assert (await hive("PATCH", path, {"artifacts": [{"dataType": "ip", "data": "192.0.2.3"}]}))["status"] == "Imported"
    assert (await hive("PATCH", path, {"status": "Ignored", "case": "~1", "createdAt": 1}))["status"] == "Imported"
    assert await hive.found("alert", {"case": case["id"]})


async def test_5_2_promotion(world: Any) -> None:
    hive = Hive(world)
    await hive("POST", "/case/template", {
        "name": "T", "titlePrefix": "[T]", "severity": 4, "tlp": 3, "tags": ["b", "t"],
        "tasks": [{"title": "First"}, {"title": "Second"}],
        "customFields": {"from template": {"string": "x"}, "both": {"integer": 1}},
    }, 201)  # fmt: skip
    artifacts = [{"dataType": "ip", "data": "192.0.2.1", "tags": ["x"], "ioc": True, "sighted": True, "tlp": 1, "message": "m"}]
    fields = {"own": {"string": "y", "order": 1}, "both": {"integer": 2, "order": 0}}
    one = await hive.alert(severity=1, tlp=1, pap=1, artifacts=artifacts, customFields=fields, caseTemplate="T")
    case = await hive("POST", f"/alert/{one['id']}/createCase", None, 201)
    assert [case[k] for k in ("title", "description", "severity", "tlp", "pap", "tags", "flag", "status", "owner")] == [
        "[T] Hit", "about it", 1, 1, 1, ["a", "b", "t"], False, "Open", "org-admin@soc.example",
    ]  # fmt: skip
    tasks = await hive.found("case/task", {"_parent": {"_type": "case", "_query": {"_id": case["id"]}}}, sort="order")
    assert [(t["title"], t["status"]) for t in tasks] == [("First", "Waiting"), ("Second", "Waiting")]
    in_order = sorted(case["customFields"], key=lambda name: case["customFields"][name]["order"])
    assert (in_order, case["customFields"]["both"]["integer"]) == (["both", "own", "from template"], 2)
    (observable,) = await hive("POST", f"/case/{case['id']}/artifact/_search", {})
    assert [observable[k] for k in artifacts[0]] == list(artifacts[0].values())
    other = await hive.alert(sourceRef="2")
    assert (await hive("POST", f"/alert/{other['id']}/createCase", {"caseTemplate": "none"}, 404))["type"] == "NotFoundError"


async def test_5_3_merge(world: Any) -> None:
    hive = Hive(world)
    case = await hive.case(tags=["c"], customFields={"n": 1}, severity=1)
    await hive("POST", f"/case/{case['id']}/artifact", {"dataType": "ip", "data": "192.0.2.1", "tags": ["x"]}, 201)
    artifacts = [{"dataType": "ip", "data": v, "tags": ["y"]} for v in ("192.0.2.1", "192.0.2.2")]
    one = await hive.alert(artifacts=artifacts, customFields={"n": 2}, severity=4, tlp=3)
    merged = await hive("POST", f"/alert/{one['id']}/merge/{case['caseId']}")
    assert merged["description"] == "d\n  \n#### Merged with alert #1 Hit\n\nabout it"
    assert (merged["tags"], merged["severity"], merged["tlp"], merged["title"]) == (["c", "a", "b"], 1, 2, "Case")
    assert merged["customFields"]["n"]["integer"] == 2
    observables = await hive("POST", f"/case/{case['id']}/artifact/_search", {"sort": "data"})
    assert [(o["data"], o["tags"]) for o in observables] == [("192.0.2.1", ["x", "y"]), ("192.0.2.2", ["y"])]
    assert (await hive("GET", f"/alert/{one['id']}"))["status"] == "Imported"
    again = await hive("POST", f"/alert/{one['id']}/merge/{case['id']}", None, 400)
    assert "already imported" in again["message"]


async def test_5_4_a_case_with_a_template(world: Any) -> None:
    hive = Hive(world)
    await hive("POST", "/case/template", {
        "name": "T", "titlePrefix": "[T] ", "severity": 4, "flag": True, "tlp": 3, "pap": 3, "summary": "s", "tags": ["t"],
        "tasks": [{"title": "First"}], "customFields": {"x": {"string": "template"}, "y": {"string": "template"}},
    }, 201)  # fmt: skip
    case = await hive.case(template="T", tags=["c"], severity=1, tasks=[{"title": "Own"}], customFields={"x": {"string": "own"}})
    assert [case[k] for k in ("title", "severity", "flag", "tlp", "pap", "summary", "tags")] == [
        "[T] Case", 1, True, 3, 3, "s", ["c", "t"],
    ]  # fmt: skip
    tasks = await hive("POST", f"/case/{case['id']}/task/_search", {"sort": "order"})
    assert [t["title"] for t in tasks] == ["First", "Own"]
    assert {k: v["string"] for k, v in case["customFields"].items()} == {"x": "own", "y": "template"}
    await hive("POST", "/case", {**CASE, "template": "none"}, 404)


async def test_5_5_closing_opening_and_merging_cases(world: Any) -> None:
    hive = Hive(world)
    tasks = [{"title": "A"}, {"title": "B", "status": "InProgress"}]
    case = await hive.case(flag=True, tasks=tasks)
    path = f"/case/{case['id']}"
    closed = await hive("PATCH", path, {"status": "Resolved", "resolutionStatus": "FalsePositive", "impactStatus": "NoImpact"})
    assert closed["endDate"] and (closed["status"], closed["resolutionStatus"], closed["impactStatus"], closed["flag"]) == (
        "Resolved", "FalsePositive", "NoImpact", True,
    )  # fmt: skip
    statuses = {t["title"]: t["status"] for t in await hive("POST", f"{path}/task/_search", {})}
    assert statuses == {"A": "Cancel", "B": "Completed"}
    opened = await hive("PATCH", path, {"status": "Open"})
    assert (opened["status"], opened["endDate"], opened["resolutionStatus"]) == ("Open", None, None)
    for resolution in ("Indeterminate", "TruePositive", "Other", "Duplicated"):
        done = await hive("PATCH", path, {"status": "Resolved", "resolutionStatus": resolution, "endDate": 1_700_000_000_000})
        assert (done["resolutionStatus"], done["endDate"]) == (resolution, 1_700_000_000_000)
        await hive("PATCH", path, {"status": "Open"})
    other = await hive.case(
        title="Second", description="e", severity=4, tlp=3, pap=1, startDate=1_000, tags=["z"], tasks=tasks[:1]
    )
    alert = await hive.alert()
    await hive("POST", f"/alert/{alert['id']}/merge/{other['id']}")
    merged = await hive("POST", f"/case/{case['id']}/_merge/{other['id']}", None, 201)
    assert [merged[k] for k in ("title", "severity", "tlp", "pap", "startDate")] == ["Case / Second", 4, 3, 2, 1_000]
    assert merged["caseId"] > other["caseId"] and "z" in merged["tags"] and "e" in merged["description"]
    assert len(await hive("POST", f"/case/{merged['id']}/task/_search", {})) == 3
    former = await hive("GET", f"/case/{other['id']}")
    assert (former["status"], former["resolutionStatus"], former["mergeInto"]) == ("Resolved", "Duplicated", merged["id"])
    assert [one["id"] for one in await hive.found("alert", {"case": other["id"]})] == [alert["id"]]
    assert (await hive("GET", f"/alert/{alert['id']}"))["case"] == merged["id"]


async def test_5_6_tasks_and_logs(world: Any) -> None:
    hive = Hive(world)
    case = await hive.case(tasks=[{"title": "A"}, {"title": "B"}], description="<b>x</b>\r\n**y**")
    assert case["description"] == "<b>x</b>\r\n**y**"
    first, second = await hive("POST", f"/case/{case['id']}/task/_search", {"sort": "title"})
    assert "startDate" not in first and "owner" not in first
    started = await hive("PATCH", f"/case/task/{first['id']}", {"status": "InProgress"})
    assert started["startDate"] and started["owner"] == "org-admin@soc.example"
    done = await hive("PATCH", f"/case/task/{first['id']}", {"status": "Completed"})
    assert done["endDate"] and done["flag"] is False
    await hive("POST", f"/case/task/{second['id']}/log", {"message": "a\r\nb"}, 201)
    assert (await hive("GET", f"/case/task/{second['id']}"))["status"] == "InProgress"
    (log,) = await hive("GET", f"/case/task/{second['id']}/log")
    assert log["message"] == "a\r\nb"
    assert (await hive("PATCH", f"/case/task/{second['id']}", {"status": "Cancel"}))["status"] == "Cancel"


async def test_5_7_observables(world: Any) -> None:
    hive = Hive(world)
    case = await hive.case()
    path = f"/case/{case['id']}/artifact"
    (one,) = await hive("POST", path, {"dataType": "mail_subject", "data": ["  Invoice  ", "", "   "]}, 201)
    assert [one[k] for k in ("dataType", "data", "tlp", "ioc", "sighted", "ignoreSimilarity")] == [
        "mail-subject", "Invoice", 2, False, False, False,
    ]  # fmt: skip
    await hive("POST", path, {"dataType": "url", "data": "http://a.example/http.x"}, 201)
    await hive("POST", path, {"dataType": "hash", "data": "d41d8cd98f00b204e9800998ecf8427e"}, 201)
    again = await hive("POST", path, {"dataType": "url", "data": "http://a.example/http.x"}, 207)
    assert (again["success"], again["failure"][0]["object"]) == ([], {"data": "http://a.example/http.x"})
    for form, protect, line in (
        ("txt", 1, "hxxp://a[.]example/hxxp[.]x"), ("txt", 0, "http://a.example/http.x"),
        ("csv", 1, "url;hxxp://a[.]example/hxxp[.]x"), ("misp", 0, "*url\t:http://a.example/http.x"),
        ("csv", 1, "hash;d41d8cd98f00b204e9800998ecf8427e"),
    ):  # fmt: skip
        answer = await world.soc.get(f"/api{path}/_export?format={form}&protect={protect}")
        assert line in answer.text.splitlines(), (form, answer.text)
    other = await hive.case()
    (twin,) = await hive("POST", f"/case/{other['id']}/artifact", {"dataType": "mail-subject", "data": "Invoice"}, 201)
    (same,) = await hive("GET", f"/case/artifact/{one['id']}/similar")
    assert (same["id"], same["case"]["id"]) == (twin["id"], other["id"])
    await hive("PATCH", f"/case/artifact/{one['id']}", {"ignoreSimilarity": True})
    assert await hive("GET", f"/case/artifact/{one['id']}/similar") == []
    assert (await hive("PATCH", f"/case/artifact/{one['id']}", {"dataType": "other", "data": "kept"}))["data"] == "Invoice"
    await hive("PATCH", f"/case/artifact/{one['id']}", {"dataType": "file"}, 400)


async def test_5_8_what_history_tells(world: Any) -> None:
    hive = Hive(world)
    one = await hive.alert(artifacts=[{"dataType": "ip", "data": "192.0.2.1"}])
    case = await hive("POST", f"/alert/{one['id']}/createCase", {}, 201)
    (group,) = await hive("GET", f"/flow?rootId={case['id']}&count=1")
    base = group["base"]
    assert (base["objectType"], base["operation"], base["rootId"]) == ("case", "Creation", case["id"])
    origin = {"_id": one["id"], "type": "external", "source": "siem", "sourceRef": "1"}
    assert base["details"]["fromAlert"] == origin
    assert group["summary"] == {"alert": {"Update": 1}, "case_artifact": {"Creation": 1}}
    audits = {(a["objectType"], a["operation"]): a for a in await hive.found("audit", {"requestId": base["requestId"]})}
    told = audits[("alert", "Update")]
    assert (told["rootId"], told["details"]["caseId"], told["details"]["case"], told["details"]["status"]) == (
        case["id"], case["id"], case["id"], "Imported",
    )  # fmt: skip
    two = await hive.alert(sourceRef="2")
    await hive("POST", f"/alert/{two['id']}/merge/{case['id']}")
    (group,) = await hive("GET", f"/flow?rootId={case['id']}&count=1")
    assert (group["base"]["objectType"], group["base"]["operation"]) == ("case", "Update")
    assert group["base"]["details"]["fromAlert"]["sourceRef"] == "2"
    await hive("PATCH", f"/case/{case['id']}", {"customFields": {"n": {"integer": 3}}, "tlp": 3})
    (changed,) = await hive("GET", f"/flow?rootId={case['id']}&count=1")
    assert changed["base"]["details"]["tlp"] == 3
    assert changed["base"]["details"]["customFields"] == {"n": {"integer": 3}}
    await hive("DELETE", f"/alert/{two['id']}", None, 204)
    (gone,) = await hive.found("audit", {"_and": [{"operation": "Delete"}, {"objectType": "alert"}]})
    assert gone["object"]["sourceRef"] == "2"


async def test_1_the_transport(world: Any) -> None:
    """§1: merged query strings, coercions, ids or names, errors with a message in each place."""
    hive = Hive(world)
    over = await hive("POST", "/case?title=From+the+query", CASE, 201)
    assert over["title"] == "From the query"
    odd = await hive.case(severity="3", flag="true", tags="one", startDate="20260102T150405+0000", title=42)
    assert [odd[k] for k in ("severity", "flag", "tags", "startDate", "title")] == [3, True, ["one"], 1767366245000, "42"]
    assert (await hive("PATCH", f"/case/{odd['caseId']}", {"summary": "s", "unknown": 1, "caseId": 9}))["caseId"] == odd["caseId"]
    assert (await hive("PATCH", f"/case/{odd['id']}", {"summary": None, "owner": None}))["owner"] is None
    one = await hive.alert()
    triple = "external;siem;1"
    assert (await hive("GET", f"/alert/{triple}"))["id"] == one["id"]
    wrong = await hive("POST", "/alert", {"type": "t"}, 400)
    assert (wrong["type"], wrong["errors"][0]["type"]) == ("AttributeCheckingError", "MissingAttributeError")
    assert wrong["errors"][0]["name"] in wrong["message"] and wrong["errors"][0]["message"]
    for body, path in ((b"[1]", "/alert"), (b"nope", "/case")):
        answer = await world.soc.post(f"/api{path}", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400
    for tlp, code in ((5, 400), (-2, 400), (-1, 201)):
        answer = await world.soc.post("/api/alert", json={**ALERT, "sourceRef": f"tlp {tlp}", "tlp": tlp})
        assert answer.status_code == code, tlp
    unknown = (await hive.found("alert", {"sourceRef": "tlp -1"}))[0]
    assert (unknown["tlp"], "tlp:unknown" in unknown["tags"]) == (3, True)
    current = await world.soc.get("/api/user/current")
    assert current.headers["x-organisation"] == "soc"
    lost = await world.anonymous.get("/api/user/current")
    assert (lost.status_code, lost.headers["x-logout"]) == (401, "1")
    missing = await hive("GET", "/case/999999", None, 404)
    assert (missing["type"], "not found" in missing["message"]) == ("NotFoundError", True)


async def test_4_operators_in_searches(world: Any) -> None:
    """§4.2: one of each, over alerts with and without values."""
    hive = Hive(world)
    for n in range(4):
        await hive.alert(sourceRef=str(n), severity=n + 1, title=f"Alert {n}", tags=["all", f"t{n}"], date=1_700_000_000_000 + n)
    await hive("POST", f"/alert/{(await hive.found('alert', {'sourceRef': '0'}))[0]['id']}/markAsRead")
    many = {"_field": "sourceRef", "_values": ["0", "1"]}
    for query, wanted in (
        ({}, "0123"), ({"_any": 1}, "0123"), ({"_and": []}, "0123"), ({"_or": []}, ""), ({"_not": {"sourceRef": "1"}}, "023"),
        ({"_field": "sourceRef", "_value": "1"}, "1"), ({"_is": {"sourceRef": "1"}}, "1"), ({"_ne": {"severity": 1}}, "123"),
        ({"_gt": {"_field": "severity", "_value": 2}}, "23"), ({"_gte": {"severity": "2"}}, "123"),
        ({"_lt": {"severity": 2}}, "0"),
        ({"_lte": {"date": 1_700_000_000_001}}, "01"), ({"_between": {"_field": "severity", "_from": 2, "_to": 4}}, "12"),
        ({"_in": many}, "01"), ({"_in": {"_field": "sourceRef", "_values": []}}, ""), ({"_contains": "summary"}, ""),
        ({"_contains": "title"}, "0123"), ({"_field": "title"}, "0123"), ({"_like": {"title": "alert 2"}}, "2"),
        ({"_wildcard": {"title": "al?rt*3"}}, "3"), ({"_startsWith": {"title": "Alert"}}, "0123"),
        ({"_endsWith": {"_field": "title", "_value": "1"}}, "1"), ({"_type": "alert"}, "0123"), ({"_type": "case"}, ""),
        ({"tags": "t1"}, "1"), ({"_ne": {"tags": "t1"}}, "023"), ({"_not": {"updatedAt": 5}}, "0123"), ({"read": "true"}, "0"),
        ({"status": "Ignored", "severity": 1}, "0"), ({"_string": "title:alert AND (severity:2 OR severity:3)"}, "12"),
    ):  # fmt: skip
        found = await hive.found("alert", query, sort=["+sourceRef"])
        assert "".join(one["sourceRef"] for one in found) == wanted, query
    for bad in ({"_nonsense": 1}, {"nothing": 1}, {"_and": 1}, {"_between": {"_field": "severity"}}, {"_in": {"_field": "x"}}):
        answer = await world.soc.post("/api/alert/_search", json={"query": bad})
        assert answer.status_code == 400 and answer.json()["message"], bad
    for sort, wanted in (("-severity", "3210"), ("%2Bdate", "0123"), ("-read,sourceRef", "0123"), (" severity", "0123")):
        answer = await world.soc.post(f"/api/alert/_search?range=all&sort={sort.replace(' ', '%20')}", json={})
        assert "".join(one["sourceRef"] for one in answer.json()) == wanted, sort
    page = await world.soc.post("/api/alert/_search?range=1-3&sort=sourceRef", json={})
    assert ([one["sourceRef"] for one in page.json()], page.headers["x-total"]) == (["1", "2"], "4")
