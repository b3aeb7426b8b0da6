"""What a page shows beside its objects when it asks for it."""

from __future__ import annotations

from typing import Any

from hive.search.extras import EXTRAS


async def shown(world: Any, *steps: dict[str, Any], names: list[str], client: Any = None) -> list[dict[str, Any]]:
    page = {"_name": "page", "from": 0, "to": 10, "extraData": names}
    return [one["extraData"] for one in await world.query(*steps, page, client=client)]


async def test_of_cases(world: Any) -> None:
    alert = await world.alert()
    case = (await world.soc.post(f"/api/v1/alert/{alert['_id']}/case", json={"tasks": [{"title": "a"}, {"title": "b"}]})).json()
    other = await world.case(title="Other")
    path = f"/api/v1/case/{case['_id']}"
    await world.observable(case["_id"], ioc=True)
    await world.soc.post(f"{path}/procedure", json={"occurDate": 1, "patternId": "T1566"})
    await world.soc.post(f"{path}/attachments", files=[("attachments", ("a.txt", b"a"))])
    await world.soc.post(f"{path}/link/case/add", json={"type": "parent", "caseId": other["_id"]})
    await world.soc.post(f"{path}/link/external/add", json={"type": "ticket", "url": "https://tracker.example/7"})
    (found,) = await shown(world, {"_name": "getCase", "idOrName": case["_id"]}, names=[*EXTRAS["case"], "nonsense", "total"])
    assert found.pop("links") == {
        "caseLinks": [{"type": "parent", "caseId": other["_id"], "number": other["number"], "title": "Other", "status": "New"}],
        "externalLinks": [{"type": "ticket", "url": "https://tracker.example/7"}],
    }
    assert found.pop("alerts") == [
        {"_id": alert["_id"], "type": "phishing", "source": "mail", "sourceRef": "1", "title": "Invoice"}
    ]
    assert "manageTask" in found.pop("permissions")
    assert found == {
        "observableStats": {"total": 1, "ioc": 1},
        "taskStats": {"total": 2, "completed": 0, "inProgress": 0, "waiting": 2, "cancel": 0},
        "alertCount": 1, "isOwner": True, "shareCount": 0, "actionRequired": False, "procedureCount": 1, "attachmentCount": 1,
        "contributors": ["org-admin@soc.example"], "owningOrganisation": "soc",
        "status": {"value": "New", "stage": "New", "colour": "#1971c2"},
    }  # fmt: skip
    back = await shown(world, {"_name": "getCase", "idOrName": other["_id"]}, names=["links", "taskStats"])
    assert [one["caseId"] for one in back[0]["links"]["caseLinks"]] == [case["_id"]]
    assert back[0]["taskStats"]["total"] == 0 and back[0]["links"]["externalLinks"] == []


async def test_of_the_parts(world: Any) -> None:
    case = await world.case(tasks=[{"title": "a"}])
    (task,) = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
    log = (await world.soc.post(f"/api/v1/task/{task['_id']}/log", json={"message": "m"})).json()
    await world.soc.put(f"/api/v1/task/{task['_id']}/actionRequired/soc")
    (of_task,) = await shown(world, {"_name": "listTask"}, names=[*EXTRAS["task"]])
    assert of_task.pop("case")["_id"] == case["_id"]
    assert of_task == {
        "caseId": case["_id"], "isOwner": True, "shareCount": 0, "actionRequired": True, "actionRequiredMap": {"soc": True},
        "logCount": 1,
    }  # fmt: skip
    (of_log,) = await shown(world, {"_name": "getLog", "idOrName": log["_id"]}, names=[*EXTRAS["log"]])
    assert (of_log["case"]["_id"], of_log["task"]["_id"], of_log["taskId"]) == (case["_id"], task["_id"], task["_id"])
    await world.observable(case["_id"])
    alert = await world.alert(observables=[{"dataType": "domain", "data": "evil.example"}])
    of_observables = await shown(world, {"_name": "listObservable"}, names=[*EXTRAS["observable"]])
    assert [one["seen"] for one in of_observables] == [True, True]
    assert {tuple(one["links"]) for one in of_observables} == {("case",), ("alert",)}
    await world.soc.post(f"/api/v1/alert/{alert['_id']}/procedure", json={"occurDate": 1, "patternId": "T1566.001"})
    (of_procedure,) = await shown(world, {"_name": "listProcedure"}, names=[*EXTRAS["procedure"]])
    assert (of_procedure["pattern"]["patternId"], of_procedure["patternParent"]["name"]) == ("T1566.001", "Phishing")
    assert of_procedure["tactic"] == {"name": "initial-access", "label": "Initial Access"}
    await world.soc.post(f"/api/v1/alert/{alert['_id']}/merge/{case['_id']}")
    (of_alert,) = await shown(world, {"_name": "listAlert"}, names=[*EXTRAS["alert"]])
    assert (of_alert["caseNumber"], of_alert["relatedCase"]["_id"]) == (case["number"], case["_id"])
    assert of_alert["procedureCount"] == 1 and of_alert["importDate"] > 0 and of_alert["status"]["stage"] == "Imported"


async def test_shown_only_as_far_as_the_caller_sees(world: Any) -> None:
    await world.admin.put("/api/v1/organisation/soc/link/other")
    case = await world.case(tasks=[{"title": "hidden"}], sharingParameters=[{"organisation": "other", "profile": "read-only"}])
    (found,) = await shown(
        world, {"_name": "listCase"}, names=["taskStats", "isOwner", "permissions", "shareCount"], client=world.other
    )
    assert found == {
        "taskStats": {"total": 0, "completed": 0, "inProgress": 0, "waiting": 0, "cancel": 0}, "isOwner": False,
        "permissions": [], "shareCount": 1,
    }  # fmt: skip
    assert case["extraData"] == {}
