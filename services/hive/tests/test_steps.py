"""Every step of a query that the v1 contract names (§4.2, §4.3): built ones answer with the right kind, others are refused."""

from __future__ import annotations

from typing import Any

from test_second_wall import _everything as one_of_everything

SOURCES = {
    "Alert", "Case", "Task", "Log", "Observable", "Job", "Action", "CaseTemplate", "Comment", "Page", "PageTemplate", "Procedure",
    "Pattern", "Catalog", "CustomEvent", "CustomField", "Share", "Organisation", "Profile", "User", "ObservableType", "Tag",
    "Taxonomy", "AlertStatus", "CaseStatus", "Audit",
}  # fmt: skip
RELATED = {
    "Case": "tasks observables alerts shares organisations procedures pages attachments comments allComments assignableUsers"
    " customEvents actions similarCases similarAlerts similarCasesLight similarAlertsLight linkedCases similarCaseCount"
    " similarAlertCount similarCaseLightCount similarAlertLightCount",
    "Alert": "case observables procedures comments attachments assignableUsers actions similarCases similarAlerts"
    " similarCaseCount similarAlertCount similarCasesLight similarAlertsLight",
    "Task": "case logs shares organisations assignableUsers actions inCase",
    "Observable": "case alert shares organisations similar jobs actions fromCase fromAlert fromJobReport",
    "Log": "attachments actions", "Share": "case observables tasks organisation", "CaseTemplate": "pageTemplates",
    "PageTemplate": "caseTemplates", "Organisation": "users caseTemplates alerts attachments visible",
    "User": "tasks cases alerts", "Catalog": "patterns", "Taxonomy": "tags", "Job": "observable reportObservables",
    "Procedure": "case alert pattern",
}  # fmt: skip
OTHERS = "currentUser listVisibleUsers listCaseTask waitingTasks myTasks"
COUNTS = "countCase countAlert countUnreadAlert countImportedAlert countTask countCaseObservable countAlertObservable"
NOT_BUILT = {
    "": "listAny listDashboardPage listOrganisationPage freetags tagAutoComplete listFunction",
    "Case": "taskGroups timeline caseReports", "Task": "caseTemplate", "Observable": "attachments", "CaseTemplate": "tasks",
    "Catalog": "tactics",
}  # fmt: skip


async def answered(world: Any, *steps: str) -> Any:
    return await world.soc.post("/api/v1/query", json={"query": [{"_name": step} for step in steps]})


async def test_every_source_and_relation_that_is_built(world: Any) -> None:
    await one_of_everything(world)
    for source in SOURCES:
        answer = await answered(world, f"list{source}")
        assert answer.status_code == 200 and isinstance(answer.json(), list), (source, answer.text)
        count = await answered(world, f"list{source}", "limitedCount")
        assert count.json() == len(answer.json()), source
        one = await world.query({"_name": f"get{source}", "idOrName": "~1"})
        assert one == [], source
        if answer.json() and source != "Audit":
            wanted = answer.json()[0]["_id"]
            (one,) = await world.query({"_name": f"get{source}", "idOrName": wanted})
            assert one["_id"] == wanted, source
    for source, names in RELATED.items():
        for name in names.split():
            answer = await answered(world, f"list{source}", name)
            assert answer.status_code == 200, (source, name, answer.text)
            assert isinstance(answer.json(), int if name.endswith("Count") else list), (source, name)
            if not name.endswith("Count"):
                counted = await answered(world, f"list{source}", name, "count")
                assert counted.json() == len(answer.json()), (source, name, counted.text)
            assert (await answered(world, f"list{source}", name, "output")).status_code == 200
    for name in OTHERS.split():
        assert isinstance((await answered(world, name)).json(), list), name


async def test_what_is_not_built_is_refused(world: Any) -> None:
    for source, names in NOT_BUILT.items():
        for name in names.split():
            answer = await answered(world, *([f"list{source}"] if source else []), name)
            assert (answer.status_code, answer.json()["type"]) == (400, "BadRequest"), (source, name)


async def test_older_counts(world: Any) -> None:
    await one_of_everything(world)
    await world.alert(sourceRef="2")
    alert = await world.alert(sourceRef="3")
    assert (await world.soc.post(f"/api/v1/alert/{alert['_id']}/case", json={})).status_code == 201
    counts = {name: (await answered(world, name)).json() for name in COUNTS.split()}
    assert counts == {
        "countCase": 2, "countAlert": 3, "countUnreadAlert": 2, "countImportedAlert": 1, "countTask": 1, "countCaseObservable": 1,
        "countAlertObservable": 1,
    }  # fmt: skip


class TestSimilar:
    async def test_cases_and_alerts_with_the_same_observables(self, world: Any) -> None:
        shared = [{"dataType": "ip", "data": "192.0.2.1", "ioc": True}, {"dataType": "domain", "data": "a.example"}]
        alert = await world.alert(observables=shared)
        other = await world.alert(sourceRef="2", observables=[*shared, {"dataType": "ip", "data": "192.0.2.9"}])
        case = await world.case()
        await world.observable(case["_id"], dataType="ip", data="192.0.2.1", ioc=True)
        await world.alert(world.other, observables=shared)
        ignored = await world.case(title="Ignored")
        await world.observable(ignored["_id"], dataType="ip", data="192.0.2.1", ignoreSimilarity=True)
        get = {"_name": "getAlert", "idOrName": alert["_id"]}
        (found,) = await world.query(get, {"_name": "similarCases"})
        assert found.pop("case")["_id"] == case["_id"]
        assert found == {
            "similarObservableCount": 1, "observableCount": 1, "similarIocCount": 1, "iocCount": 1, "observableTypes": {"ip": 1},
        }  # fmt: skip
        (found,) = await world.query(get, {"_name": "similarAlerts"})
        assert found["alert"]["_id"] == other["_id"]
        assert (found["similarObservableCount"], found["observableCount"]) == (2, 3)
        assert found["observableTypes"] == {"ip": 1, "domain": 1}
        of_case = [{"_name": "getCase", "idOrName": case["number"]}, {"_name": "similarAlerts"}]
        assert [one["alert"]["_id"] for one in await world.query(*of_case)] == [other["_id"], alert["_id"]]
        page = {"_name": "page", "from": 1, "to": 5, "extraData": ["total"]}
        answer = await world.soc.post("/api/v1/query", json={"query": [*of_case, page]})
        assert (len(answer.json()), answer.headers["x-total"]) == (1, "2")
        assert await world.query(of_case[0], {"_name": "similarAlertCount"}) == 2
        assert await world.query({"_name": "getAlert", "idOrName": "~1"}, {"_name": "similarCases"}) == []

    async def test_strangers_compare_nothing(self, world: Any) -> None:
        alert = await world.alert(observables=[{"dataType": "ip", "data": "192.0.2.1"}])
        await world.alert(sourceRef="2", observables=[{"dataType": "ip", "data": "192.0.2.1"}])
        steps = [{"_name": "getAlert", "idOrName": alert["_id"]}, {"_name": "similarAlerts"}]
        assert await world.query(*steps, client=world.other) == []
        assert (await world.anonymous.post("/api/v1/query", json={"query": steps})).status_code == 401

    async def test_what_cannot_follow(self, world: Any) -> None:
        for steps in (
            [{"_name": "listTask"}, {"_name": "similarCases"}], [{"_name": "similarCases"}],
            [{"_name": "listCase"}, {"_name": "similarCases"}, {"_name": "sort", "_fields": ["-number"]}],
            [{"_name": "listCase"}, {"_name": "page", "from": 0, "to": 1}, {"_name": "similarCases"}],
        ):  # fmt: skip
            answer = await world.soc.post("/api/v1/query", json={"query": steps})
            assert answer.status_code == 400, steps
        export = {"query": [{"_name": "listCase"}, {"_name": "similarCases"}]}
        assert (await world.soc.post("/api/v1/query/_export", json=export)).status_code == 400
