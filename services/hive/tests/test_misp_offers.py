"""What later publications of a MISP event do: the alert follows, what analysts edited stays, a case is only offered the news."""

from __future__ import annotations

from typing import Any

import pytest
from test_analysis import delivery, on_alert
from test_misp_export import answered, document, path
from test_misp_export import told as instance_told

from waggle.messaging import Poison

EVENT = "5f1f2a3b-1111-4222-8333-444455556666"
PUBLISHED = iter(range(100, 100_000, 100))


def uuid_of(number: int) -> str:
    return f"7b1c2c1e-3c8f-4a39-9a55-{number:012d}"


def seen(number: int, data: str, data_type: str = "domain", **more: Any) -> dict[str, Any]:
    origin = {"instance": "circl", "event": EVENT, "attribute": uuid_of(number), "attributes": [uuid_of(number)]}
    return {"data_type": data_type, "data": data, "ioc": True, "message": "", "tags": [], "origin": origin, **more}


async def publish(world: Any, *observables: dict[str, Any], case_id: str | None = None, **alert: Any) -> None:
    fields = {
        "type": "misp", "source": "circl", "source_ref": "12", "title": "Event", "description": "d", "severity": 2, "date": 1000,
        "tlp": "AMBER", "pap": "AMBER", "tags": ["src:CERT"], "last_sync_date": next(PUBLISHED), **alert,
    }  # fmt: skip
    data = {"alert": fields, "observables": observables, "complete": True, **({"case_id": case_id} if case_id else {})}
    await on_alert(world.hive, delivery("alert.raised.v1", data, source="misp-connector", queue="hive.alerts"))


async def the_alert(world: Any) -> dict[str, Any]:
    (alert,) = await world.query({"_name": "listAlert"})
    return dict(alert)


async def observables_of(world: Any, kind: str, reference: str) -> dict[str, dict[str, Any]]:
    rows = await world.query({"_name": kind, "idOrName": reference}, {"_name": "observables"})
    return {one.get("data") or one["attachment"]["name"]: one for one in rows}


@pytest.fixture
async def case(world: Any) -> dict[str, Any]:
    """A case of an event with three domains."""
    await publish(world, *(seen(n, f"d{n}.example") for n in (1, 2, 3)))
    alert = await the_alert(world)
    answer = await world.soc.post(f"/api/v1/alert/{alert['_id']}/case", json={})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def offers(world: Any, case: dict[str, Any], state: str = "open") -> list[dict[str, Any]]:
    answer = await world.soc.get(f"/api/v1/case/{case['_id']}/offers", params={"state": state})
    assert answer.status_code == 200, answer.text
    return list(answer.json())


async def decide(world: Any, case: dict[str, Any], client: Any = None, **lists: list[str]) -> Any:
    return await (client or world.soc).post(f"/api/v1/case/{case['_id']}/offers", json=lists)


class TestTheAlert:
    async def test_what_analysts_edited_stays(self, world: Any) -> None:
        await publish(world, seen(1, "a.example", message="theirs", tags=["kit"]), seen(2, "b.example"), tags=["src:CERT", "old"])
        alert = await the_alert(world)
        change = {"title": "Mine", "addTags": ["mine"], "removeTags": ["old"]}
        assert (await world.soc.patch(f"/api/v1/alert/{alert['_id']}", json=change)).status_code == 204
        mine = (await observables_of(world, "getAlert", alert["_id"]))["a.example"]
        edit = {"message": "my note", "ioc": False, "removeTags": ["kit"]}
        assert (await world.soc.patch(f"/api/v1/observable/{mine['_id']}", json=edit)).status_code == 204
        await publish(
            world, seen(1, "a.example", message="theirs, edited", tags=["kit", "new"]), seen(2, "b.example", message="more"),
            title="Theirs II", severity=3, tags=["src:CERT", "old", "fresh"],
        )  # fmt: skip
        after = await the_alert(world)
        assert (after["title"], after["severity"], after["tags"]) == ("Mine", 3, ["src:CERT", "mine", "fresh"])
        stored = await observables_of(world, "getAlert", alert["_id"])
        assert (stored["a.example"]["message"], stored["a.example"]["ioc"], stored["a.example"]["tags"]) == (
            "my note", False, ["new"],
        )  # fmt: skip
        assert stored["b.example"]["message"] == "more"

    async def test_an_edited_attribute_is_the_same_observable(self, world: Any) -> None:
        await publish(world, seen(1, "a.example"))
        before = (await observables_of(world, "getAlert", (await the_alert(world))["_id"]))["a.example"]
        await publish(world, seen(1, "b.example"))
        stored = await observables_of(world, "getAlert", (await the_alert(world))["_id"])
        assert list(stored) == ["b.example"]
        assert stored["b.example"]["_id"] == before["_id"] and stored["b.example"]["message"] == "was: a.example"
        found = await world.query({"_name": "listObservable"}, {"_name": "filter", "_field": "data", "_value": "b.example"})
        assert [one["_id"] for one in found] == [before["_id"]]

    async def test_what_went_is_shown_and_may_come_back(self, world: Any) -> None:
        await publish(world, seen(1, "a.example"), seen(2, "b.example"))
        await publish(world, seen(1, "a.example"))
        alert = await the_alert(world)
        tags = {name: one["tags"] for name, one in (await observables_of(world, "getAlert", alert["_id"])).items()}
        assert tags == {"a.example": [], "b.example": ["misp:removed"]}
        await publish(world, seen(1, "a.example"), seen(2, "b.example"))
        assert not [one for one in (await observables_of(world, "getAlert", alert["_id"])).values() if one["tags"]]


class TestWhoDecides:
    async def test_access(self, world: Any, case: dict[str, Any]) -> None:
        where = f"/api/v1/case/{case['_id']}/offers"
        await publish(world, *(seen(n, f"d{n}.example") for n in (1, 2, 3, 4)))
        (new,) = await offers(world, case)
        for client, reading, deciding in ((world.anonymous, 401, 401), (world.other, 404, 404), (world.reader, 200, 403)):
            assert (await client.get(where)).status_code == reading
            assert (await decide(world, case, client, accept=[new["_id"]])).status_code == deciding
        assert [one["_id"] for one in await offers(world, case)] == [new["_id"]]

    async def test_bad_requests(self, world: Any, case: dict[str, Any]) -> None:
        assert (await decide(world, case, accept=["~1"])).status_code == 404
        assert (await decide(world, case, accept=["x"])).status_code == 404
        assert (await decide(world, case, other=[])).status_code == 400
        assert (await world.soc.get(f"/api/v1/case/{case['_id']}/offers", params={"state": "odd"})).status_code == 400
        assert (await world.soc.get("/api/v1/case/~1/offers")).status_code == 404


class TestOffers:
    async def test_the_case_is_not_touched_until_somebody_says_so(self, world: Any, case: dict[str, Any]) -> None:
        await publish(world, seen(1, "d1.example", message="now known"), seen(2, "d2.example"), seen(4, "d4.example", tlp="RED"))
        assert set(await observables_of(world, "getCase", case["_id"])) == {"d1.example", "d2.example", "d3.example"}
        found = {one["kind"]: one for one in await offers(world, case)}
        assert {kind: one["data"] for kind, one in found.items()} == {
            "add": "d4.example", "change": "d1.example", "remove": "d3.example",
        }  # fmt: skip
        assert found["change"]["changes"] == {"message": "now known"}
        assert (found["add"]["changes"]["tlp"], found["add"]["alertId"]) == ("RED", (await the_alert(world))["_id"])
        assert (await the_alert(world))["read"] is False

        answer = await decide(world, case, accept=[one["_id"] for one in found.values()])
        assert (answer.status_code, {one["state"] for one in answer.json()}) == (200, {"accepted"})
        stored = await observables_of(world, "getCase", case["_id"])
        assert stored["d4.example"]["tags"] == ["misp:update"] and stored["d4.example"]["tlpLabel"] == "RED"
        assert (stored["d1.example"]["message"], stored["d1.example"]["tags"]) == ("now known", ["misp:update"])
        assert (stored["d3.example"]["ioc"], stored["d3.example"]["tags"]) == (False, ["misp:removed"])
        assert await offers(world, case) == []
        assert (await decide(world, case, refuse=[found["add"]["_id"]])).status_code == 400

    async def test_refused_for_good(self, world: Any, case: dict[str, Any]) -> None:
        three = [seen(n, f"d{n}.example") for n in (1, 2, 3)]
        await publish(world, *three, seen(4, "d4.example"))
        (new,) = await offers(world, case)
        assert (await decide(world, case, refuse=[new["_id"]])).status_code == 200
        await publish(world, *three, seen(4, "d4.example", message="again"))
        assert await offers(world, case) == []
        assert "d4.example" not in await observables_of(world, "getCase", case["_id"])
        assert [(one["state"], one["decidedBy"]) for one in await offers(world, case, "refused")] == [
            ("refused", "org-admin@soc.example")
        ]

    async def test_withdrawn_when_the_source_takes_it_back(self, world: Any, case: dict[str, Any]) -> None:
        three = [seen(n, f"d{n}.example") for n in (1, 2, 3)]
        await publish(world, *three, seen(4, "d4.example"))
        await publish(world, *three)
        assert await offers(world, case) == [] and len(await offers(world, case, "withdrawn")) == 1
        await publish(world, *three[:2])
        await publish(world, *three)
        assert await offers(world, case) == []

    async def test_what_the_analyst_deleted_or_edited_in_the_case_survives(self, world: Any, case: dict[str, Any]) -> None:
        stored = await observables_of(world, "getCase", case["_id"])
        await world.soc.delete(f"/api/v1/observable/{stored['d1.example']['_id']}")
        await world.soc.patch(f"/api/v1/observable/{stored['d2.example']['_id']}", json={"message": "mine"})
        await publish(world, *(seen(n, f"d{n}.example") for n in (1, 2, 3)), severity=4)
        assert await offers(world, case) == []
        after = await observables_of(world, "getCase", case["_id"])
        assert set(after) == {"d2.example", "d3.example"} and after["d2.example"]["message"] == "mine"

    async def test_an_alert_that_is_not_followed_offers_nothing(self, world: Any, case: dict[str, Any]) -> None:
        alert = await the_alert(world)
        await world.soc.post(f"/api/v1/alert/{alert['_id']}/unfollow")
        await publish(world, seen(9, "new.example"))
        assert await offers(world, case) == []

    async def test_a_closed_case_stays_closed(self, world: Any, case: dict[str, Any]) -> None:
        closed = {"status": "TruePositive", "summary": "done", "impactStatus": "NotApplicable"}
        assert (await world.soc.patch(f"/api/v1/case/{case['_id']}", json=closed)).status_code == 204
        await publish(world, seen(9, "new.example"))
        assert (await world.soc.get(f"/api/v1/case/{case['_id']}")).json()["stage"] == "Closed"
        assert "add" in [one["kind"] for one in await offers(world, case)]

    async def test_they_go_where_the_case_goes(self, world: Any, case: dict[str, Any]) -> None:
        await publish(world, *(seen(n, f"d{n}.example") for n in (1, 2, 3, 4)))
        second = await world.case()
        merged = await world.soc.post(f"/api/v1/case/_merge/{case['_id']},{second['_id']}")
        assert merged.status_code == 201, merged.text
        assert [one["data"] for one in await offers(world, merged.json())] == ["d4.example"]


async def test_what_others_add_to_our_export_is_offered_and_makes_no_alert(world: Any) -> None:
    await instance_told(world)
    case = await world.case()
    await world.observable(case["_id"], ioc=True)
    await world.soc.post(path(case))
    await answered(world, case)
    for _ in range(2):
        await publish(world, seen(1, "evil.example"), seen(2, "added.example"), case_id=case["_id"])
    assert await world.query({"_name": "listAlert"}) == []
    (new,) = await offers(world, case)
    assert (new["kind"], new["data"], new["alertId"]) == ("add", "added.example", None)
    await publish(world, seen(3, "x.example"), case_id="~999999")
    assert await world.query({"_name": "listAlert"}) == []


async def test_an_export_names_the_event_the_case_came_from(world: Any, case: dict[str, Any]) -> None:
    await instance_told(world)
    assert (await world.soc.post(path(case))).status_code == 204
    shown = await document(world)
    assert shown["sources"] == [{"instance": "circl", "event": EVENT}]
    assert {one["data"] for one in shown["observables"]} == {"d1.example", "d2.example", "d3.example"}


async def test_a_receiver_that_is_not_there_is_told_to_the_source(world: Any) -> None:
    data = {"alert": {"type": "misp", "source": "circl", "source_ref": "1", "title": "x", "date": 1, "last_sync_date": 1}}
    lost = delivery("alert.raised.v1", data, organisation="Sock", source="misp-connector", queue="hive.alerts")
    with pytest.raises(Poison, match="no organisation Sock"):
        await on_alert(world.hive, lost)
    (told,) = await world.outbox("misp.receiver_unknown.v1")
    assert (told["data"], told["causation_id"]) == ({"organisation": "Sock"}, str(lost.envelope.id))
