"""The v0 API, as feeders of the last ten years speak it."""

from __future__ import annotations

import base64
from typing import Any

ALERT = {"type": "external", "source": "elastalert2", "sourceRef": "9f0c", "title": "Hit", "description": "d"}


class TestAlerts:
    async def test_access(self, world: Any) -> None:
        assert (await world.anonymous.post("/api/alert", json=ALERT)).status_code == 401
        assert (await world.reader.post("/api/alert", json=ALERT)).status_code == 403

    async def test_create_with_everything_odd(self, world: Any) -> None:
        body = {
            **ALERT, "tlp": 3, "status": "Imported", "follow": False, "caseTemplate": "", "id": "x", "unknown": {"a": 1},
            "artifacts": [
                {"dataType": "ip", "data": "192.0.2.1"},
                {"dataType": "ip", "data": "192.0.2.1", "tags": ["again"]},
                {"dataType": "source_ip", "data": 42},
                {"dataType": "file", "data": "a.txt;text/plain;" + base64.b64encode(b"hello").decode()},
                {"dataType": "domain"},
            ],
        }  # fmt: skip
        answer = await world.soc.post("/api/alert/", json=body)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert (made["status"], made["follow"], made["case"], made["tlp"], made["similarCases"]) == ("New", True, None, 3, [])
        assert [(a["dataType"], a.get("data"), a["tags"]) for a in made["artifacts"]] == [
            ("ip", "192.0.2.1", ["again"]), ("source_ip", "42", []), ("file", None, []),
        ]  # fmt: skip
        assert "attachment" not in made["artifacts"][0] and made["artifacts"][0]["message"] is None
        assert (made["artifacts"][0]["tlp"], made["artifacts"][2]["attachment"]["name"]) == (2, "a.txt")
        assert (await world.soc.get(f"/api/v0/alert/{made['id']}")).json() == made
        v1 = (await world.soc.get(f"/api/v1/alert/{made['id']}")).json()
        assert (v1["_id"], v1["tlpLabel"], v1["stage"]) == (made["id"], "RED", "New")

    async def test_a_second_one(self, world: Any) -> None:
        assert (await world.soc.post("/api/alert", json=ALERT)).status_code == 201
        again = await world.soc.post("/api/alert", json=ALERT)
        assert (again.status_code, again.json()) == (
            400,
            {"type": "CreateError", "message": "Alert external:elastalert2:9f0c already exists in organisation soc"},
        )

    async def test_what_cannot_be_read_is_named(self, world: Any) -> None:
        missing = await world.soc.post("/api/alert", json={"type": "a", "source": "b"})
        assert (missing.status_code, missing.json()["errors"][0]["name"]) == (400, "sourceRef")
        bad: list[dict[str, Any]] = [
            {"severity": 9}, {"severity": "x"}, {"tlp": 7}, {"date": "now"}, {"artifacts": "x"}, {"artifacts": [{"data": "x"}]},
            {"tags": {"a": 1}}, {"title": ["a", "b"]}, {"artifacts": [{"dataType": "file", "data": "a;b;###"}]},
            {"customFields": {"x\n": {"string": "x"}}}, {"customFields": {"made": {"string": {"a": 1}}}},
            {"title": "a\0b"}, {"date": -5}, {"flag": "maybe"},
        ]  # fmt: skip
        for change in bad:
            answer = await world.soc.post("/api/alert", json={**ALERT, **change})
            assert answer.status_code == 400, (change, answer.status_code, answer.text)
            assert answer.json()["message"]

    async def test_marks_with_an_empty_body(self, world: Any) -> None:
        made = (await world.soc.post("/api/alert", json=ALERT)).json()
        headers = {"Content-Type": "application/json"}
        path = f"/api/alert/{made['id']}"
        read = await world.soc.post(f"{path}/markAsRead", content=b"", headers=headers)
        unread = await world.soc.post(f"{path}/markAsUnread", content=b"", headers=headers)
        assert (read.json()["status"], unread.json()["status"]) == ("Ignored", "New")
        case = await world.soc.post(f"/api/alert/{made['id']}/createCase", content=b"", headers=headers)
        assert (case.status_code, case.json()["caseId"], case.json()["status"]) == (201, 1, "Open")
        for mark, status in (("markAsUnread", "Updated"), ("markAsRead", "Imported")):
            assert (await world.soc.post(f"/api/alert/{made['id']}/{mark}")).json()["status"] == status

    async def test_search(self, world: Any) -> None:
        for n in range(12):
            await world.soc.post("/api/alert", json={**ALERT, "sourceRef": str(n), "severity": 1 + n % 4, "tags": [f"t{n % 3}"]})
        first = (await world.soc.post("/api/alert/_search", json={"query": {}})).json()
        assert len(first) == 10
        answer = await world.soc.post(
            "/api/alert/_search?range=all&sort=-severity&sort=+sourceRef", json={"query": {"tags": "t1"}}
        )
        assert answer.headers["x-total"] == "4"
        assert [a["sourceRef"] for a in answer.json()] == ["7", "10", "1", "4"]
        for query, count in (
            ({"sourceRef": "7"}, 1), ({"status": "New"}, 12), ({"status": "Ignored"}, 0), ({"_gt": {"severity": 2}}, 6),
            ({"_not": {"_in": {"_field": "severity", "_values": [1]}}}, 9), ({"_and": [{"_field": "tlp", "_value": 2}]}, 12),
            ({"_wildcard": {"_field": "title", "_value": "*it*"}}, 12), ({"_type": "alert"}, 12), ({"_type": "case"}, 0),
        ):  # fmt: skip
            answer = await world.soc.post("/api/alert/_search", params={"range": "all"}, json={"query": query})
            assert (answer.status_code, len(answer.json())) == (200, count), query
        for query in ({"nonsense": 1}, {"_nonsense": {}}, {"_and": 1}, [], {"_parent": {"_type": "x"}}, {"severity": {"a": 1}}):
            answer = await world.soc.post("/api/alert/_search", json={"query": query})
            assert answer.status_code in (200, 400), query
            assert answer.status_code == 400 or query == [], query


class TestCases:
    async def test_life(self, world: Any) -> None:
        body = {
            "title": "Case", "description": "d", "owner": "analyst@soc.example", "template": "Phishing", "metrics": {},
            "tasks": [{"title": "Own", "id": None, "group": None, "owner": None, "status": ["Waiting"]}],
        }  # fmt: skip
        assert (await world.reader.post("/api/case", json=body)).status_code == 403
        made = (await world.soc.post("/api/case", json=body)).json()
        assert (made["title"], made["owner"], made["tags"]) == ("[Phishing] Case", "analyst@soc.example", ["phishing"])
        tasks = (await world.soc.post(f"/api/case/{made['caseId']}/task/_search?range=all", json={"query": {}})).json()
        assert len(tasks) == 7
        parent = {"_parent": {"_type": "case", "_query": {"_id": made["id"]}}}
        assert len((await world.soc.post("/api/case/task/_search?range=all", json={"query": parent})).json()) == 7
        log = await world.soc.post(
            f"/api/case/task/{tasks[0]['id']}/log", data={"_json": '{"message": "m"}'}, files={"attachment": ("a.txt", b"x")}
        )
        assert (log.status_code, log.json()["attachment"]["name"], log.json()["owner"]) == (201, "a.txt", "org-admin@soc.example")
        logs = (await world.soc.get(f"/api/case/task/{tasks[0]['id']}/log")).json()
        assert logs == [log.json()]
        added = await world.soc.post(
            f"/api/case/{made['id']}/artifact", json={"dataType": "ip", "data": ["192.0.2.1", "192.0.2.2"]}
        )
        assert (added.status_code, len(added.json())) == (201, 2)
        one = added.json()[0]
        changed = await world.soc.patch(f"/api/case/artifact/{one['id']}", json={"ioc": True, "tags": "x", "createdAt": 1})
        assert (changed.json()["ioc"], changed.json()["tags"]) == (True, ["x"])
        closed = await world.soc.patch(f"/api/case/{made['id']}", json={"status": "Resolved", "resolutionStatus": "TruePositive"})
        assert (closed.json()["status"], closed.json()["resolutionStatus"]) == ("Resolved", "TruePositive")
        assert (await world.soc.get(f"/api/v1/case/{made['id']}")).json()["status"] == "TruePositive"
        opened = await world.soc.patch(f"/api/case/{made['id']}", json={"status": "Open"})
        assert (opened.json()["status"], opened.json()["endDate"]) == ("Open", None)
        assert (await world.other.get(f"/api/case/{made['caseId']}")).status_code == 404
        unknown = await world.soc.post("/api/case", json={"title": "t", "description": "d", "template": "Nonsense"})
        assert unknown.status_code == 404

    async def test_strict_amber_survives_being_sent_back(self, world: Any) -> None:
        case = await world.case(tlp=3)
        shown = (await world.soc.get(f"/api/case/{case['_id']}")).json()
        assert shown["tlp"] == 3
        assert (await world.soc.patch(f"/api/case/{case['_id']}", json={"tlp": shown["tlp"]})).status_code == 200
        assert (await world.soc.get(f"/api/v1/case/{case['_id']}")).json()["tlpLabel"] == "AMBER+STRICT"

    async def test_status_words_of_clients(self, world: Any) -> None:
        status = (await world.anonymous.get("/api/status")).json()
        assert status["versions"]["TheHive"].startswith("4.")
        assert (await world.anonymous.get("/api/health")).text == "Ok"
        current = (await world.soc.get("/api/user/current")).json()
        assert {"read", "write", "alert", "admin"} == set(current["roles"])
