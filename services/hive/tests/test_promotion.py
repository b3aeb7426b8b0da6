"""From alert to case: promoted, merged, imported."""

from __future__ import annotations

from typing import Any

OBSERVABLES = [
    {"dataType": "domain", "data": "evil.example", "tags": ["alert"], "ioc": True},
    {"dataType": "ip", "data": "192.0.2.1"},
]


async def test_promotion_needs_the_permission(world: Any) -> None:
    alert = await world.alert()
    for client, code in ((world.anonymous, 401), (world.reader, 403), (world.other, 404)):
        assert (await client.post(f"/api/v1/alert/{alert['_id']}/case", json={})).status_code == code


async def test_promotion_with_a_template(world: Any) -> None:
    alert = await world.alert(tags=["mine"], severity=3, observables=OBSERVABLES)
    answer = await world.soc.post(f"/api/v1/alert/{alert['_id']}/case", json={"caseTemplate": "Phishing"})
    assert answer.status_code == 201, answer.text
    case = answer.json()
    assert (case["number"], case["title"], case["severity"]) == (1, "[Phishing] Invoice", 3)
    assert (case["description"], case["tags"], case["assignee"]) == ("A mail", ["mine", "phishing"], "org-admin@soc.example")
    assert case == (await world.soc.get(f"/api/v1/case/{case['_id']}")).json()
    tasks = await world.query({"_name": "getCase", "idOrName": 1}, {"_name": "tasks"})
    assert [t["order"] for t in tasks] == list(range(6))
    assert tasks[0]["title"] == "Analyse the mail" and tasks[0]["status"] == "Waiting"
    copied = await world.query({"_name": "getCase", "idOrName": 1}, {"_name": "observables"})
    assert [(o["data"], o["ioc"], o["tags"]) for o in copied] == [("evil.example", True, ["alert"]), ("192.0.2.1", False, [])]
    imported = (await world.soc.get(f"/api/v1/alert/{alert['_id']}")).json()
    assert (imported["caseId"], imported["status"], imported["stage"], imported["read"]) == (
        case["_id"], "Imported", "Imported", True,
    )  # fmt: skip
    assert imported["inProgressDate"] == imported["importedDate"]
    (message,) = await world.outbox("alert.imported.v1")
    assert message["data"]["case_id"] == case["_id"]


async def test_promoting_again_answers_the_same_case(world: Any) -> None:
    alert = await world.alert()
    first = (await world.soc.post(f"/api/v1/alert/{alert['_id']}/case", json={})).json()
    again = await world.soc.post(f"/api/v1/alert/{alert['_id']}/case")
    assert (again.status_code, again.json()["_id"]) == (201, first["_id"])
    assert await world.owner.fetchval("SELECT count(*) FROM cases") == 1


async def test_the_body_overrides_the_alert(world: Any) -> None:
    alert = await world.alert()
    body = {"title": "Mine", "severity": 4, "tags": ["only"], "tasks": [{"title": "One"}], "assignee": "analyst@soc.example"}
    case = (await world.soc.post(f"/api/v1/alert/{alert['_id']}/case", json=body)).json()
    assert (case["title"], case["severity"], case["tags"], case["assignee"]) == ("Mine", 4, ["only"], "analyst@soc.example")
    tasks = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
    assert [t["title"] for t in tasks] == ["One"]


async def test_an_unknown_template(world: Any) -> None:
    named = await world.alert(sourceRef="a", caseTemplate="Nonsense")
    assert (await world.soc.post(f"/api/v1/alert/{named['_id']}/case", json={})).status_code == 201
    alert = await world.alert(sourceRef="b")
    answer = await world.soc.post(f"/api/v1/alert/{alert['_id']}/case", json={"caseTemplate": "Nonsense"})
    assert (answer.status_code, answer.json()["type"]) == (404, "NotFoundError")
    assert (await world.soc.get(f"/api/v1/alert/{alert['_id']}")).json()["status"] == "New"


async def test_merging_unites(world: Any) -> None:
    case = await world.case(tags=["case"])
    await world.observable(case["_id"], tags=["case"])
    alert = await world.alert(tags=["alert"], observables=OBSERVABLES)
    answer = await world.soc.post(f"/api/v1/alert/{alert['_id']}/merge/{case['number']}")
    assert answer.status_code == 200, answer.text
    merged = answer.json()
    assert merged["description"] == "Something happened\n  \n#### Merged with alert #1 Invoice\n\nA mail"
    assert merged["tags"] == ["case", "alert"]
    stored = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "observables"})
    assert [(o["data"], o["tags"]) for o in stored] == [("evil.example", ["case", "alert"]), ("192.0.2.1", [])]
    tagged = {"_name": "filter", "_eq": {"_field": "tags", "_value": "alert"}}
    assert len(await world.query({"_name": "getCase", "idOrName": 1}, {"_name": "observables"}, tagged)) == 1
    again = await world.soc.post(f"/api/v1/alert/{alert['_id']}/merge/{case['_id']}")
    assert (again.status_code, again.json()["message"]) == (400, "Alert is already imported")


async def test_importing_brings_observables_only(world: Any) -> None:
    case = await world.case()
    alert = await world.alert(tags=["alert"], observables=OBSERVABLES)
    imported = (await world.soc.post(f"/api/v1/alert/{alert['_id']}/import/{case['_id']}")).json()
    assert (imported["description"], imported["tags"]) == (case["description"], [])
    assert len(await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "observables"})) == 2
    assert (await world.soc.get(f"/api/v1/alert/{alert['_id']}")).json()["caseId"] == case["_id"]


async def test_a_batch_is_merged_whole_or_not_at_all(world: Any) -> None:
    case = await world.case()
    one, two = await world.alert(sourceRef="a"), await world.alert(sourceRef="b")
    body = {"caseId": case["number"], "alertIds": [one["_id"], "~1"]}
    assert (await world.soc.post("/api/v1/alert/merge/_bulk", json=body)).status_code == 404
    assert (await world.soc.get(f"/api/v1/alert/{one['_id']}")).json()["status"] == "New"
    body["alertIds"] = [one["_id"], two["_id"]]
    answer = await world.soc.post("/api/v1/alert/merge/_bulk", json=body)
    assert answer.status_code == 200
    alerts = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "alerts"})
    assert {a["_id"] for a in alerts} == {one["_id"], two["_id"]}


async def test_an_imported_alert_changes_its_mark_only(world: Any) -> None:
    alert = await world.alert()
    path = f"/api/v1/alert/{alert['_id']}"
    await world.soc.post(f"{path}/case", json={})
    await world.soc.post(f"{path}/unread")
    assert (await world.soc.get(path)).json()["read"] is False
    assert (await world.soc.get(f"/api/alert/{alert['_id']}")).json()["status"] == "Updated"
    assert (await world.soc.patch(path, json={"status": "New"})).status_code == 400
