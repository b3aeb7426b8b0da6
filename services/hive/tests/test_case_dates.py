"""Statuses of alerts and cases, the dates of first entry and the key figures that follow (hive-v1 §5.3)."""

from __future__ import annotations

from typing import Any

START = 1_700_000_000_000


async def status(world: Any, path: str, wanted: str, client: Any = None, **more: Any) -> dict[str, Any]:
    answer = await (client or world.soc).patch(path, json={"status": wanted, **more})
    assert answer.status_code == 204, answer.text
    return dict((await world.soc.get(path)).json())


async def test_a_case_keeps_the_dates_of_first_entry(world: Any) -> None:
    case = await world.case(startDate=START)
    path = f"/api/v1/case/{case['_id']}"
    assert case["timeToDetect"] == case["newDate"] - START
    assert not {"inProgressDate", "closedDate", "endDate", "timeToTriage", "timeToResolve", "handlingDuration"} & case.keys()
    working = await status(world, path, "InProgress")
    assert working["timeToTriage"] == working["inProgressDate"] - working["newDate"]
    assert working["timeToAcknowledge"] == working["inProgressDate"] - START
    closed = await status(world, path, "TruePositive", endDate=START + 10**12, summary="done", impactStatus="NoImpact")
    assert closed["endDate"] == START + 10**12 and closed["stage"] == "Closed"
    assert closed["timeToResolve"] == closed["endDate"] - closed["inProgressDate"]
    assert closed["handlingDuration"] == closed["endDate"] - closed["_createdAt"]
    assert (await status(world, path, "FalsePositive"))["endDate"] == closed["endDate"]
    again = await status(world, path, "InProgress")
    assert "endDate" not in again and again["inProgressDate"] == working["inProgressDate"]
    assert (await status(world, path, "Other"))["closedDate"] == closed["closedDate"]


async def test_reopening_a_case_needs_its_permission(world: Any) -> None:
    case = await world.case()
    path = f"/api/v1/case/{case['_id']}"
    await world.owner.execute(
        "UPDATE profiles SET permissions = array_remove(permissions, 'manageCase/reopen') WHERE name = 'analyst'"
    )
    analyst = world.client("key-soc-analyst")
    await status(world, path, "Other", client=analyst)
    await status(world, path, "Duplicated", client=analyst)
    assert (await analyst.patch(path, json={"status": "InProgress"})).status_code == 403
    await status(world, path, "InProgress")


async def test_a_mandatory_field_holds_a_case_open(world: Any) -> None:
    body = {"name": "unit", "group": "g", "description": "d", "type": "string", "mandatory": True, "options": ["it", "hr"]}
    assert (await world.admin.post("/api/v1/customField", json=body)).status_code == 201
    case = await world.case()
    path = f"/api/v1/case/{case['_id']}"
    refused = await world.soc.patch(path, json={"status": "Other"})
    assert refused.status_code == 400 and "unit" in refused.json()["message"]
    for value in ("sales", 7, ["it"]):
        assert (await world.soc.patch(path, json={"customFields": {"unit": value}})).status_code == 400, value
    await status(world, path, "Other", customFields={"unit": "it"})


async def test_figures_of_a_promoted_case_count_from_the_alert(world: Any) -> None:
    alert = await world.alert(date=START)
    worked = await status(world, f"/api/v1/alert/{alert['_id']}", "InProgress")
    case = (await world.soc.post(f"/api/v1/alert/{alert['_id']}/case", json={})).json()
    after = (await world.soc.get(f"/api/v1/alert/{alert['_id']}")).json()
    assert (case["alertDate"], case["alertNewDate"]) == (START, alert["newDate"])
    assert (case["alertInProgressDate"], case["alertImportedDate"]) == (worked["inProgressDate"], after["importedDate"])
    assert case["timeToDetect"] == alert["newDate"] - START
    assert case["timeToQualify"] == after["importedDate"] - alert["newDate"] == after["timeToQualify"]
    assert after["inProgressDate"] == worked["inProgressDate"]
    closed = await status(world, f"/api/v1/case/{case['_id']}", "Other")
    assert closed["timeToResolve"] == closed["endDate"] - worked["inProgressDate"]


async def test_an_alert_goes_forward_freely_and_back_with_permission(world: Any) -> None:
    await world.owner.execute(
        "UPDATE profiles SET permissions = array_remove(permissions, 'manageAlert/reopen') WHERE name = 'analyst'"
    )
    alert = await world.alert()
    path, analyst = f"/api/v1/alert/{alert['_id']}", world.client("key-soc-analyst")
    assert (await status(world, path, "Pending", client=analyst))["stage"] == "InProgress"
    assert (await analyst.patch(path, json={"status": "New"})).status_code == 403
    closed = await status(world, path, "Duplicated", client=analyst)
    assert (closed["status"], closed["stage"], closed["read"]) == ("Duplicate", "Closed", True)
    assert (await status(world, path, "FalsePositive", client=analyst))["closedDate"] == closed["closedDate"]
    assert (await analyst.patch(path, json={"status": "InProgress"})).status_code == 403
    assert (await status(world, path, "New"))["read"] is False
    for wanted in ("Imported", "Closed", "nonsense"):
        assert (await world.soc.patch(path, json={"status": wanted})).status_code == 400, wanted
