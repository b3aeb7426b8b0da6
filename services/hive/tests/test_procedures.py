"""ATT&CK techniques recorded on alerts and cases, and the timeline of a case."""

from __future__ import annotations

from typing import Any

import pytest

from hive.events.alerts import on_alert
from waggle.contracts.envelope import Envelope
from waggle.contracts.messages import MESSAGES
from waggle.ids import now_ms, uuid7
from waggle.messaging import Delivery

PROCEDURE = {"occurDate": 1_700_000_000_000, "patternId": "T1059.006", "tactic": "execution", "description": "a script"}


class TestProcedures:
    @pytest.mark.parametrize("kind", ["alert", "case"])
    async def test_access(self, world: Any, kind: str) -> None:
        parent = await (world.alert() if kind == "alert" else world.case())
        path = f"/api/v1/{kind}/{parent['_id']}/procedure"
        assert (await world.anonymous.post(path, json=PROCEDURE)).status_code == 401
        assert (await world.reader.post(path, json=PROCEDURE)).status_code == 403
        assert (await world.other.post(path, json=PROCEDURE)).status_code == 404
        made = (await world.soc.post(path, json=PROCEDURE)).json()
        assert (await world.other.patch(f"/api/v1/procedure/{made['_id']}", json={"description": "x"})).status_code == 404
        assert (await world.other.post("/api/v1/procedure/delete/_bulk", json={"ids": [made["_id"]]})).status_code == 404
        assert await world.query({"_name": "listProcedure"}, client=world.other) == []

    @pytest.mark.parametrize("kind", ["alert", "case"])
    async def test_recorded_changed_and_removed(self, world: Any, kind: str) -> None:
        parent = await (world.alert() if kind == "alert" else world.case())
        made = (await world.soc.post(f"/api/v1/{kind}/{parent['_id']}/procedure", json=PROCEDURE)).json()
        assert (made["patternName"], made["tacticLabel"], made["description"]) == ("Python", "Execution", "a script")
        steps = [{"_name": f"get{kind.capitalize()}", "idOrName": parent["_id"]}, {"_name": "procedures"}]
        assert await world.query(*steps) == [made]
        assert await world.query({"_name": "getProcedure", "idOrName": made["_id"]}) == [made]
        path = f"/api/v1/procedure/{made['_id']}"
        assert (await world.soc.patch(path, json={"patternId": "T1566", "description": None})).status_code == 204
        (after,) = await world.query(*steps)
        assert (after["patternName"], after["tactic"]) == ("Phishing", "initial-access") and "description" not in after
        assert (await world.soc.patch(path, json={"tactic": "execution"})).status_code == 400
        assert (await world.soc.delete(path)).status_code == 204
        assert await world.query(*steps) == []

    async def test_several_at_once_are_all_or_none(self, world: Any) -> None:
        case = await world.case()
        path = f"/api/v1/case/{case['_id']}/procedures"
        unknown = {"procedures": [PROCEDURE, {**PROCEDURE, "patternId": "T0000"}]}
        assert (await world.soc.post(path, json=unknown)).status_code == 404
        assert await world.query({"_name": "listProcedure"}) == []
        made = (await world.soc.post(path, json={"procedures": [PROCEDURE, PROCEDURE]})).json()
        assert len({one["_id"] for one in made}) == 2
        ids = [one["_id"] for one in made]
        assert (await world.soc.post("/api/v1/procedure/delete/_bulk", json={"ids": [*ids, "~1"]})).status_code == 404
        assert len(await world.query({"_name": "listProcedure"})) == 2
        assert (await world.soc.post("/api/v1/procedure/delete/_bulk", json={"ids": ids})).status_code == 204
        assert await world.query({"_name": "listProcedure"}) == []

    async def test_the_tactic_may_be_left_out_where_there_is_one(self, world: Any) -> None:
        case = await world.case()
        path = f"/api/v1/case/{case['_id']}/procedure"
        plain = {"occurDate": 1, "patternId": "T1566.001"}
        assert (await world.soc.post(path, json=plain)).json()["tactic"] == "initial-access"
        several = await world.soc.post(path, json={"occurDate": 1, "patternId": "T1078"})
        assert several.status_code == 400 and "persistence" in several.json()["message"]
        wrong = await world.soc.post(path, json={**plain, "tactic": "impact"})
        assert wrong.status_code == 400

    async def test_the_catalogue(self, world: Any) -> None:
        case = await world.case()
        await world.soc.post(f"/api/v1/case/{case['_id']}/procedure", json=PROCEDURE)
        pattern = (await world.reader.get("/api/v1/pattern/T1059.006")).json()
        assert (pattern["name"], pattern["tactics"], pattern["revoked"]) == ("Python", ["execution"], False)
        assert pattern["url"] == "https://attack.mitre.org/techniques/T1059/006"
        assert (await world.reader.get(f"/api/v1/pattern/{pattern['_id']}")).json() == pattern
        assert (await world.reader.get("/api/v1/pattern/T0000")).status_code == 404
        assert (await world.reader.get(f"/api/v1/pattern/case/{case['_id']}")).json() == [pattern]
        assert (await world.other.get(f"/api/v1/pattern/case/{case['_id']}")).status_code == 404
        found = await world.query({"_name": "listPattern"}, {"_name": "filter", "_eq": {"_field": "tactics", "_value": "impact"}})
        assert len(found) > 20 and all("impact" in one["tactics"] for one in found)


class TestProceduresOfNewAlerts:
    async def test_made_with_the_alert_or_not_at_all(self, world: Any) -> None:
        alert = await world.alert(procedures=[PROCEDURE, {"occurDate": 5, "patternId": "T1566"}])
        found = await world.query({"_name": "getAlert", "idOrName": alert["_id"]}, {"_name": "procedures"})
        assert [(one["patternId"], one["tactic"]) for one in found] == [("T1059.006", "execution"), ("T1566", "initial-access")]
        body = {"type": "a", "source": "b", "title": "t", "description": "d"}
        for number, (one, status) in enumerate(
            [({**PROCEDURE, "patternId": "T0000"}, 404), ({**PROCEDURE, "tactic": "impact"}, 400), ({"patternId": "T1566"}, 400)]
        ):
            answer = await world.soc.post("/api/v1/alert", json={**body, "sourceRef": str(number), "procedures": [one]})
            assert answer.status_code == status, one
        assert len(await world.query({"_name": "listAlert"})) == 1
        case = (await world.soc.post(f"/api/v1/alert/{alert['_id']}/case", json={})).json()
        brought = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "procedures"})
        assert [one["patternId"] for one in brought] == ["T1059.006", "T1566"]

    async def test_told_by_a_source_what_is_known_is_kept_and_later_ones_are_added(self, world: Any) -> None:
        alert = {
            "type": "misp", "source": "circl", "source_ref": "5f1f", "title": "Event", "date": 1000, "last_sync_date": 100,
        }  # fmt: skip
        named = [{"pattern_id": "T1566", "tactic": "no-such"}, {"pattern_id": "T0000"}]
        await tell(world, {"alert": alert, "procedures": named})
        more = [*named, {"pattern_id": "T1059.006", "occur_date": 7}]
        await tell(world, {"alert": {**alert, "last_sync_date": 200}, "procedures": more})
        found = await world.query({"_name": "listAlert"}, {"_name": "procedures"})
        assert [(one["patternId"], one["tactic"], one["occurDate"]) for one in found] == [
            ("T1566", "initial-access", 1000), ("T1059.006", "execution", 7),
        ]  # fmt: skip


async def tell(world: Any, data: dict[str, Any]) -> None:
    """A message of the connector, as the bus hands it over."""
    kind = "alert.raised.v1"
    envelope = Envelope(
        id=uuid7(), type=kind, source="misp-connector", time=now_ms(), organisation="soc", key="test", data=data, data_ref=None
    )
    await on_alert(world.hive, Delivery(envelope, MESSAGES[kind].model_validate(data), 1, "hive.alerts"))


class TestTimeline:
    async def test_access(self, world: Any) -> None:
        case = await world.case()
        path = f"/api/v1/case/{case['_id']}"
        event = {"date": 5, "title": "Call"}
        assert (await world.anonymous.get(f"{path}/timeline")).status_code == 401
        assert (await world.other.get(f"{path}/timeline")).status_code == 404
        assert (await world.reader.post(f"{path}/customEvent", json=event)).status_code == 403
        assert (await world.other.post(f"{path}/customEvent", json=event)).status_code == 404
        made = (await world.soc.post(f"{path}/customEvent", json=event)).json()
        assert (await world.other.delete(f"/api/v1/customEvent/{made['_id']}")).status_code == 404
        assert len((await world.reader.get(f"{path}/timeline")).json()["events"]) == 2

    async def test_everything_with_a_date_is_on_it(self, world: Any) -> None:
        alert = await world.alert(date=10)
        case = (await world.soc.post(f"/api/v1/alert/{alert['_id']}/case", json={"tasks": [{"title": "Look"}]})).json()
        path = f"/api/v1/case/{case['_id']}"
        await world.soc.patch(path, json={"status": "InProgress"})
        (task,) = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
        body = {"message": "seen", "includeInTimeline": 30}
        log = (await world.soc.post(f"/api/v1/task/{task['_id']}/log", json=body)).json()
        await world.soc.patch(f"/api/v1/task/{task['_id']}", json={"status": "Completed", "endDate": 50})
        sighted = await world.observable(case["_id"], ioc=True, sighted=True, sightedAt=20)
        await world.observable(case["_id"], data="quiet.example", ioc=True)
        procedure = (await world.soc.post(f"{path}/procedure", json={**PROCEDURE, "occurDate": 40})).json()
        event = (await world.soc.post(f"{path}/customEvent", json={"date": 5, "endDate": 6, "title": "Call"})).json()
        events = (await world.soc.get(f"{path}/timeline")).json()["events"]
        early = [(one["date"], one["kind"], one["entityId"]) for one in events if one["date"] <= 50]
        assert early == [
            (5, "CustomEvent", event["_id"]), (10, "AlertOccurred", alert["_id"]), (20, "IocSighted", sighted["_id"]),
            (30, "TaskLog", log["_id"]), (40, "Procedure", procedure["_id"]), (50, "TaskCompleted", task["_id"]),
        ]  # fmt: skip
        assert [one["kind"] for one in events[6:]] == ["CaseCreated", "InvestigationStarted"]
        assert events[0]["endDate"] == 6 and events[2]["details"] == {"dataType": "domain", "data": "evil.example"}

    async def test_events_are_changed_and_removed(self, world: Any) -> None:
        case = await world.case()
        path = f"/api/v1/case/{case['_id']}"
        made = (await world.soc.post(f"{path}/customEvent", json={"date": 5, "title": "Call", "description": "d"})).json()
        one = f"/api/v1/customEvent/{made['_id']}"
        assert (await world.soc.patch(one, json={"endDate": 4})).status_code == 400
        assert (await world.soc.patch(one, json={"title": "Mail", "endDate": 7, "description": None})).status_code == 204
        (after,) = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "customEvents"})
        assert (after["title"], after["endDate"], after["_type"]) == ("Mail", 7, "CustomEvent") and "description" not in after
        assert (await world.soc.delete(one)).status_code == 204
        assert [e["kind"] for e in (await world.soc.get(f"{path}/timeline")).json()["events"]] == ["CaseCreated"]

    async def test_bad_input(self, world: Any) -> None:
        case = await world.case()
        for body in ({"title": "x"}, {"date": 1}, {"date": "x", "title": "x"}, {"date": 9, "endDate": 8, "title": "x"}):
            assert (await world.soc.post(f"/api/v1/case/{case['_id']}/customEvent", json=body)).status_code == 400, body
