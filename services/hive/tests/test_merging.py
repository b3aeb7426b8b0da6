"""Cases merged into a new one, and templates applied to cases."""

from __future__ import annotations

from typing import Any


def case_path(case: dict[str, Any]) -> str:
    return f"/api/v1/case/{case['_id']}"


class TestMerging:
    async def test_access(self, world: Any) -> None:
        one, two, foreign = await world.case(), await world.case(), await world.case(client=world.other)
        path = f"/api/v1/case/_merge/{one['_id']},{two['_id']}"
        assert (await world.anonymous.post(path)).status_code == 401
        assert (await world.reader.post(path)).status_code == 403
        assert (await world.other.post(path)).status_code == 404
        assert (await world.soc.post(f"/api/v1/case/_merge/{one['_id']},{foreign['_id']}")).status_code == 404
        assert (await world.soc.get(case_path(one))).status_code == 200

    async def test_a_received_case_is_not_the_receivers_to_merge(self, world: Any) -> None:
        await world.admin.put("/api/v1/organisation/soc/link/other")
        received = await world.case(sharingParameters=[{"organisation": "other"}])
        own = await world.case(client=world.other)
        assert (await world.other.post(f"/api/v1/case/_merge/{own['_id']},{received['_id']}")).status_code == 403

    async def test_everything_moves_and_the_originals_are_gone(self, world: Any) -> None:
        alert = await world.alert(observables=[{"dataType": "ip", "data": "192.0.2.1"}])
        one = (await world.soc.post(f"/api/v1/alert/{alert['_id']}/case", json={"title": "One", "severity": 3})).json()
        two = await world.case(title="Two", tlp=4, flag=True, startDate=5, tags=["b"], summary="s", tasks=[{"title": "Look"}])
        three = await world.case(title="Three")
        await world.observable(one["_id"], tags=["x"])
        kept = await world.observable(two["_id"], tags=["y"], ioc=True, tlp=4)
        (task,) = await world.query({"_name": "getCase", "idOrName": two["_id"]}, {"_name": "tasks"})
        log = (await world.soc.post(f"/api/v1/task/{task['_id']}/log", json={"message": "needle"})).json()
        await world.soc.post(f"{case_path(two)}/comment", json={"message": "c"})
        await world.soc.post(f"{case_path(two)}/page", json={"title": "t", "content": "c", "category": "x"})
        await world.soc.post(f"{case_path(one)}/procedure", json={"occurDate": 1, "patternId": "T1566"})
        await world.soc.post(f"{case_path(one)}/attachments", files=[("attachments", ("a.txt", b"a"))])
        await world.soc.post(f"{case_path(one)}/customEvent", json={"date": 1, "title": "e"})
        await world.soc.post(f"{case_path(one)}/link/case/add", json={"type": "parent", "caseId": three["_id"]})
        await world.soc.post(f"{case_path(one)}/link/case/add", json={"type": "twin", "caseId": two["_id"]})
        answer = await world.soc.post(f"/api/v1/case/_merge/{one['_id']},{two['number']}")
        assert answer.status_code == 201, answer.text
        merged = answer.json()
        assert merged["title"] == "One / Two" and merged["number"] > three["number"]
        assert (merged["severity"], merged["tlpLabel"], merged["flag"], merged["startDate"]) == (3, "RED", True, 5)
        assert merged["summary"] == "s" and merged["tags"] == ["b"] and merged["status"] == "New"
        assert merged["alertDate"] == alert["date"]
        assert (await world.soc.get(case_path(merged))).json() == merged
        for gone in (one, two):
            assert (await world.soc.get(case_path(gone))).status_code == 404
            assert (await world.soc.get(f"/api/v1/case/{gone['number']}")).status_code == 404
        assert {c["_id"] for c in await world.query({"_name": "listCase"})} == {merged["_id"], three["_id"]}
        source = {"_name": "getCase", "idOrName": merged["_id"]}
        found = {step: await world.query(source, {"_name": step}) for step in (
            "tasks", "observables", "comments", "pages", "procedures", "attachments", "customEvents", "alerts",
        )}  # fmt: skip
        assert {step: len(rows) for step, rows in found.items()} == {
            "tasks": 1, "observables": 2, "comments": 1, "pages": 1, "procedures": 1, "attachments": 1, "customEvents": 1,
            "alerts": 1,
        }  # fmt: skip
        (united,) = [o for o in found["observables"] if o["data"] == "evil.example"]
        assert (sorted(united["tags"]), united["ioc"], united["tlpLabel"]) == (["x", "y"], True, "RED")
        assert kept["data"] == "evil.example" and found["alerts"][0]["caseId"] == merged["_id"]
        word = {"_name": "filter", "_match": {"_field": "message", "_value": "needle"}}
        assert [o["_id"] for o in await world.query({"_name": "listLog"}, word)] == [log["_id"]]
        page = {"_name": "page", "from": 0, "to": 1, "extraData": ["links"]}
        (shown,) = await world.query(source, page)
        assert [(o["type"], o["caseId"]) for o in shown["extraData"]["links"]["caseLinks"]] == [("parent", three["_id"])]
        assert len(await world.outbox("case.merged.v1")) == 2
        again = await world.soc.post(f"/api/v1/case/_merge/{merged['_id']},{three['_id']}")
        assert again.status_code == 201 and again.json()["title"] == "One / Two / Three"
        assert (await world.soc.delete(f"/api/v1/case/{again.json()['_id']}")).status_code == 204
        assert await world.owner.fetchval("SELECT count(*) FROM cases") == 0  # no shell is left behind

    async def test_who_saw_each_restricted_case_sees_the_merged_one(self, world: Any) -> None:
        restricted = {"_kind": "UserAccessKind", "users": ["analyst@soc.example"]}
        one, two = await world.case(access=restricted), await world.case(access={"_kind": "UserAccessKind"})
        merged = (await world.soc.post(f"/api/v1/case/_merge/{one['_id']},{two['_id']}")).json()
        assert merged["access"] == {"_kind": "UserAccessKind", "users": ["org-admin@soc.example"]}
        assert (await world.client("key-soc-analyst").get(case_path(merged))).status_code == 404

    async def test_bad_input(self, world: Any) -> None:
        one, two = await world.case(), await world.case()
        for references in (one["_id"], f"{one['_id']},{one['_id']}", f"{one['_id']},{one['number']}"):
            assert (await world.soc.post(f"/api/v1/case/_merge/{references}")).status_code == 400, references
        for references in (f"{one['_id']},~1", f"{two['_id']},", ",", "~"):
            assert (await world.soc.post(f"/api/v1/case/_merge/{references}")).status_code == 404, references
        assert len(await world.query({"_name": "listCase"})) == 2


TEMPLATE: dict[str, Any] = {
    "name": "Ransom", "titlePrefix": "[R]", "description": "From the template", "severity": 4, "tlp": 4, "pap": 3, "flag": True,
    "tags": ["ransom"], "tasks": [{"title": "One"}, {"title": "Two", "mandatory": True}],
}  # fmt: skip


class TestTemplates:
    async def test_access(self, world: Any) -> None:
        assert (await world.client("key-soc-analyst").post("/api/v1/caseTemplate", json=TEMPLATE)).status_code == 403
        made = (await world.soc.post("/api/v1/caseTemplate", json=TEMPLATE)).json()
        path = f"/api/v1/caseTemplate/{made['_id']}"
        case = await world.case(client=world.other)
        apply = {"ids": [case["_id"]], "caseTemplate": "Ransom"}
        assert (await world.other.post("/api/v1/case/_bulk/caseTemplate", json=apply)).status_code == 404
        assert (await world.reader.post("/api/v1/case/_bulk/caseTemplate", json=apply)).status_code == 403
        for method in ("GET", "DELETE"):
            assert (await world.other.request(method, path)).status_code == 404
        assert (await world.other.patch(path, json={"name": "x"})).status_code == 404
        assert (await world.reader.patch(path, json={"name": "x"})).status_code == 403

    async def test_changed_and_removed(self, world: Any) -> None:
        made = (await world.soc.post("/api/v1/caseTemplate", json=TEMPLATE)).json()
        path = f"/api/v1/caseTemplate/{made['name']}"
        assert made == (await world.soc.get(path)).json()
        assert (await world.soc.patch(path, json={"name": "Phishing"})).status_code == 400
        change = {"name": "Locker", "description": "new", "tlp": None, "tasks": [{"title": "Only"}]}
        assert (await world.soc.patch(path, json=change)).status_code == 204
        after = (await world.soc.get("/api/v1/caseTemplate/Locker")).json()
        assert (after["description"], [t["title"] for t in after["tasks"]]) == ("new", ["Only"]) and "tlp" not in after
        assert (await world.soc.get(path)).status_code == 404
        assert (await world.soc.delete("/api/v1/caseTemplate/Locker")).status_code == 204
        assert (await world.soc.get(f"/api/v1/caseTemplate/{made['_id']}")).status_code == 404

    async def test_it_brings_its_pages(self, world: Any) -> None:
        pages = [
            (await world.soc.post("/api/v1/pageTemplate", json={"title": t, "content": t, "category": "c"})).json() for t in "ab"
        ]
        ids = [one["_id"] for one in pages]
        new = {"title": "c", "content": "c", "category": "c"}
        body = {**TEMPLATE, "pageTemplateIds": ids[:1], "pageTemplates": [new]}
        made = (await world.soc.post("/api/v1/caseTemplate", json=body)).json()
        case = await world.case(caseTemplate="Ransom", pages=[{"title": "own", "content": "x", "category": "c"}])
        brought = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "pages"})
        assert {one["title"] for one in brought} == {"own", "a", "c"} and case["title"] == "[R] Intrusion"
        path = f"/api/v1/caseTemplate/{made['_id']}/pageTemplate/link"
        assert (await world.other.put(path, json={"pageTemplateIds": ids})).status_code == 404
        assert (await world.soc.put(path, json={"pageTemplateIds": ["~1"]})).status_code == 404
        assert (await world.soc.put(path, json={"pageTemplateIds": ids})).status_code == 204
        linked = await world.query({"_name": "getCaseTemplate", "idOrName": "Ransom"}, {"_name": "pageTemplates"})
        assert [one["_id"] for one in linked] == ids

    async def test_only_what_is_switched_on_is_applied(self, world: Any) -> None:
        template = (await world.soc.post("/api/v1/caseTemplate", json=TEMPLATE)).json()
        page = (await world.soc.post("/api/v1/pageTemplate", json={"title": "p", "content": "c", "category": "x"})).json()
        case = await world.case(tags=["own"])
        path, apply = "/api/v1/case/_bulk/caseTemplate", {"ids": [case["_id"]], "caseTemplate": template["_id"]}
        assert (await world.soc.post(path, json=apply)).status_code == 204
        assert (await world.soc.get(case_path(case))).json() == case
        some = {"updateTags": True, "updateTitlePrefix": True, "updateSeverity": True}
        wanted = {"importTasks": [template["tasks"][1]["_id"]], "importPages": [page["_id"]]}
        assert (await world.soc.post(path, json={**apply, **some, **wanted})).status_code == 204
        after = (await world.soc.get(case_path(case))).json()
        assert (after["tags"], after["title"], after["severity"]) == (["own", "ransom"], "[R] Intrusion", 4)
        assert (after["tlpLabel"], after["description"]) == ("AMBER", case["description"])
        (task,) = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
        assert (task["title"], task["mandatory"]) == ("Two", True)
        assert len(await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "pages"})) == 1
        assert (await world.soc.post(path, json={**apply, "importTasks": ["~1"]})).status_code == 404
        assert (await world.soc.post(path, json={**apply, "caseTemplate": "nothing"})).status_code == 404
        rest = {f"update{name}": True for name in ("Description", "Tlp", "Pap", "Flag", "TitlePrefix")}
        assert (await world.soc.post(path, json={**apply, **rest})).status_code == 204
        after = (await world.soc.get(case_path(case))).json()
        assert (after["tlpLabel"], after["papLabel"], after["flag"], after["title"]) == ("RED", "RED", True, "[R] Intrusion")
        assert after["description"] == "From the template"

    async def test_custom_fields(self, world: Any) -> None:
        for name in ("hosts", "unit"):
            body = {"name": name, "group": "g", "description": "d", "type": "string"}
            assert (await world.admin.post("/api/v1/customField", json=body)).status_code == 201
        fields = [{"name": "hosts", "value": "many"}, {"name": "unit", "value": "retail"}]
        await world.soc.post("/api/v1/caseTemplate", json={**TEMPLATE, "customFields": fields})
        case = await world.case(customFields={"hosts": "one"})
        apply = {"ids": [case["_id"]], "caseTemplate": "Ransom", "updateCustomFields": True}
        assert (await world.soc.post("/api/v1/case/_bulk/caseTemplate", json=apply)).status_code == 204
        values = (await world.soc.get(case_path(case))).json()["customFields"]
        assert {one["name"]: one["value"] for one in values} == {"hosts": "one", "unit": "retail"}
        path = f"/api/v1/case/customField/{values[0]['_id']}"
        assert (await world.reader.delete(path)).status_code == 403
        assert (await world.other.delete(path)).status_code == 404
        assert (await world.soc.delete(path)).status_code == 204
        assert (await world.soc.delete(path)).status_code == 404
        left = (await world.soc.get(case_path(case))).json()["customFields"]
        assert [one["name"] for one in left] == [values[1]["name"]]
