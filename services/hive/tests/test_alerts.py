"""Alerts: taken in once, shown as they are, changed with care."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from sqlalchemy import inspect

from hive.alerts.models import Alert

ALERT = {"type": "phishing", "source": "mail", "sourceRef": "1", "title": "Invoice", "description": "A mail"}


class TestCreate:
    async def test_needs_the_permission(self, world: Any) -> None:
        assert (await world.anonymous.post("/api/v1/alert", json=ALERT)).status_code == 401
        answer = await world.reader.post("/api/v1/alert", json=ALERT)
        assert (answer.status_code, answer.json()["type"]) == (403, "AuthorizationError")

    async def test_equals_what_is_read_later(self, world: Any) -> None:
        created = await world.alert(date=123, tags=["b", "a", "b"], externalLink="http://", severity=3, tlp=4, pap=1)
        assert created == (await world.soc.get(f"/api/v1/alert/{created['_id']}")).json()
        assert created["tags"] == ["b", "a"]
        assert (created["severityLabel"], created["tlpLabel"], created["papLabel"]) == ("HIGH", "RED", "GREEN")
        assert (created["status"], created["stage"], created["follow"], created["version"]) == ("New", "New", True, 1)
        by_triple = await world.soc.get("/api/v1/alert/phishing;mail;1")
        assert by_triple.json()["_id"] == created["_id"]

    async def test_with_observables_shows_the_mark_of_change_only_later(self, world: Any) -> None:
        created = await world.alert(
            observables=[
                {"dataType": "domain", "data": "Evil.example", "tags": ["x"]},
                {"dataType": "domain", "data": "evil.EXAMPLE", "tags": ["y"]},
                {"dataType": "ip", "data": ["192.0.2.1", "192.0.2.2"], "ioc": True, "sighted": True},
            ]
        )
        assert created["observableCount"] == 3
        assert "_updatedAt" not in created
        fetched = (await world.soc.get(f"/api/v1/alert/{created['_id']}")).json()
        del fetched["_updatedAt"], fetched["_updatedBy"]
        assert fetched == created
        stored = await world.query({"_name": "getAlert", "idOrName": created["_id"]}, {"_name": "observables"})
        assert [(o["data"], o["tags"], o["tlpLabel"]) for o in stored] == [
            ("Evil.example", ["x", "y"], "AMBER"), ("192.0.2.1", [], "AMBER"), ("192.0.2.2", [], "AMBER"),
        ]  # fmt: skip
        assert stored[1]["ioc"] and 0 <= stored[1]["startDate"] - stored[1]["sightedAt"] < 1000

    async def test_takes_files_as_a_form(self, world: Any) -> None:
        body = {**ALERT, "observables": [{"dataType": "file", "attachment": "mail"}]}
        files = {"_json": ("_json", json.dumps(body)), "mail": ("../x/mail.eml", b"From: a")}
        answer = await world.soc.post("/api/v1/alert", files=files)
        assert answer.status_code == 201, answer.text
        (one,) = await world.query({"_name": "getAlert", "idOrName": answer.json()["_id"]}, {"_name": "observables"})
        assert (one["attachment"]["name"], one["attachment"]["size"]) == ("mail.eml", 7)
        download = await world.soc.get(f"/api/v1/attachment/{one['attachment']['_id']}/download")
        assert download.content == b"From: a"
        assert download.headers["content-disposition"].startswith("attachment;")
        assert "sandbox" in download.headers["content-security-policy"]
        assert (await world.other.get(f"/api/v1/attachment/{one['attachment']['_id']}/download")).status_code == 404

    async def test_a_second_one_is_refused_with_the_contracts_words(self, world: Any) -> None:
        await world.alert()
        again = await world.soc.post("/api/v1/alert", json={**ALERT, "title": "Another"})
        assert again.status_code == 400
        assert again.json() == {
            "type": "CreateError", "message": "Alert phishing:mail:1 already exist in organisation soc",
        }  # fmt: skip
        assert len(await world.outbox("alert.created.v1")) == 1
        assert await world.owner.fetchval("SELECT count(*) FROM audit WHERE kind = 'alert'") == 1
        await world.alert(client=world.other)

    async def test_twenty_at_once_make_exactly_one(self, world: Any) -> None:
        answers = await asyncio.gather(*(world.soc.post("/api/v1/alert", json=ALERT) for _ in range(20)))
        assert sorted(a.status_code for a in answers) == [201] + [400] * 19
        assert await world.owner.fetchval("SELECT count(*) FROM alerts") == 1
        assert len(await world.outbox("alert.created.v1")) == 1

    async def test_a_batch_answers_each_for_itself(self, world: Any) -> None:
        await world.alert(sourceRef="old")
        alerts = [
            {**ALERT, "sourceRef": "new"},
            {**ALERT, "sourceRef": "old"},
            {**ALERT, "sourceRef": "new"},
            {**ALERT, "sourceRef": "bad", "observables": [{"dataType": "nonsense", "data": "x"}]},
        ]
        answer = await world.soc.post("/api/v1/alert/_bulk", json={"alerts": alerts})
        assert answer.status_code == 207
        assert [a["sourceRef"] for a in answer.json()["success"]] == ["new"]
        assert [(f["position"], f["type"]) for f in answer.json()["failure"]] == [
            (1, "CreateError"), (2, "CreateError"), (3, "AttributeCheckingError"),
        ]  # fmt: skip

    async def test_refuses_what_it_cannot_use(self, world: Any) -> None:
        bad: list[Any] = [
            {}, [], "x", None, {**ALERT, "unknown": 1}, {**ALERT, "severity": 5}, {**ALERT, "severity": "2"},
            {**ALERT, "severity": False}, {**ALERT, "title": ""}, {**ALERT, "title": "x" * 513}, {**ALERT, "tlp": -1},
            {**ALERT, "status": "Nonsense"}, {**ALERT, "status": "Imported"}, {**ALERT, "assignee": "nobody@example.org"},
            {**ALERT, "date": 10**30}, {**ALERT, "title": "nul\0"}, {**ALERT, "tags": ["a\0"]}, {**ALERT, "source": 1},
            {**ALERT, "customFields": {"missing": 1}}, {**ALERT, "observables": [{"dataType": "file", "data": "x"}]},
            {**ALERT, "observables": [{"dataType": "ip"}]}, {**ALERT, "observables": [{"dataType": "ip", "data": "x" * 5000}]},
            {**ALERT, "observables": [{"dataType": "file", "attachment": "missing"}]},
        ]  # fmt: skip
        for body in bad:
            answer = await world.soc.post("/api/v1/alert", json=body)
            assert answer.status_code == 400, (body, answer.status_code, answer.text)
            assert {"type", "message"} <= answer.json().keys()
        broken = await world.soc.post("/api/v1/alert", content=b"{", headers={"content-type": "application/json"})
        assert (broken.status_code, broken.json()["type"]) == (400, "BadRequest")
        assert await world.owner.fetchval("SELECT count(*) FROM alerts") == 0

    async def test_an_odd_text_breaks_no_list(self, world: Any) -> None:
        for n, odd in enumerate(["\x01\x02", "💥" * 100, "'; --", "%_\\", "\u202e\ufeff", "..."]):
            await world.alert(sourceRef=str(n), title=odd, tags=[odd], description=odd * 3)
        found = await world.query({"_name": "listAlert"})
        assert len(found) == 6
        for one in found:
            assert await world.query(
                {"_name": "listAlert"}, {"_name": "filter", "_eq": {"_field": "tags", "_value": one["tags"][0]}}
            )

    async def test_everything_is_there_at_once(self, world: Any) -> None:
        """Side rows, history and message stand in the one statement."""
        await world.owner.execute(
            "INSERT INTO custom_fields (name, display_name, field_group, description, type, created_at, created_by)"
            " VALUES ('hosts', 'Hosts', 'g', 'd', 'integer', 1, 'test')"
        )
        created = await world.alert(tags=["t"], customFields={"hosts": 3}, observables=[{"dataType": "ip", "data": "192.0.2.1"}])
        assert created["customFields"] == [
            {"_id": created["customFields"][0]["_id"], "name": "hosts", "type": "integer", "value": 3, "order": 0}
        ]
        counts = "SELECT (SELECT count(*) FROM {}) AS n"
        for table in ("alert_tags", "alert_fields", "alert_texts", "observables", "observable_values", "outbox", "audit"):
            assert await world.owner.fetchval(counts.format(table)) == 1, table
        (message,) = await world.outbox("alert.created.v1")
        assert (message["organisation"], message["data"]["id"]) == ("soc", created["_id"])


class TestUpdate:
    async def test_changes_only_what_is_sent(self, world: Any) -> None:
        created = await world.alert(tags=["a", "b"])
        path = f"/api/v1/alert/{created['_id']}"
        assert (await world.soc.patch(path, json={"title": "New", "addTags": ["c"], "removeTags": ["a"]})).status_code == 204
        changed = (await world.soc.get(path)).json()
        assert (changed["title"], changed["tags"], changed["version"]) == ("New", ["b", "c"], 2)
        assert changed["description"] == created["description"]
        found = await world.query({"_name": "listAlert"}, {"_name": "filter", "_eq": {"_field": "tags", "_value": "c"}})
        assert len(found) == 1

    async def test_server_fields_are_refused(self, world: Any) -> None:
        """Threats S23, S24: no column but the documented ones can be set."""
        created = await world.alert()
        path = f"/api/v1/alert/{created['_id']}"
        before = (await world.soc.get(path)).json()
        documented = {
            "type", "source", "source_ref", "title", "description", "severity", "date", "tags", "tlp", "pap", "follow", "status",
            "summary", "assignee", "external_link", "last_sync_date", "custom_fields",
        }  # fmt: skip
        names = {c.key for c in inspect(Alert).columns} - documented | {"_id", "id", "orgId", "version", "caseId", "read"}
        for name in names - documented:
            answer = await world.soc.patch(path, json={name: 1})
            assert answer.status_code == 400, name
            assert answer.json()["errors"][0]["type"] == "UnknownAttributeError"
        assert (await world.soc.get(path)).json() == before

    async def test_the_second_of_two_gets_412_with_the_present_state(self, world: Any) -> None:
        created = await world.alert()
        path = f"/api/v1/alert/{created['_id']}"
        first = await world.soc.patch(path, json={"title": "Mine"}, headers={"If-Match": '"1"'})
        second = await world.soc.patch(path, json={"title": "Yours"}, headers={"If-Match": '"1"'})
        assert (first.status_code, second.status_code) == (204, 412)
        assert second.json()["current"]["title"] == "Mine"
        assert (await world.soc.patch(path, json={"title": "x"}, headers={"If-Match": "nonsense"})).status_code == 400

    async def test_a_taken_triple_is_refused(self, world: Any) -> None:
        await world.alert()
        other = await world.alert(sourceRef="2")
        answer = await world.soc.patch(f"/api/v1/alert/{other['_id']}", json={"sourceRef": "1"})
        assert (answer.status_code, answer.json()["type"]) == (400, "CreateError")

    async def test_read_follows_the_status(self, world: Any) -> None:
        created = await world.alert()
        path = f"/api/v1/alert/{created['_id']}"
        assert (await world.soc.post(f"{path}/read")).status_code == 204
        read = (await world.soc.get(path)).json()
        assert (read["status"], read["stage"], read["read"]) == ("Ignored", "Closed", True)
        assert read["closedDate"] >= read["newDate"]
        assert (await world.soc.post(f"{path}/unread")).status_code == 204
        assert (await world.soc.get(path)).json()["status"] == "New"
        assert (await world.soc.patch(path, json={"status": "InProgress"})).status_code == 204
        assert (await world.soc.patch(path, json={"status": "Imported"})).status_code == 400
        assert (await world.soc.patch(path, json={"status": None})).status_code == 400

    async def test_null_clears_and_unfollow_freezes(self, world: Any) -> None:
        created = await world.alert(summary="s", assignee="analyst@soc.example")
        path = f"/api/v1/alert/{created['_id']}"
        assert created["assignee"] == "analyst@soc.example"
        assert (await world.soc.patch(path, json={"summary": None, "assignee": None})).status_code == 204
        assert (await world.soc.post(f"{path}/unfollow")).status_code == 204
        after = (await world.soc.get(path)).json()
        assert "summary" not in after and "assignee" not in after and after["follow"] is False

    async def test_unknown_ids_are_not_found(self, world: Any) -> None:
        for reference in ("~1", "~99999999999999999", "x", "a;b;c", "~", "%00"):
            answer = await world.soc.get(f"/api/v1/alert/{reference}")
            assert answer.status_code in (400, 404), (reference, answer.status_code)
            assert {"type", "message"} <= answer.json().keys()
