"""Cases, their tasks, logs and observables."""

from __future__ import annotations

import asyncio
import json
from typing import Any


class TestCases:
    async def test_access(self, world: Any) -> None:
        body = {"title": "t", "description": "d"}
        assert (await world.anonymous.post("/api/v1/case", json=body)).status_code == 401
        assert (await world.reader.post("/api/v1/case", json=body)).status_code == 403
        case = await world.case()
        assert (await world.reader.get(f"/api/v1/case/{case['_id']}")).status_code == 200
        assert (await world.other.get(f"/api/v1/case/{case['number']}")).status_code == 404

    async def test_created_equals_fetched_by_id_and_number(self, world: Any) -> None:
        case = await world.case(tags=["a"], tlp=3, flag=True, tasks=[{"title": "One"}])
        assert case == (await world.soc.get(f"/api/v1/case/{case['_id']}")).json()
        assert case == (await world.soc.get(f"/api/v1/case/{case['number']}")).json()
        assert case["access"] == {"_kind": "OrganisationAccessKind"}
        assert (case["tlpLabel"], case["assignee"]) == ("AMBER+STRICT", "org-admin@soc.example")

    async def test_numbers_are_unique_under_concurrency(self, world: Any) -> None:
        cases = await asyncio.gather(*(world.case() for _ in range(10)))
        assert len({c["number"] for c in cases}) == 10

    async def test_closing_and_reopening(self, world: Any) -> None:
        case = await world.case(tasks=[{"title": "a"}, {"title": "b", "status": "InProgress"}])
        path = f"/api/v1/case/{case['_id']}"
        body = {"status": "TruePositive", "impactStatus": "WithImpact", "summary": "done"}
        assert (await world.soc.patch(path, json=body)).status_code == 204
        closed = (await world.soc.get(path)).json()
        assert (closed["stage"], closed["impactStatus"], closed["summary"]) == ("Closed", "WithImpact", "done")
        assert closed["endDate"] >= closed["startDate"]
        tasks = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
        assert [t["status"] for t in tasks] == ["Cancel", "Completed"]
        assert len(await world.outbox("case.closed.v1")) == 1
        assert (await world.soc.patch(path, json={"status": "InProgress"})).status_code == 204
        reopened = (await world.soc.get(path)).json()
        assert "endDate" not in reopened and reopened["stage"] == "InProgress"

    async def test_a_mandatory_task_holds_the_case_open(self, world: Any) -> None:
        case = await world.case(tasks=[{"title": "must", "mandatory": True}])
        answer = await world.soc.patch(f"/api/v1/case/{case['_id']}", json={"status": "Other"})
        assert answer.status_code == 400 and "must" in answer.json()["message"]

    async def test_two_analysts_on_one_case(self, world: Any) -> None:
        case = await world.case()
        path = f"/api/v1/case/{case['_id']}"
        answers = await asyncio.gather(
            *(world.soc.patch(path, json={"title": str(n)}, headers={"If-Match": "1"}) for n in range(5))
        )
        assert sorted(a.status_code for a in answers) == [204, 412, 412, 412, 412]

    async def test_bad_input(self, world: Any) -> None:
        case = await world.case()
        bad = [{"status": "Nonsense"}, {"title": None}, {"number": 7}, {"severity": 0}, {"impactStatus": "x"}, {"startDate": "x"}]
        for body in bad:
            assert (await world.soc.patch(f"/api/v1/case/{case['_id']}", json=body)).status_code == 400, body
        for reference in ("99999999999999", "0", "-1", "~x", "é"):
            assert (await world.soc.get(f"/api/v1/case/{reference}")).status_code == 404, reference


class TestTasks:
    async def test_a_log_with_files_starts_the_task(self, world: Any) -> None:
        case = await world.case()
        task = (await world.soc.post(f"/api/v1/case/{case['_id']}/task", json={"title": "Look"})).json()
        path = f"/api/v1/task/{task['_id']}/log"
        assert (await world.reader.post(path, json={"message": "m"})).status_code == 403
        parts = [
            ("attachments", ("a.txt", b"one")),
            ("attachments", ("b.txt", b"two")),
            ("_json", ("_json", json.dumps({"message": "m"}))),
        ]
        log = (await world.soc.post(path, files=parts)).json()
        assert [a["name"] for a in log["attachments"]] == ["a.txt", "b.txt"]
        assert (await world.query({"_name": "getTask", "idOrName": task["_id"]}, {"_name": "logs"})) == [log]
        started = (await world.soc.get(f"/api/v1/task/{task['_id']}")).json()
        assert (started["status"], started["assignee"]) == ("InProgress", "org-admin@soc.example")
        got = await world.soc.get(f"/api/v1/attachment/{log['attachments'][1]['_id']}/download")
        assert got.content == b"two"

    async def test_changes(self, world: Any) -> None:
        case = await world.case(tasks=[{"title": "Look", "mandatory": True}])
        (task,) = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
        path = f"/api/v1/task/{task['_id']}"
        assert (await world.soc.patch(path, json={"status": "Completed"})).status_code == 400  # no log yet
        assert (await world.soc.post(f"{path}/log", json={"message": "seen"})).status_code == 201
        body = {"status": "Completed", "group": "g", "order": 3, "assignee": "analyst@soc.example"}
        assert (await world.soc.patch(path, json=body)).status_code == 204
        done = (await world.soc.get(path)).json()
        assert (done["group"], done["order"], done["assignee"], done["status"]) == ("g", 3, "analyst@soc.example", "Completed")
        assert done["timeToHandle"] >= 0
        assert (await world.soc.patch(path, json={"assignee": "nobody@x.example"})).status_code == 400


class TestObservables:
    async def test_defaults_and_repeats(self, world: Any) -> None:
        case = await world.case()
        path = f"/api/v1/case/{case['_id']}/observable"
        first = await world.soc.post(path, json={"dataType": "domain", "data": "Evil.example"})
        assert (first.status_code, first.json()[0]["tlpLabel"]) == (201, "AMBER")
        second = await world.soc.post(path, json={"dataType": "domain", "data": ["evil.EXAMPLE", "new.example"]})
        assert second.status_code == 207
        assert [o["data"] for o in second.json()["success"]] == ["new.example"]
        assert second.json()["failure"] == [
            {
                "type": "CreateError", "message": "Observable already exists",
                "object": {"dataType": "domain", "data": "evil.EXAMPLE"},
            }
        ]  # fmt: skip
        exact = await world.soc.post(path, json={"dataType": "url", "data": ["http://a/X", "http://a/x"]})
        assert exact.status_code == 201 and len(exact.json()) == 2

    async def test_changes(self, world: Any) -> None:
        case = await world.case()
        one = await world.observable(case["_id"])
        path = f"/api/v1/observable/{one['_id']}"
        body = {"ioc": True, "sighted": True, "tlp": 4, "addTags": ["x"], "dataType": "fqdn", "message": "m"}
        assert (await world.reader.patch(path, json=body)).status_code == 403
        assert (await world.soc.patch(path, json=body)).status_code == 204
        after = (await world.soc.get(path)).json()
        assert (after["ioc"], after["tlpLabel"], after["tags"], after["dataType"]) == (True, "RED", ["x"], "fqdn")
        assert "sightedAt" in after and after["version"] == 2
        assert (await world.soc.patch(path, json={"dataType": "file"})).status_code == 400
        assert (await world.soc.patch(path, json={"data": "x"})).status_code == 400

    async def test_export_defanged_or_not(self, world: Any) -> None:
        case = await world.case()
        await world.observable(case["_id"], dataType="url", data="hXXp://a[.]example/x", ioc=True)
        await world.observable(case["_id"], dataType="hash", data="aa.bb", ioc=True)
        await world.observable(case["_id"], dataType="other", data="=cmd;x")
        path = f"/api/v1/case/{case['number']}/observable/_export"
        answer = await world.soc.get(path)
        assert answer.headers["content-type"].startswith("text/csv")
        assert answer.text == 'url;hxxp://a[.]example/x\nhash;aa.bb\nother;"\'=cmd;x"\n'
        iocs = await world.soc.get(path, params={"ioc": "true", "format": "txt", "protect": "false"})
        assert iocs.text == "hXXp://a[.]example/x\naa.bb\n"
        classic = await world.soc.get(f"/api/case/{case['number']}/artifact/_export", params={"protect": "0", "format": "misp"})
        assert classic.text.splitlines()[0] == "*url\t:hXXp://a[.]example/x"
        assert (await world.other.get(path)).status_code == 404
        assert (await world.soc.get(path, params={"format": "pdf"})).status_code == 400

    async def test_a_known_hash_alone_opens_nothing(self, world: Any) -> None:
        case, foreign = await world.case(), await world.case(client=world.other)
        files = {"attachment": ("a.exe", b"secret")}
        made = await world.soc.post(f"/api/v1/case/{case['_id']}/observable", data={"_json": '{"dataType":"file"}'}, files=files)
        sha256 = made.json()[0]["attachment"]["id"]
        body = {"dataType": "file", "attachment": {"id": sha256, "name": "a.exe"}}
        answer = await world.other.post(f"/api/v1/case/{foreign['_id']}/observable", json=body)
        assert answer.status_code == 404
        assert (await world.other.get(f"/api/datastore/{sha256}")).status_code == 404
        assert (await world.soc.get(f"/api/datastore/{sha256}")).content == b"secret"
        second = await world.case()
        assert (await world.soc.post(f"/api/v1/case/{second['_id']}/observable", json=body)).status_code == 201
