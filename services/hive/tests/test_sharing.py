"""Cases, tasks and observables shared between organisations: what a receiver sees and may do, from the next request on."""

from __future__ import annotations

from typing import Any

import pytest_asyncio


@pytest_asyncio.fixture
async def linked(world: Any) -> Any:
    """`soc` and `other` are linked; nothing is shared by itself."""
    assert (await world.admin.put("/api/v1/organisation/soc/link/other")).status_code == 201
    return world


def case_path(case: dict[str, Any]) -> str:
    return f"/api/v1/case/{case['_id']}"


async def share(world: Any, case: dict[str, Any], **how: Any) -> list[dict[str, Any]]:
    answer = await world.soc.post(f"{case_path(case)}/shares", json={"shares": [{"organisation": "other", **how}]})
    assert answer.status_code == 201, answer.text
    return list(answer.json())


async def kinds(world: Any, client: Any) -> dict[str, int]:
    """How many objects of each kind the lists show."""
    sources = ("Case", "Task", "Log", "Observable", "Comment", "Page", "Procedure", "CustomEvent")
    return {one: len(await world.query({"_name": f"list{one}"}, client=client)) for one in sources}


class TestLinks:
    async def test_only_an_administrator_links(self, world: Any) -> None:
        path = "/api/v1/organisation/soc/link/other"
        assert (await world.anonymous.put(path)).status_code == 401
        assert (await world.soc.put(path)).status_code == 403
        assert (await world.soc.get("/api/v1/organisation/other")).status_code == 404
        body = {"linkType": "supervised", "otherLinkType": "notify"}
        assert (await world.admin.put(path, json=body)).status_code == 201
        (link,) = (await world.soc.get("/api/v1/organisation/soc/links")).json()
        assert (link["linkType"], link["otherLinkType"], link["organisation"]["name"]) == ("supervised", "notify", "other")
        (back,) = (await world.other.get("/api/v1/organisation/other/links")).json()
        assert (back["linkType"], back["otherLinkType"], back["organisation"]["name"]) == ("notify", "supervised", "soc")
        assert (await world.soc.get("/api/v1/organisation/other")).status_code == 200
        assert (await world.soc.delete(path)).status_code == 403
        assert (await world.admin.delete(path)).status_code == 204
        assert (await world.admin.delete(path)).status_code == 404
        assert (await world.soc.get("/api/v1/organisation/soc/links")).json() == []

    async def test_several_at_once_replace_what_was(self, world: Any) -> None:
        made = await world.admin.post("/api/v1/organisation", json={"name": "third", "description": "d"})
        assert made.status_code == 201
        path = "/api/v1/organisation/soc/links"
        for name in ("other", "third"):
            body = {"links": [{"toOrganisation": name, "linkType": "notify", "otherLinkType": "default"}]}
            assert (await world.admin.put(path, json=body)).status_code == 201
        links = (await world.soc.get(path)).json()
        assert [(one["organisation"]["name"], one["linkType"]) for one in links] == [("third", "notify")]
        assert (await world.admin.put(path, json={"links": [{"toOrganisation": "admin"}]})).status_code == 400
        assert (await world.admin.put(path, json={"links": [{"toOrganisation": "other", "linkType": "x"}]})).status_code == 400

    async def test_new_cases_are_shared_as_the_link_says(self, world: Any) -> None:
        body = {"linkType": "supervised", "otherLinkType": "notify"}
        await world.admin.put("/api/v1/organisation/soc/link/other", json=body)
        case = await world.case(tasks=[{"title": "Look"}])
        await world.observable(case["_id"])
        seen = (await world.other.get(case_path(case))).json()
        assert "manageTask" in seen["userPermissions"] and "manageShare" in seen["userPermissions"]
        assert "manageCase/changeOwnership" not in seen["userPermissions"]
        found = await kinds(world, world.other)
        assert (found["Case"], found["Task"], found["Observable"]) == (1, 1, 1)
        theirs = await world.case(client=world.other, tasks=[{"title": "Listen"}])
        assert (await world.soc.get(case_path(theirs))).json()["userPermissions"] == []
        assert (await world.soc.patch(case_path(theirs), json={"title": "x"})).status_code == 403
        assert await world.query({"_name": "getCase", "idOrName": theirs["_id"]}, {"_name": "tasks"}) == []

    async def test_sharing_profiles(self, world: Any) -> None:
        profiles = (await world.reader.get("/api/v1/sharingProfile")).json()
        assert [(one["name"], one["autoShare"]) for one in profiles] == [
            ("default", False),
            ("supervised", True),
            ("notify", True),
        ]


class TestSharingCases:
    async def test_access(self, linked: Any) -> None:
        case = await linked.case()
        path, body = f"{case_path(case)}/shares", {"shares": [{"organisation": "other"}]}
        assert (await linked.anonymous.post(path, json=body)).status_code == 401
        assert (await linked.reader.post(path, json=body)).status_code == 403
        assert (await linked.other.post(path, json=body)).status_code == 404
        assert (await linked.other.get(path)).status_code == 404
        (own, made) = await share(linked, case)
        assert (own["owner"], made["owner"], made["profileName"]) == (True, False, "analyst")
        # A receiver does not share on, give away, restrict or delete.
        assert (await linked.other.post(path, json=body)).status_code == 403
        assert (await linked.other.request("DELETE", path, json={"organisations": ["soc"]})).status_code == 403
        assert (await linked.other.delete(f"/api/v1/case/share/{own['_id']}")).status_code == 403
        assert (await linked.other.delete(case_path(case))).status_code == 403
        assert (await linked.other.post(f"{case_path(case)}/owner", json={"organisation": "other"})).status_code == 403
        access = {"access": {"_kind": "UserAccessKind"}}
        assert (await linked.other.post(f"{case_path(case)}/access", json=access)).status_code == 403

    async def test_a_receiver_sees_the_case_and_what_is_shared_of_it(self, linked: Any) -> None:
        case = await linked.case(tags=["apt"], tasks=[{"title": "Look"}])
        await linked.observable(case["_id"], tags=["c2"])
        await linked.soc.post(f"{case_path(case)}/comment", json={"message": "needle"})
        await linked.soc.post(f"{case_path(case)}/page", json={"title": "t", "content": "c", "category": "x"})
        (file,) = (await linked.soc.post(f"{case_path(case)}/attachments", files=[("attachments", ("a.txt", b"a"))])).json()[
            "attachments"
        ]
        assert set((await kinds(linked, linked.other)).values()) == {0}
        (_, made) = await share(linked, case)
        assert await kinds(linked, linked.other) == {
            "Case": 1, "Task": 0, "Log": 0, "Observable": 0, "Comment": 1, "Page": 1, "Procedure": 0, "CustomEvent": 0,
        }  # fmt: skip
        tagged = {"_name": "filter", "_eq": {"_field": "tags", "_value": "apt"}}
        assert len(await linked.query({"_name": "listCase"}, tagged, client=linked.other)) == 1
        word = {"_name": "filter", "_match": {"_field": "message", "_value": "needle"}}
        assert len(await linked.query({"_name": "listComment"}, word, client=linked.other)) == 1
        assert (await linked.other.get(f"/api/v1/attachment/{file['_id']}/download")).content == b"a"
        assert [one["organisationName"] for one in (await linked.soc.get(f"{case_path(case)}/shares")).json()] == ["other"]
        assert (await linked.soc.delete(f"/api/v1/case/share/{made['_id']}")).status_code == 204
        assert set((await kinds(linked, linked.other)).values()) == {0}
        assert (await linked.other.get(case_path(case))).status_code == 404
        assert (await linked.other.get(f"/api/v1/attachment/{file['_id']}/download")).status_code == 404

    async def test_by_rule_all_tasks_and_observables_are_shared_old_and_new(self, linked: Any) -> None:
        case = await linked.case(tasks=[{"title": "Old"}])
        await linked.observable(case["_id"], tags=["c2"])
        await share(linked, case, taskRule="autoShare", observableRule="autoShare")
        await linked.soc.post(f"{case_path(case)}/task", json={"title": "New"})
        await linked.observable(case["_id"], data="new.example", tags=["c2"])
        tasks = await linked.query({"_name": "listTask"}, client=linked.other)
        assert [one["title"] for one in tasks] == ["Old", "New"]
        for narrow in ({"_eq": {"_field": "tags", "_value": "c2"}}, {"_like": {"_field": "data", "_value": "example"}}):
            steps = [{"_name": "getCase", "idOrName": case["_id"]}, {"_name": "observables"}, {"_name": "filter", **narrow}]
            found = await linked.query(*steps, client=linked.other)
            assert [one["data"] for one in found] == ["evil.example", "new.example"], narrow
            found = await linked.query({"_name": "listObservable"}, {"_name": "filter", **narrow}, client=linked.other)
            assert len(found) == 2, narrow
        body = {"organisations": ["other"]}
        assert (await linked.soc.request("DELETE", f"{case_path(case)}/shares", json=body)).status_code == 204
        for source in ("Task", "Observable"):
            assert await linked.query({"_name": f"list{source}"}, client=linked.other) == []
        assert await linked.owner.fetchval(
            "SELECT count(*) FROM observable_tags WHERE org_id = $1", linked.organisations["other"]
        ) == 0  # fmt: skip

    async def test_a_receiver_works_within_the_profile_of_the_share(self, linked: Any) -> None:
        case = await linked.case(tasks=[{"title": "Look"}])
        await share(linked, case, taskRule="autoShare", observableRule="autoShare", profile="read-only")
        (task,) = await linked.query({"_name": "listTask"}, client=linked.other)
        refused = [
            ("PATCH", case_path(case), {"title": "x"}),
            ("POST", f"{case_path(case)}/task", {"title": "x"}),
            ("POST", f"{case_path(case)}/observable", {"dataType": "ip", "data": "192.0.2.9"}),
            ("POST", f"{case_path(case)}/comment", {"message": "x"}),
            ("POST", f"{case_path(case)}/page", {"title": "x", "content": "x", "category": "x"}),
            ("POST", f"{case_path(case)}/procedure", {"occurDate": 1, "patternId": "T1059.006"}),
            ("POST", f"{case_path(case)}/customEvent", {"date": 1, "title": "x"}),
            ("PATCH", f"/api/v1/task/{task['_id']}", {"title": "x"}),
            ("POST", f"/api/v1/task/{task['_id']}/log", {"message": "x"}),
            ("DELETE", f"/api/v1/task/{task['_id']}", None),
        ]
        for method, path, body in refused:
            answer = await linked.other.request(method, path, json=body)
            assert answer.status_code == 403, (method, path, answer.status_code, answer.text)
        (_, made) = await share(linked, case, taskRule="autoShare", observableRule="autoShare", profile="analyst")
        for method, path, body in refused[:-1]:
            answer = await linked.other.request(method, path, json=body)
            assert answer.status_code in (201, 204), (method, path, answer.status_code, answer.text)
        changed = {"profile": "read-only"}
        assert (await linked.soc.patch(f"/api/v1/case/share/{made['_id']}", json=changed)).status_code == 204
        assert (await linked.other.request(*refused[0][:2], json=refused[0][2])).status_code == 403

    async def test_what_a_receiver_makes_is_seen_by_both(self, linked: Any) -> None:
        case = await linked.case()
        await share(linked, case)
        task = (
            await linked.other.post(f"{case_path(case)}/task", json={"title": "Theirs", "assignee": "analyst@other.example"})
        ).json()
        log = (await linked.other.post(f"/api/v1/task/{task['_id']}/log", json={"message": "seen"})).json()
        made = await linked.observable(case["_id"], client=linked.other, data="theirs.example", tags=["t"])
        repeat = await linked.other.post(f"{case_path(case)}/observable", json={"dataType": "domain", "data": "theirs.example"})
        assert repeat.status_code == 207
        for client in (linked.soc, linked.other):
            assert [one["_id"] for one in await linked.query({"_name": "listTask"}, client=client)] == [task["_id"]]
            assert [one["_id"] for one in await linked.query({"_name": "listLog"}, client=client)] == [log["_id"]]
            tagged = {"_name": "filter", "_eq": {"_field": "tags", "_value": "t"}}
            found = await linked.query({"_name": "listObservable"}, tagged, client=client)
            assert [one["_id"] for one in found] == [made["_id"]]
        assert (await linked.other.patch(f"/api/v1/observable/{made['_id']}", json={"addTags": ["u"]})).status_code == 204
        narrow = {"_name": "filter", "_eq": {"_field": "tags", "_value": "u"}}
        assert len(await linked.query({"_name": "listObservable"}, narrow, client=linked.soc)) == 1

    async def test_alerts_of_a_receiver_merge_into_a_received_case(self, linked: Any) -> None:
        case = await linked.case()
        await linked.observable(case["_id"], tags=["mine"])
        await share(linked, case)
        alert = await linked.alert(
            client=linked.other, observables=[{"dataType": "domain", "data": name} for name in ("evil.example", "new.example")]
        )
        merged = await linked.other.post(f"/api/v1/alert/{alert['_id']}/merge/{case['_id']}")
        assert merged.status_code == 200 and "Merged with alert" in merged.json()["description"]
        data = {one["data"] for one in await linked.query({"_name": "listObservable"}, client=linked.soc)}
        assert data == {"evil.example", "new.example"}
        assert await linked.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "alerts"}) == []  # not ours to see
        assert (await linked.soc.delete(case_path(case))).status_code == 204
        after = (await linked.other.get(f"/api/v1/alert/{alert['_id']}")).json()
        assert "caseId" not in after and after["stage"] == "Closed"

    async def test_people_of_both_organisations_can_be_assigned(self, linked: Any) -> None:
        case = await linked.case(tasks=[{"title": "Look"}])
        (task,) = await linked.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
        theirs = {"assignee": "analyst@other.example"}
        assert (await linked.soc.patch(f"/api/v1/task/{task['_id']}", json=theirs)).status_code == 400
        await share(linked, case, taskRule="autoShare")
        assert (await linked.soc.patch(f"/api/v1/task/{task['_id']}", json=theirs)).status_code == 204
        analyst = linked.client("key-other-analyst")
        assert [one["title"] for one in await linked.query({"_name": "myTasks"}, client=analyst)] == ["Look"]
        assert (await linked.other.patch(case_path(case), json={"assignee": "analyst@soc.example"})).status_code == 204
        assert (await linked.soc.patch(case_path(case), json=theirs)).status_code == 204
        reader = {"assignee": "read-only@other.example"}
        assert (await linked.soc.patch(case_path(case), json=reader)).status_code == 400

    async def test_set_replaces_all_shares(self, linked: Any) -> None:
        case = await linked.case()
        path = f"{case_path(case)}/shares"
        await share(linked, case)
        kept = await linked.soc.put(path, json={"shares": [{"organisation": "other", "profile": "read-only"}]})
        assert [(one["organisationName"], one["profileName"]) for one in kept.json()] == [
            ("soc", "org-admin"), ("other", "read-only"),
        ]  # fmt: skip
        assert [one["owner"] for one in (await linked.soc.put(path, json={"shares": []})).json()] == [True]
        assert (await linked.other.get(case_path(case))).status_code == 404

    async def test_with_oneself_nothing_happens(self, world: Any) -> None:
        case = await world.case()
        path = f"{case_path(case)}/shares"
        made = await world.soc.post(path, json={"shares": [{"organisation": "soc"}]})
        assert made.status_code == 201 and len(made.json()) == 1
        assert (await world.soc.get(path)).json() == []

    async def test_bad_input(self, linked: Any) -> None:
        case = await linked.case()
        path = f"{case_path(case)}/shares"
        for one, status in (
            ({"organisation": "nowhere"}, 404), ({"organisation": "admin"}, 404),
            ({"organisation": "other", "profile": "x"}, 404), ({"organisation": "other", "profile": "admin"}, 400),
            ({"organisation": "other", "taskRule": "x"}, 400), ({}, 400),
        ):  # fmt: skip
            assert (await linked.soc.post(path, json={"shares": [one]})).status_code == status, one
        assert (await linked.soc.request("DELETE", path, json={"organisations": ["other"]})).status_code == 404
        (own,) = (await linked.soc.put(path, json={"shares": []})).json()
        assert (await linked.soc.delete(f"/api/v1/case/share/{own['_id']}")).status_code == 400
        assert (await linked.soc.delete("/api/v1/case/share/~1")).status_code == 404
        await linked.admin.delete("/api/v1/organisation/soc/link/other")
        assert (await linked.soc.post(path, json={"shares": [{"organisation": "other"}]})).status_code == 404

    async def test_at_creation(self, linked: Any) -> None:
        case = await linked.case(
            tasks=[{"title": "Look"}], taskRule="autoShare", sharingParameters=[{"organisation": "other", "profile": "analyst"}]
        )
        assert (await linked.other.get(case_path(case))).status_code == 200
        assert len(await linked.query({"_name": "listTask"}, client=linked.other)) == 1


class TestSearching:
    async def test_from_and_to_shares(self, linked: Any) -> None:
        case = await linked.case(tasks=[{"title": "a"}, {"title": "b"}])
        await linked.observable(case["_id"])
        await share(linked, case, observableRule="autoShare")
        task, _ = await linked.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
        await linked.soc.post(f"/api/v1/task/{task['_id']}/shares", json={"organisations": ["other"]})
        source = {"_name": "getCase", "idOrName": case["_id"]}
        theirs = {"_name": "filter", "_eq": {"_field": "organisationName", "_value": "other"}}
        for client in (linked.soc, linked.other):
            found = await linked.query(source, {"_name": "shares"}, client=client)
            assert [(one["organisationName"], one["owner"]) for one in found] == [("soc", True), ("other", False)]
            assert await linked.query({"_name": "listShare"}, client=client) == found
            names = await linked.query(source, {"_name": "organisations"}, client=client)
            assert {one["name"] for one in names} == {"soc", "other"}
            for step, count in (("case", 1), ("organisation", 1), ("tasks", 1), ("observables", 1)):
                assert len(await linked.query({"_name": "listShare"}, theirs, {"_name": step}, client=client)) == count, step
        shown = [
            [s["organisationName"] for s in await linked.query({"_name": "getTask", "idOrName": one}, {"_name": "shares"})]
            for one in [t["_id"] for t in await linked.query(source, {"_name": "tasks"})]
        ]
        assert shown == [["soc", "other"], ["soc"]]
        of_observable = await linked.query({"_name": "listObservable"}, {"_name": "shares"})
        assert [one["organisationName"] for one in of_observable] == ["soc", "other"]

    async def test_shares_of_a_restricted_case_are_as_hidden_as_the_case(self, world: Any) -> None:
        await world.case(access={"_kind": "UserAccessKind"})
        assert len(await world.query({"_name": "listShare"})) == 1
        for client in (world.reader, world.other):
            assert await world.query({"_name": "listShare"}, client=client) == []

    async def test_people(self, world: Any) -> None:
        case = await world.case(tasks=[{"title": "a", "assignee": "analyst@soc.example"}, {"title": "b"}])
        (me,) = await world.query({"_name": "currentUser"}, client=world.reader)
        assert me["login"] == "read-only@soc.example"
        analyst = world.client("key-soc-analyst")
        assert [one["title"] for one in await world.query({"_name": "myTasks"}, client=analyst)] == ["a"]
        assert len(await world.query({"_name": "waitingTasks"})) == 2
        assert await world.query({"_name": "waitingTasks"}, client=world.other) == []
        able = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "assignableUsers"})
        logins = {one["login"] for one in able}
        assert {"analyst@soc.example", "org-admin@soc.example"} <= logins
        assert not logins & {"read-only@soc.example", "analyst@other.example"}
        assert len(await world.query({"_name": "getUser", "idOrName": "analyst@soc.example"}, {"_name": "tasks"})) == 1
        members = await world.query({"_name": "getOrganisation", "idOrName": "soc"}, {"_name": "users"})
        assert "read-only@soc.example" in {one["login"] for one in members}
        assert await world.query({"_name": "getOrganisation", "idOrName": "other"}, {"_name": "users"}) == []


class TestSharingParts:
    async def test_one_task(self, linked: Any) -> None:
        case = await linked.case(tasks=[{"title": "a"}, {"title": "b"}])
        task, _ = await linked.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
        path, body = f"/api/v1/task/{task['_id']}/shares", {"organisations": ["other"]}
        assert (await linked.reader.post(path, json=body)).status_code == 403
        assert (await linked.other.post(path, json=body)).status_code == 404
        assert (await linked.soc.post(path, json=body)).status_code == 400  # the case itself is not shared
        await share(linked, case)
        log = (await linked.soc.post(f"/api/v1/task/{task['_id']}/log", json={"message": "seen"})).json()
        assert (await linked.soc.post(path, json=body)).status_code == 204
        assert [one["organisationName"] for one in (await linked.soc.get(path)).json()] == ["other"]
        assert [one["_id"] for one in await linked.query({"_name": "listTask"}, client=linked.other)] == [task["_id"]]
        assert [one["_id"] for one in await linked.query({"_name": "listLog"}, client=linked.other)] == [log["_id"]]
        assert (await linked.other.post(path, json=body)).status_code == 403
        assert (await linked.soc.put(f"/api/v1/task/{task['_id']}/actionRequired/other")).status_code == 204
        asked = (await linked.other.get(f"/api/v1/task/{task['_id']}/actionRequired")).json()
        assert asked == {"other": True, "soc": False}
        assert (await linked.soc.request("DELETE", path, json=body)).status_code == 204
        assert (await linked.other.get(f"/api/v1/task/{task['_id']}")).status_code == 404
        assert (await linked.soc.get(path)).json() == []

    async def test_one_observable(self, linked: Any) -> None:
        case = await linked.case()
        one = await linked.observable(case["_id"], tags=["t"])
        await linked.observable(case["_id"], data="hidden.example")
        path, body = f"/api/v1/observable/{one['_id']}/shares", {"organisations": ["other"]}
        assert (await linked.soc.post(path, json=body)).status_code == 400
        await share(linked, case)
        assert (await linked.soc.post(path, json=body)).status_code == 204
        assert [s["organisationName"] for s in (await linked.soc.get(path)).json()] == ["other"]
        assert (await linked.soc.get(f"/api/v1/case/{one['_id']}/shares")).json() == (await linked.soc.get(path)).json()
        steps = [{"_name": "getCase", "idOrName": case["_id"]}, {"_name": "observables"}]
        assert [o["_id"] for o in await linked.query(*steps, client=linked.other)] == [one["_id"]]
        assert [o["_id"] for o in await linked.query({"_name": "listObservable"}, client=linked.other)] == [one["_id"]]
        assert (await linked.soc.request("DELETE", path, json=body)).status_code == 204
        assert await linked.query(*steps, client=linked.other) == []
        alert = await linked.alert(observables=[{"dataType": "ip", "data": "192.0.2.1"}])
        (mine,) = await linked.query({"_name": "getAlert", "idOrName": alert["_id"]}, {"_name": "observables"})
        assert (await linked.soc.post(f"/api/v1/observable/{mine['_id']}/shares", json=body)).status_code == 400


class TestOwner:
    async def test_given_away_with_all_that_hangs_on_it(self, linked: Any) -> None:
        case = await linked.case(tasks=[{"title": "Look"}], tags=["x"])
        await linked.observable(case["_id"], tags=["t"])
        await linked.soc.post(f"{case_path(case)}/comment", json={"message": "needle"})
        path = f"{case_path(case)}/owner"
        assert (await linked.client("key-soc-analyst").post(path, json={"organisation": "other"})).status_code == 403
        assert (await linked.soc.post(path, json={"organisation": "soc"})).status_code == 204
        assert (await linked.soc.get(case_path(case))).status_code == 200
        assert (await linked.soc.post(path, json={"organisation": "nowhere"})).status_code == 404
        assert (await linked.soc.post(path, json={"organisation": "other"})).status_code == 204
        assert (await linked.soc.get(case_path(case))).status_code == 404
        assert set((await kinds(linked, linked.soc)).values()) == {0}
        found = await kinds(linked, linked.other)
        assert (found["Case"], found["Task"], found["Observable"], found["Comment"]) == (1, 1, 1, 1)
        tagged = {"_name": "filter", "_eq": {"_field": "tags", "_value": "t"}}
        assert len(await linked.query({"_name": "listObservable"}, tagged, client=linked.other)) == 1
        assert (await linked.other.delete(case_path(case))).status_code == 204

    async def test_the_former_owner_may_keep_a_profile(self, linked: Any) -> None:
        case = await linked.case(tasks=[{"title": "Look"}])
        body = {"organisation": "other", "keepProfile": "read-only"}
        assert (await linked.soc.post(f"{case_path(case)}/owner", json=body)).status_code == 204
        assert (await linked.soc.get(case_path(case))).json()["userPermissions"] == []
        assert len(await linked.query({"_name": "listTask"}, client=linked.soc)) == 1
        assert (await linked.soc.patch(case_path(case), json={"title": "x"})).status_code == 403
        assert (await linked.other.patch(case_path(case), json={"title": "x"})).status_code == 204
