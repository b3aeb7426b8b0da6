"""Responders on alerts, cases, tasks, logs and observables, and the operations that their reports ask for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_analysis import delivery

from hive.events.analysis import on_analysis

EVERY = ["thehive:alert", "thehive:case", "thehive:case_task", "thehive:case_task_log", "thehive:case_artifact"]
WORKERS = [
    {"id": "r1", "name": "Everything_1_0", "version": "1.0", "kind": "responder", "data_types": EVERY},
    {"id": "r2", "name": "Shy_1_0", "version": "1.0", "kind": "responder", "data_types": EVERY, "max_tlp": "GREEN"},
    {"id": "a1", "name": "Parts", "version": "1.0", "kind": "analyzer", "data_types": ["domain"]},
]
PREFIX = "/api/connector/cortex"


@pytest.fixture(autouse=True)
async def workers(world: Any) -> None:
    await on_analysis(world.hive, delivery("worker.catalog_changed.v1", {"workers": WORKERS}, source="cortex@local"))


async def act(world: Any, kind: str, reference: str, *, client: Any = None, prefix: str = PREFIX, **more: Any) -> dict[str, Any]:
    body = {"responderId": "r1", "objectType": kind, "objectId": reference, **more}
    answer = await (client or world.soc).post(f"{prefix}/action", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def end(world: Any, action: dict[str, Any], *operations: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """The responder's end as a message; the operations with what became of them."""
    message = {
        "job_id": action["_id"], "cortex_job_id": "c1", "status": "Success", "report": {"done": True},
        "operations": list(operations), **more,
    }  # fmt: skip
    await on_analysis(world.hive, delivery("analysis.completed.v1", message))
    shown = (await world.soc.get(f"{PREFIX}/action/{action['_id']}")).json()
    return list(json.loads(shown["operations"]))


async def objects(world: Any) -> dict[str, str]:
    """One object of each kind, by its classic name."""
    case = await world.case(tags=["old"], tasks=[{"title": "Block it"}])
    (task,) = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
    log = (await world.soc.post(f"/api/v1/task/{task['_id']}/log", json={"message": "seen"})).json()
    observable = await world.observable(case["_id"])
    return {
        "case": case["_id"], "case_task": task["_id"], "case_task_log": log["_id"], "case_artifact": observable["_id"],
        "alert": (await world.alert())["_id"],
    }  # fmt: skip


class TestResponders:
    async def test_fit_the_object(self, world: Any) -> None:
        made = await objects(world)
        for kind, reference in made.items():
            for client, code in ((world.anonymous, 401), (world.other, 404)):
                assert (await client.get(f"{PREFIX}/responder/{kind}/{reference}")).status_code == code
            listed = (await world.reader.get(f"{PREFIX}/responder/{kind}/{reference}")).json()
            assert [(r["id"], r["cortexIds"]) for r in listed] == [("r1", ["local"])], kind
        green = await world.case(tlp=1)
        listed = (await world.soc.get(f"/api/v1/connector/cortex/responder/case/{green['number']}")).json()
        assert [r["id"] for r in listed] == ["r1", "r2"]
        assert [r["id"] for r in (await world.soc.get(f"{PREFIX}/responders/case")).json()] == ["r1", "r2"]
        assert (await world.soc.get(f"{PREFIX}/responder/dashboard/~1")).status_code == 400

    async def test_no_analyzer_among_them(self, world: Any) -> None:
        assert [w["id"] for w in (await world.soc.get(f"{PREFIX}/analyzer")).json()] == ["a1"]


class TestRequest:
    async def test_access(self, world: Any) -> None:
        case = await world.case()
        body = {"responderId": "r1", "objectType": "case", "objectId": case["_id"]}
        for client, code in ((world.anonymous, 401), (world.reader, 403), (world.other, 404)):
            assert (await client.post(f"{PREFIX}/action", json=body)).status_code == code
        assert await world.outbox("analysis.requested.v1") == []

    async def test_gives_the_object_in_its_classic_form(self, world: Any) -> None:
        made = await objects(world)
        labels = {
            "case": "#1 Intrusion", "case_task": "Block it (InProgress)", "case_task_log": "seen from org-admin@soc.example",
            "case_artifact": "[domain] evil.example", "alert": "[mail:1] Invoice",
        }  # fmt: skip
        for kind, reference in made.items():
            action = await act(world, kind, reference, parameters={"a": 1})
            assert (action["status"], action["objectType"], action["objectId"]) == ("Waiting", kind, reference)
            sent = (await world.outbox("analysis.requested.v1"))[-1]["data"]
            assert (sent["job_id"], sent["kind"], sent["worker_id"]) == (action["_id"], "responder", "r1")
            assert (sent["data_type"], sent["label"].replace(f"#{sent['message']} ", "#1 ")) == (f"thehive:{kind}", labels[kind])
            assert sent["parameters"] == {"a": 1, "organisation": "soc", "user": "org-admin@soc.example"}
            data = json.loads(sent["data"])
            assert (data["_id"], data["_type"]) == (reference, kind)
        log = json.loads((await world.outbox("analysis.requested.v1"))[2]["data"]["data"])
        assert (log["case_task"]["_id"], log["case_task"]["case"]["_id"]) == (made["case_task"], made["case"])
        listed = (await world.reader.get(f"{PREFIX}/action/case/{made['case']}")).json()
        assert [one["responderName"] for one in listed] == ["Everything_1_0"]
        assert (await world.other.get(f"{PREFIX}/action/case/{made['case']}")).status_code == 404

    async def test_what_cannot_run_fails_with_the_reason(self, world: Any) -> None:
        case = (await world.case())["_id"]
        for more, reason in (
            ({"responderId": "none"}, "no Cortex server has the responder none"),
            ({"cortexId": "x"}, "Cortex server x is not configured"),
            ({"responderId": "r2"}, "TLP is higher than allowed: the case is TLP:AMBER, Shy_1_0 takes up to TLP:GREEN"),
            ({"responderId": "a1"}, "no Cortex server has the responder a1"),
        ):
            action = await act(world, "case", case, **more)
            assert (action["status"], action["report"]) == ("Failure", {"success": False, "errorMessage": reason})
        assert await world.outbox("analysis.requested.v1") == []

    async def test_a_tlp_of_the_caller_only_makes_it_stricter(self, world: Any) -> None:
        case = (await world.case(tlp=1))["_id"]
        assert (await act(world, "case", case, responderId="r2", tlp=0))["status"] == "Waiting"
        assert (await act(world, "case", case, responderId="r2", tlp=2))["status"] == "Failure"
        await act(world, "case", case, tlp=3)
        await act(world, "case", case, tlp=3, prefix="/api/v1/connector/cortex")
        words = [one["data"]["tlp"] for one in await world.outbox("analysis.requested.v1")]
        assert words == ["GREEN", "RED", "AMBER+STRICT"]

    async def test_a_long_object_is_fetched_by_cortex(self, world: Any) -> None:
        case = await world.case(description="long " * 60_000)
        await act(world, "case", case["_id"])
        (message,) = await world.outbox("analysis.requested.v1")
        reference = message["data_ref"]
        path = reference["url"].removeprefix("http://hive.test")
        body = (await world.client("cortex-service-key").get(path)).json()
        assert json.loads(body["data"])["description"] == "long " * 60_000
        assert (await world.soc.get(path)).status_code == 401

    async def test_several_or_none(self, world: Any) -> None:
        case = (await world.case())["_id"]
        one = {"responderId": "r1", "objectType": "Case", "objectId": case}
        assert (await world.soc.post(f"{PREFIX}/actions", json=[one, {**one, "objectId": "~1"}])).status_code == 404
        assert len((await world.soc.post(f"{PREFIX}/actions", json=[one, one])).json()) == 2
        assert len((await world.soc.get(f"{PREFIX}/action/case/{case}")).json()) == 2

    async def test_goes_with_its_object(self, world: Any) -> None:
        made = await objects(world)
        await act(world, "case_artifact", made["case_artifact"])
        await world.soc.delete(f"/api/v1/observable/{made['case_artifact']}")
        assert await world.owner.fetchval("SELECT count(*) FROM actions") == 0


class TestOperations:
    async def test_on_a_case(self, world: Any) -> None:
        await world.owner.execute(
            "INSERT INTO custom_fields (name, display_name, field_group, description, type, created_at, created_by)"
            " VALUES ('hits', 'Hits', 'g', 'd', 'integer', 1, 'test'), ('site', 'Site', 'g', 'd', 'string', 1, 'test')"
        )
        case = await world.case(customFields={"hits": 1, "site": "north"})
        action = await act(world, "case", case["_id"])
        done = await end(
            world, action,
            {"type": "AddTagToCase", "tag": "blocked"},
            {"type": "CreateTask", "title": "Look again", "description": "tomorrow"},
            {"type": "AddCustomFields", "name": "hits", "tpe": "integer", "value": 7},
            {"type": "AddArtifactToCase", "dataType": "ip", "data": "192.0.2.66", "message": "c2", "tlp": 3, "ioc": True},
            {"type": "AddArtifactToCase", "dataType": "ip", "data": "192.0.2.66", "message": "again"},
            {"type": "AssignCase", "owner": "analyst@soc.example"},
        )  # fmt: skip
        assert [(one["type"], one["status"]) for one in done] == [
            ("AddTagToCase", "Success"), ("CreateTask", "Success"), ("AddCustomFields", "Success"),
            ("AddArtifactToCase", "Success"), ("AddArtifactToCase", "Success"), ("AssignCase", "Success"),
        ]  # fmt: skip
        assert done[4]["message"] == "the case has it already"
        after = (await world.soc.get(f"/api/v1/case/{case['_id']}")).json()
        assert (after["tags"], after["assignee"]) == (["blocked"], "analyst@soc.example")
        assert {one["name"]: one["value"] for one in after["customFields"]} == {"hits": 7, "site": "north"}
        (task,) = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
        assert (task["title"], task["description"], task["_createdBy"]) == ("Look again", "tomorrow", "org-admin@soc.example")
        (found,) = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "observables"})
        assert (found["data"], found["tlpLabel"], found["ioc"]) == ("192.0.2.66", "RED", True)

    async def test_on_an_alert(self, world: Any) -> None:
        alert = await world.alert()
        action = await act(world, "alert", alert["_id"])
        done = await end(
            world, action, {"type": "AddTagToAlert", "tag": "known"}, {"type": "MarkAlertAsRead"},
            {"type": "AddTagToCase", "tag": "x"},
        )  # fmt: skip
        assert [(one["status"], one["message"]) for one in done] == [
            ("Success", "Success"), ("Success", "Success"), ("Failure", "there is no case"),
        ]  # fmt: skip
        after = (await world.soc.get(f"/api/v1/alert/{alert['_id']}")).json()
        assert (after["tags"], after["status"]) == (["known"], "Ignored")

    async def test_on_a_task_and_its_log(self, world: Any) -> None:
        made = await objects(world)
        action = await act(world, "case_task", made["case_task"])
        done = await end(world, action, {"type": "AddLogToTask", "content": "was blocked", "owner": "ceo@soc.example"})
        assert done[0]["status"] == "Success"
        action = await act(world, "case_task_log", made["case_task_log"])
        assert (await end(world, action, {"type": "CloseTask"}))[0]["status"] == "Success"
        task = (await world.soc.get(f"/api/v1/task/{made['case_task']}")).json()
        logs = await world.query({"_name": "getTask", "idOrName": made["case_task"]}, {"_name": "logs"})
        assert (task["status"], [(one["message"], one["owner"]) for one in logs]) == (
            "Completed", [("seen", "org-admin@soc.example"), ("was blocked", "org-admin@soc.example")],
        )  # fmt: skip

    async def test_on_an_observable(self, world: Any) -> None:
        made = await objects(world)
        action = await act(world, "case_artifact", made["case_artifact"])
        done = await end(world, action, {"type": "AddTagToArtifact", "tag": "sinkholed"}, {"type": "AddTagToCase", "tag": "y"})
        assert [one["status"] for one in done] == ["Success", "Success"]
        assert (await world.soc.get(f"/api/v1/observable/{made['case_artifact']}")).json()["tags"] == ["sinkholed"]
        assert (await world.soc.get(f"/api/v1/case/{made['case']}")).json()["tags"] == ["old", "y"]

    async def test_of_an_analyzer(self, world: Any) -> None:
        made = await objects(world)
        job = (await world.soc.post(f"{PREFIX}/job", json={"analyzerId": "a1", "artifactId": made["case_artifact"]})).json()
        message = {
            "job_id": job["_id"], "status": "Success", "operations": [{"type": "AddTagToArtifact", "tag": "by analyzer"}],
        }  # fmt: skip
        await on_analysis(world.hive, delivery("analysis.completed.v1", message))
        assert (await world.soc.get(f"/api/v1/observable/{made['case_artifact']}")).json()["tags"] == ["by analyzer"]

    async def test_are_applied_once(self, world: Any) -> None:
        case = await world.case()
        action = await act(world, "case", case["_id"])
        for _ in range(2):
            await end(world, action, {"type": "CreateTask", "title": "Once"})
        assert len(await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})) == 1

    async def test_one_that_fails_does_not_take_the_others_with_it(self, world: Any) -> None:
        case = await world.case()
        action = await act(world, "case", case["_id"])
        done = await end(
            world, action, {"type": "AddTagToCase", "tag": ""}, {"type": "Explode"}, {"no": "type"},
            {"type": "AddCustomFields", "name": "undefined", "tpe": "string", "value": "x"},
            {"type": "AddArtifactToCase", "dataType": "nothing", "data": "x"}, {"type": "AssignCase", "owner": "nobody"},
            {"type": "CloseTask"}, {"type": "MarkAlertAsRead"}, {"type": "AddTagToArtifact", "tag": "x"},
            {"type": "AddTagToCase", "tag": "kept"},
        )  # fmt: skip
        assert [one["status"] for one in done] == ["Failure"] * 9 + ["Success"]
        assert [one["message"] for one in done[1:5]] == [
            "hive does not know this operation", "hive does not know this operation",
            "Invalid format for customFields: there is no custom field undefined",
            "Invalid format for dataType: there is no observable type nothing",
        ]  # fmt: skip
        assert (await world.soc.get(f"/api/v1/case/{case['_id']}")).json()["tags"] == ["kept"]

    async def test_need_the_rights_that_the_asker_has_today(self, world: Any) -> None:
        analyst = world.client("key-soc-analyst")
        case = await world.case()
        first = await act(world, "case", case["_id"], client=analyst)
        second = await act(world, "case", case["_id"], client=analyst)
        third = await act(world, "case", case["_id"], client=analyst)
        user = await world.owner.fetchval("SELECT id FROM users WHERE login = 'analyst@soc.example'")
        await world.owner.execute(
            "UPDATE memberships SET profile_id = (SELECT id FROM profiles WHERE name = 'read-only') WHERE user_id = $1", user
        )
        (done,) = await end(world, first, {"type": "AddTagToCase", "tag": "x"})
        assert (done["status"], done["message"]) == ("Failure", "this needs the permission manageCase/update")
        await world.owner.execute(
            "UPDATE memberships SET profile_id = (SELECT id FROM profiles WHERE name = 'analyst') WHERE user_id = $1", user
        )
        number = int(case["_id"][1:])
        boss = await world.owner.fetchval("SELECT id FROM users WHERE login = 'org-admin@soc.example'")
        await world.owner.execute("UPDATE cases SET access = 'users' WHERE id = $1", number)
        await world.owner.execute("INSERT INTO case_readers VALUES ($1, $2)", number, boss)
        (done,) = await end(world, second, {"type": "AddTagToCase", "tag": "x"})
        assert (done["status"], done["message"]) == ("Failure", f"Case {case['_id']} not found")
        await world.owner.execute("DELETE FROM memberships WHERE user_id = $1", user)
        (done,) = await end(world, third, {"type": "AddTagToCase", "tag": "x"})
        assert "no member of the organisation any more" in done["message"]
        assert (await world.soc.get(f"/api/v1/case/{case['_id']}")).json()["tags"] == []

    async def test_on_a_restricted_case_by_one_of_its_readers(self, world: Any) -> None:
        case = await world.case()
        boss = await world.owner.fetchval("SELECT id FROM users WHERE login = 'org-admin@soc.example'")
        await world.owner.execute("UPDATE cases SET access = 'users' WHERE id = $1", int(case["_id"][1:]))
        await world.owner.execute("INSERT INTO case_readers VALUES ($1, $2)", int(case["_id"][1:]), boss)
        action = await act(world, "case", case["_id"])
        assert (await end(world, action, {"type": "AddTagToCase", "tag": "x"}))[0]["status"] == "Success"

    async def test_are_told_in_the_history(self, world: Any) -> None:
        case = await world.case()
        action = await act(world, "case", case["_id"])
        await end(world, action, {"type": "AddTagToCase", "tag": "x"}, {"type": "CloseTask"})
        details = await world.owner.fetchval("SELECT details FROM audit WHERE kind = 'action' AND action = 'update'")
        assert details["operations"] == [
            {"type": "AddTagToCase", "status": "Success"}, {"type": "CloseTask", "status": "Failure"},
        ]  # fmt: skip
        assert (details["responderName"], details["objectId"]) == ("Everything_1_0", case["_id"])


class TestArtifacts:
    async def ended(self, world: Any, *artifacts: dict[str, Any], observable: dict[str, Any] | None = None) -> dict[str, Any]:
        observable = observable or await world.observable((await world.case())["_id"])
        job = (await world.soc.post(f"{PREFIX}/job", json={"analyzerId": "a1", "artifactId": observable["_id"]})).json()
        message = {"job_id": job["_id"], "status": "Success", "report": {}, "artifacts": list(artifacts)}
        await on_analysis(world.hive, delivery("analysis.completed.v1", message))
        return dict((await world.soc.get(f"{PREFIX}/job/{job['_id']}")).json())

    async def test_become_observables_by_one_call(self, world: Any) -> None:
        job = await self.ended(
            world, {"data_type": "ip", "data": "192.0.2.1", "tags": ["c2"], "tlp": "RED", "message": "found"},
            {"data_type": "domain", "data": "EVIL.example"}, {"data_type": "jarm", "data": "2ad2"},
        )  # fmt: skip
        path = f"{PREFIX}/job/{job['_id']}/artifact/_import"
        for client, code in ((world.anonymous, 401), (world.reader, 403), (world.other, 404)):
            assert (await client.post(path, json={})).status_code == code
        answer = await world.soc.post(path, json={})
        assert answer.status_code == 207
        made = answer.json()["success"]
        assert [(o["dataType"], o["data"], o["tags"], o["tlpLabel"]) for o in made] == [
            ("ip", "192.0.2.1", ["c2"], "RED"), ("other", "2ad2", ["type:jarm"], "AMBER"),
        ]  # fmt: skip
        assert [f["object"] for f in answer.json()["failure"]] == [{"dataType": "domain", "data": "EVIL.example"}]
        shown = (await world.soc.get(f"{PREFIX}/job/{job['_id']}")).json()["report"]["artifacts"]
        assert [one["importedAs"] for one in shown] == [made[0]["_id"], job["observableId"], made[1]["_id"]]

    async def test_some_of_them(self, world: Any) -> None:
        job = await self.ended(world, {"data_type": "ip", "data": "192.0.2.1"}, {"data_type": "ip", "data": "192.0.2.2"})
        path = f"{PREFIX}/job/{job['_id']}/artifact/_import"
        wanted = job["report"]["artifacts"][1]["_id"]
        assert (await world.soc.post(path, json={"artifacts": [wanted, "~1"]})).status_code == 404
        answer = await world.soc.post(path, json={"artifacts": [wanted]})
        assert (answer.status_code, [o["data"] for o in answer.json()]) == (201, ["192.0.2.2"])

    async def test_beside_an_observable_of_an_alert(self, world: Any) -> None:
        alert = await world.alert(observables=[{"dataType": "domain", "data": "evil.example"}])
        (observable,) = await world.query({"_name": "getAlert", "idOrName": alert["_id"]}, {"_name": "observables"})
        job = await self.ended(world, {"data_type": "ip", "data": "192.0.2.1"}, observable=observable)
        await world.soc.post(f"{PREFIX}/job/{job['_id']}/artifact/_import", json={})
        assert (await world.soc.get(f"/api/v1/alert/{alert['_id']}")).json()["observableCount"] == 2

    async def test_import_themselves_if_the_report_wants_it(self, world: Any) -> None:
        observable = await world.observable((await world.case())["_id"])
        await self.ended(
            world, {"data_type": "ip", "data": "192.0.2.1", "tags": ["autoImport:true", "x"]},
            {"data_type": "ip", "data": "192.0.2.2"}, observable=observable,
        )  # fmt: skip
        found = await world.query({"_name": "listObservable"})
        assert sorted((o["data"], o["tags"]) for o in found) == sorted([("evil.example", []), ("192.0.2.1", ["x"])])


async def test_actions_follow_a_case_that_merges(world: Any) -> None:
    first, second = await world.case(), await world.case(title="Second")
    twins = [await world.observable(one["_id"]) for one in (first, second)]
    await act(world, "case", second["_id"])
    await act(world, "case_artifact", twins[1]["_id"])
    merged = (await world.soc.post(f"/api/v1/case/_merge/{first['_id']},{second['_id']}")).json()
    (kept,) = await world.query({"_name": "getCase", "idOrName": merged["_id"]}, {"_name": "observables"})
    assert len((await world.soc.get(f"{PREFIX}/action/case/{merged['_id']}")).json()) == 1
    assert len((await world.soc.get(f"{PREFIX}/action/case_artifact/{kept['_id']}")).json()) == 1


class TestSearch:
    async def test_of_actions(self, world: Any) -> None:
        case = await world.case()
        action = await act(world, "case", case["_id"])
        await act(world, "alert", (await world.alert())["_id"], responderId="none")
        found = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "actions"})
        assert [one["_id"] for one in found] == [action["_id"]]
        failed = await world.query({"_name": "listAction"}, {"_name": "filter", "_eq": {"_field": "status", "_value": "Failure"}})
        assert [one["objectType"] for one in failed] == ["alert"]
        assert await world.query({"_name": "listAction"}, client=world.other) == []

    async def test_of_verdict_lines(self, world: Any) -> None:
        case = await world.case()
        bad, good = await world.observable(case["_id"], data="b.example"), await world.observable(case["_id"], data="g.example")
        for observable, level in ((bad, "malicious"), (good, "safe")):
            job = (await world.soc.post(f"{PREFIX}/job", json={"analyzerId": "a1", "artifactId": observable["_id"]})).json()
            line = {"level": level, "namespace": "Rep", "predicate": "Score", "value": level[0]}
            message = {"job_id": job["_id"], "status": "Success", "summary": {"taxonomies": [line]}}
            await on_analysis(world.hive, delivery("analysis.completed.v1", message))
        for name, value in (
            ("taxonomies.level", "malicious"), ("taxonomies", 'Rep:Score="m"'), ("taxonomies.value", "m"),
        ):  # fmt: skip
            wanted = {"_name": "filter", "_eq": {"_field": name, "_value": value}}
            assert [o["data"] for o in await world.query({"_name": "listObservable"}, wanted)] == ["b.example"], name
        both = {"_name": "filter", "_eq": {"_field": "taxonomies.namespace", "_value": "Rep"}}
        assert await world.query({"_name": "listObservable"}, both, {"_name": "count"}) == 2
        none = {"_name": "filter", "_not": {"_has": "taxonomies"}}
        assert await world.query({"_name": "listObservable"}, none, {"_name": "count"}) == 0

    async def test_of_the_history(self, world: Any) -> None:
        made = await objects(world)
        await world.soc.patch(f"/api/v1/case/{made['case']}", json={"title": "New"})
        of_case = await world.query({"_name": "listAuditFromObject", "id": made["case"]})
        assert {one["objectType"] for one in of_case} == {"case", "task", "log", "observable"}
        assert [one["rootId"] for one in of_case] == [made["case"]] * len(of_case)
        of_task = await world.query({"_name": "listAuditFromObject", "id": made["case_task"]})
        assert {one["objectType"] for one in of_task} == {"task"}
        updates = {"_name": "filter", "_and": [{"action": "update"}, {"objectType": "case"}]}
        (newest,) = await world.query({"_name": "listAudit"}, updates)
        assert (newest["details"], newest["_createdBy"]) == ({"title": "New"}, "org-admin@soc.example")
        for steps in ([{"_name": "listAuditFromObject", "id": made["case"]}], [{"_name": "listAudit"}]):
            assert await world.query(*steps, client=world.other) == []
        assert await world.query({"_name": "listAuditFromObject", "id": "x"}) == []
        outsider = await world.owner.fetchval("SELECT id FROM users WHERE login = 'analyst@soc.example'")
        await world.owner.execute("UPDATE cases SET access = 'users' WHERE id = $1", int(made["case"][1:]))
        await world.owner.execute("INSERT INTO case_readers VALUES ($1, $2)", int(made["case"][1:]), outsider)
        assert await world.query({"_name": "listAuditFromObject", "id": made["case"]}) == []
