"""What becomes of cases: bulk changes, files, links, restriction, merging, deletion."""

from __future__ import annotations

from typing import Any


def case_path(case: dict[str, Any]) -> str:
    return f"/api/v1/case/{case['_id']}"


class TestDeletion:
    async def test_access(self, world: Any) -> None:
        case = await world.case()
        assert (await world.anonymous.delete(case_path(case))).status_code == 401
        assert (await world.reader.delete(case_path(case))).status_code == 403
        assert (await world.other.delete(case_path(case))).status_code == 404
        assert (await world.soc.get(case_path(case))).status_code == 200

    async def test_everything_under_a_case_goes_and_its_alerts_stay(self, world: Any) -> None:
        alert = await world.alert(observables=[{"dataType": "ip", "data": "192.0.2.1"}])
        case = (await world.soc.post(f"/api/v1/alert/{alert['_id']}/case", json={"tasks": [{"title": "Look"}]})).json()
        (task,) = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
        await world.soc.post(f"/api/v1/task/{task['_id']}/log", json={"message": "seen"})
        await world.soc.post(f"{case_path(case)}/comment", json={"message": "m"})
        await world.soc.post(f"{case_path(case)}/page", json={"title": "t", "content": "c", "category": "x"})
        await world.soc.post(f"{case_path(case)}/attachments", files=[("attachments", ("a.txt", b"a"))])
        await world.soc.post(f"{case_path(case)}/customEvent", json={"date": 1, "title": "e"})
        await world.soc.post(f"{case_path(case)}/procedure", json={"occurDate": 1, "patternId": "T1059.006"})
        assert (await world.soc.delete(case_path(case))).status_code == 204
        assert (await world.soc.get(case_path(case))).status_code == 404
        assert (await world.soc.delete(case_path(case))).status_code == 404
        tables = ("cases", "tasks", "logs", "comments", "pages", "attachments", "custom_events", "procedures", "case_shares")
        for table in (*tables, "case_texts", "case_tags"):
            assert await world.owner.fetchval(f"SELECT count(*) FROM {table}") == 0, table
        survivor = (await world.soc.get(f"/api/v1/alert/{alert['_id']}")).json()
        assert "caseId" not in survivor and (survivor["status"], survivor["stage"]) == ("Ignored", "Closed")
        assert survivor["observableCount"] == 1
        assert len(await world.outbox("case.deleted.v1")) == 1

    async def test_an_alert_goes_with_what_hangs_on_it_and_its_key_is_free_again(self, world: Any) -> None:
        alert = await world.alert(observables=[{"dataType": "ip", "data": "192.0.2.1"}], tags=["x"])
        path = f"/api/v1/alert/{alert['_id']}"
        await world.soc.post(f"{path}/comment", json={"message": "m"})
        await world.soc.post(f"{path}/procedure", json={"occurDate": 1, "patternId": "T1059.006"})
        await world.soc.post(f"{path}/attachments", files=[("attachments", ("a.txt", b"a"))])
        case = (await world.soc.post(f"{path}/case", json={})).json()
        assert (await world.reader.delete(path)).status_code == 403
        assert (await world.other.delete(path)).status_code == 404
        assert (await world.soc.delete(path)).status_code == 204
        assert (await world.soc.get(path)).status_code == 404
        assert await world.owner.fetchval("SELECT count(*) FROM comments") == 1  # the case has its own copy
        assert await world.owner.fetchval("SELECT count(*) FROM alert_texts") == 0
        assert (await world.soc.get(case_path(case))).status_code == 200
        again = await world.alert()
        assert again["_id"] != alert["_id"] and len(await world.outbox("alert.deleted.v1")) == 1

    async def test_tasks_and_logs(self, world: Any) -> None:
        case = await world.case(tasks=[{"title": "Look"}, {"title": "Listen"}])
        task, other = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
        logs = [(await world.soc.post(f"/api/v1/task/{task['_id']}/log", json={"message": one})).json() for one in ("a", "b")]
        for path in (f"/api/v1/log/{logs[0]['_id']}", f"/api/v1/task/{task['_id']}"):
            assert (await world.reader.delete(path)).status_code == 403
            assert (await world.other.delete(path)).status_code == 404
        assert (await world.soc.delete(f"/api/v1/log/{logs[0]['_id']}")).status_code == 204
        assert await world.query({"_name": "getTask", "idOrName": task["_id"]}, {"_name": "logs"}) == [logs[1]]
        assert (await world.soc.delete(f"/api/v1/task/{task['_id']}")).status_code == 204
        left = await world.query({"_name": "listTask"})
        assert [one["_id"] for one in left] == [other["_id"]]
        assert await world.owner.fetchval("SELECT count(*) FROM case_texts WHERE kind = 'log'") == 0


class TestBulk:
    async def test_cases(self, world: Any) -> None:
        cases = [await world.case(title=str(n)) for n in range(3)]
        ids = [one["_id"] for one in cases[:2]]
        body = {"ids": ids, "severity": 4, "addTags": ["x"]}
        assert (await world.anonymous.patch("/api/v1/case/_bulk", json=body)).status_code == 401
        assert (await world.reader.patch("/api/v1/case/_bulk", json=body)).status_code == 403
        assert (await world.other.patch("/api/v1/case/_bulk", json=body)).status_code == 404
        assert (await world.soc.patch("/api/v1/case/_bulk", json={**body, "ids": [*ids, "~1"]})).status_code == 404
        assert (await world.soc.patch("/api/v1/case/_bulk", json={**body, "ids": []})).status_code == 204
        assert [(await world.soc.get(case_path(one))).json()["severity"] for one in cases] == [2, 2, 2]
        assert (await world.soc.patch("/api/v1/case/_bulk", json=body)).status_code == 204
        after = [(await world.soc.get(case_path(one))).json() for one in cases]
        assert [(one["severity"], one["tags"]) for one in after] == [(4, ["x"]), (4, ["x"]), (2, [])]

    async def test_alerts(self, world: Any) -> None:
        alerts = [await world.alert(sourceRef=str(n)) for n in range(3)]
        ids = [one["_id"] for one in alerts[:2]]
        body = {"ids": ids, "status": "InProgress"}
        assert (await world.reader.patch("/api/v1/alert/_bulk", json=body)).status_code == 403
        assert (await world.other.patch("/api/v1/alert/_bulk", json=body)).status_code == 404
        assert (await world.soc.patch("/api/v1/alert/_bulk", json=body)).status_code == 204
        found = await world.query({"_name": "listAlert"}, {"_name": "filter", "status": "InProgress"})
        assert {one["_id"] for one in found} == set(ids)
        assert (await world.soc.patch("/api/v1/alert/_bulk", json={"ids": ids, "nonsense": 1})).status_code == 400
        assert (await world.other.post("/api/v1/alert/delete/_bulk", json={"ids": ids})).status_code == 404
        assert (await world.soc.post("/api/v1/alert/delete/_bulk", json={"ids": [*ids, "~1"]})).status_code == 404
        assert (await world.soc.post("/api/v1/alert/delete/_bulk", json={"ids": ids})).status_code == 204
        assert [one["_id"] for one in await world.query({"_name": "listAlert"})] == [alerts[2]["_id"]]

    async def test_tasks(self, world: Any) -> None:
        case = await world.case(tasks=[{"title": "a"}, {"title": "b"}])
        tasks = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
        body = {"ids": [one["_id"] for one in tasks], "status": "InProgress", "group": "g"}
        assert (await world.reader.patch("/api/v1/task/_bulk", json=body)).status_code == 403
        assert (await world.other.patch("/api/v1/task/_bulk", json=body)).status_code == 404
        assert (await world.soc.patch("/api/v1/task/_bulk", json=body)).status_code == 204
        after = await world.query({"_name": "listTask"})
        assert {(one["status"], one["group"], one["assignee"]) for one in after} == {("InProgress", "g", "org-admin@soc.example")}


class TestFiles:
    async def test_of_cases(self, world: Any) -> None:
        case = await world.case()
        path = f"{case_path(case)}/attachments"
        parts = [("attachments", ("a.txt", b"one")), ("attachments", ("a.txt", b"two"))]
        assert (await world.reader.post(path, files=parts)).status_code == 403
        assert (await world.other.post(path, files=parts)).status_code == 404
        added = (await world.soc.post(path, files=parts)).json()["attachments"]
        assert [one["name"] for one in added] == ["a.txt", "a (1).txt"]
        assert await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "attachments"}) == added
        one = f"{case_path(case)}/attachment/{added[1]['_id']}"
        assert (await world.soc.get(f"{one}/download")).content == b"two"
        assert (await world.other.get(f"{one}/download")).status_code == 404
        second = await world.case()
        assert (await world.soc.delete(f"{case_path(second)}/attachment/{added[1]['_id']}")).status_code == 404
        assert (await world.reader.delete(one)).status_code == 403
        assert (await world.soc.delete(one)).status_code == 204
        assert (await world.soc.get(f"{one}/download")).status_code == 404

    async def test_names_that_clash(self, world: Any) -> None:
        alert = await world.alert()
        path = f"/api/v1/alert/{alert['_id']}/attachments"
        parts = [("attachments", ("a.txt", b"one"))]
        assert (await world.soc.post(path, files=parts)).status_code == 201
        assert (await world.soc.post(path, files=parts, data={"canRename": "False"})).status_code == 400
        renamed = await world.soc.post(path, files=parts, data={"canRename": "True"})
        assert renamed.json()["attachments"][0]["name"] == "a (1).txt"
        assert (await world.soc.post(path, files=parts, data={"canRename": "maybe"})).status_code == 400
        one = f"/api/v1/alert/{alert['_id']}/attachment/{renamed.json()['attachments'][0]['_id']}"
        assert (await world.other.delete(one)).status_code == 404
        assert (await world.soc.delete(one)).status_code == 204
        assert len(await world.query({"_name": "getAlert", "idOrName": alert["_id"]}, {"_name": "attachments"})) == 1

    async def test_of_logs(self, world: Any) -> None:
        case = await world.case(tasks=[{"title": "a"}])
        (task,) = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
        log = (await world.soc.post(f"/api/v1/task/{task['_id']}/log", json={"message": "m"})).json()
        path = f"/api/v1/log/{log['_id']}/attachments"
        parts = [("attachments", ("a.txt", b"one")), ("attachments", ("b.txt", b"two"))]
        assert (await world.soc.post(path, files=parts)).status_code == 204
        (after,) = await world.query({"_name": "getLog", "idOrName": log["_id"]})
        names = {one["name"]: one["_id"] for one in after["attachments"]}
        assert (await world.other.delete(f"{path}/{names['a.txt']}")).status_code == 404
        assert (await world.reader.delete(f"{path}/{names['a.txt']}")).status_code == 403
        assert (await world.soc.delete(f"{path}/{names['a.txt']}")).status_code == 204
        (after,) = await world.query({"_name": "getLog", "idOrName": log["_id"]})
        assert [one["name"] for one in after["attachments"]] == ["b.txt"]
        assert (await world.soc.patch(f"/api/v1/log/{log['_id']}", json={"message": "needle"})).status_code == 204
        word = {"_name": "filter", "_match": {"_field": "message", "_value": "needle"}}
        assert [one["_id"] for one in await world.query({"_name": "listLog"}, word)] == [log["_id"]]

    async def test_of_the_organisation(self, world: Any) -> None:
        parts = [("attachments", ("plan.txt", b"plan"))]
        assert (await world.reader.post("/api/v1/attachment", files=parts)).status_code == 403
        (added,) = (await world.soc.post("/api/v1/attachment", files=parts)).json()["attachments"]
        assert (await world.soc.post("/api/v1/attachment", files=parts)).status_code == 400
        steps = [{"_name": "getOrganisation", "idOrName": "soc"}, {"_name": "attachments"}]
        assert await world.query(*steps) == [added]
        assert await world.query(*steps, client=world.other) == []
        assert (await world.reader.get(f"/api/v1/attachment/{added['_id']}/download")).content == b"plan"
        assert (await world.other.get(f"/api/v1/attachment/{added['_id']}/download")).status_code == 404
        assert (await world.other.delete(f"/api/v1/attachment/{added['_id']}")).status_code == 404
        assert (await world.soc.delete(f"/api/v1/attachment/{added['_id']}")).status_code == 204
        assert await world.query(*steps) == []


class TestLinks:
    async def test_between_cases_seen_from_both_ends(self, world: Any) -> None:
        one, two, foreign = await world.case(), await world.case(title="Two"), await world.case(client=world.other)
        path = f"{case_path(one)}/link/case"
        body = {"type": "parent", "caseId": two["_id"]}
        assert (await world.reader.post(f"{path}/add", json=body)).status_code == 403
        assert (await world.other.post(f"{path}/add", json=body)).status_code == 404
        assert (await world.soc.post(f"{path}/add", json={**body, "caseId": foreign["_id"]})).status_code == 404
        assert (await world.soc.post(f"{path}/add", json={**body, "caseId": one["_id"]})).status_code == 400
        for _ in range(2):
            assert (await world.soc.post(f"{path}/add", json=body)).status_code == 204
        assert (await world.soc.get("/api/v1/case/link/types")).json() == ["parent"]
        assert (await world.other.get("/api/v1/case/link/types")).json() == []
        assert await world.owner.fetchval("SELECT count(*) FROM case_links") == 1
        assert (await world.soc.post(f"{path}/remove", json={**body, "type": "x"})).status_code == 204
        assert await world.owner.fetchval("SELECT count(*) FROM case_links") == 1
        back = {"type": "parent", "caseId": one["number"]}
        assert (await world.soc.post(f"{case_path(two)}/link/case/remove", json=back)).status_code == 204
        assert (await world.soc.get("/api/v1/case/link/types")).json() == []

    async def test_to_pages_elsewhere(self, world: Any) -> None:
        case = await world.case()
        body = {"type": "ticket", "url": "https://tracker.example/7"}
        assert (await world.other.post(f"{case_path(case)}/link/external/add", json=body)).status_code == 404
        assert (await world.soc.post(f"{case_path(case)}/link/external/add", json=body)).status_code == 204
        assert await world.owner.fetchval("SELECT count(*) FROM case_urls") == 1
        assert (await world.soc.post(f"{case_path(case)}/link/external/remove", json=body)).status_code == 204
        assert await world.owner.fetchval("SELECT count(*) FROM case_urls") == 0

    async def test_cases_that_share_observables(self, world: Any) -> None:
        one, two, three = [await world.case(title=str(n)) for n in range(3)]
        await world.observable(one["_id"])
        await world.observable(one["_id"], data="only.example")
        twin = await world.observable(two["_id"])
        await world.observable(three["_id"], ignoreSimilarity=True)
        foreign = await world.case(client=world.other)
        await world.observable(foreign["_id"], client=world.other)
        assert (await world.other.get(f"{case_path(one)}/links")).status_code == 404
        (linked,) = (await world.soc.get(f"{case_path(one)}/links")).json()
        assert (linked["_id"], linked["linksCount"]) == (two["_id"], 1)
        assert [o["_id"] for o in linked["linkedWith"]] == [twin["_id"]]


class TestAccess:
    async def test_only_named_users_see_a_restricted_case(self, world: Any) -> None:
        case = await world.case(tasks=[{"title": "Secret"}], tags=["secret"])
        await world.observable(case["_id"])
        analyst = world.client("key-soc-analyst")
        path = f"{case_path(case)}/access"
        wanted = {"access": {"_kind": "UserAccessKind", "users": ["read-only@soc.example"]}}
        assert (await analyst.post(path, json=wanted)).status_code == 403
        assert (await world.other.post(path, json=wanted)).status_code == 404
        assert (await world.soc.post(path, json=wanted)).status_code == 204
        shown = (await world.reader.get(case_path(case))).json()["access"]
        assert shown == {"_kind": "UserAccessKind", "users": ["org-admin@soc.example", "read-only@soc.example"]}
        assert (await analyst.get(case_path(case))).status_code == 404
        assert (await analyst.get(f"{case_path(case)}/timeline")).status_code == 404
        for source in ("Case", "Task", "Observable"):
            assert await world.query({"_name": f"list{source}"}, client=analyst) == [], source
            assert len(await world.query({"_name": f"list{source}"}, client=world.reader)) == 1, source
        opened = {"access": {"_kind": "OrganisationAccessKind"}}
        assert (await world.soc.post(path, json=opened)).status_code == 204
        assert (await analyst.get(case_path(case))).json()["access"] == {"_kind": "OrganisationAccessKind"}

    async def test_a_new_assignee_sees_it_too(self, world: Any) -> None:
        case = await world.case(access={"_kind": "UserAccessKind"})
        analyst = world.client("key-soc-analyst")
        assert (await analyst.get(case_path(case))).status_code == 404
        assert (await world.soc.patch(case_path(case), json={"assignee": "analyst@soc.example"})).status_code == 204
        assert (await analyst.get(case_path(case))).status_code == 200

    async def test_bad_input(self, world: Any) -> None:
        case = await world.case()
        bad = [
            {"_kind": "UserAccessKind", "users": ["org-admin@other.example"]},
            {"_kind": "OrganisationAccessKind", "users": ["analyst@soc.example"]}, {"_kind": "x"}, {},
        ]  # fmt: skip
        for access in bad:
            assert (await world.soc.post(f"{case_path(case)}/access", json={"access": access})).status_code == 400, access
        many = {"ids": [case["_id"], "~1"], "access": {"_kind": "UserAccessKind"}}
        assert (await world.soc.post("/api/v1/case/_bulk/access", json=many)).status_code == 404
        assert (await world.soc.post("/api/v1/case/_bulk/access", json={**many, "ids": [case["_id"]]})).status_code == 204


class TestUnlink:
    async def test_the_alert_is_new_again(self, world: Any) -> None:
        alert, case = await world.alert(), await world.case()
        await world.soc.post(f"/api/v1/alert/{alert['_id']}/merge/{case['_id']}")
        path = f"{case_path(case)}/alert/{alert['_id']}"
        assert (await world.reader.delete(path)).status_code == 403
        assert (await world.other.delete(path)).status_code == 404
        second = await world.case()
        assert (await world.soc.delete(f"{case_path(second)}/alert/{alert['_id']}")).status_code == 404
        assert (await world.soc.delete(path)).status_code == 204
        after = (await world.soc.get(f"/api/v1/alert/{alert['_id']}")).json()
        assert "caseId" not in after and (after["status"], after["stage"]) == ("New", "New")


class TestRequiredActions:
    async def test_asked_and_done(self, world: Any) -> None:
        case = await world.case(tasks=[{"title": "a"}])
        (task,) = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
        path = f"/api/v1/task/{task['_id']}"
        assert (await world.reader.put(f"{path}/actionRequired/soc")).status_code == 403
        assert (await world.other.get(f"{path}/actionRequired")).status_code == 404
        assert (await world.soc.put(f"{path}/actionRequired/other")).status_code == 400
        assert (await world.soc.put(f"{path}/actionRequired/nowhere")).status_code == 404
        assert (await world.reader.get(f"{path}/actionRequired")).json() == {"soc": False}
        assert (await world.soc.put(f"{path}/actionRequired/soc")).status_code == 204
        assert (await world.soc.get(f"{path}/actionRequired")).json() == {"soc": True}
        assert (await world.soc.put(f"{path}/actionDone/{'~' + str(world.organisations['soc'])}")).status_code == 204
        assert (await world.soc.get(f"{path}/actionRequired")).json() == {"soc": False}
