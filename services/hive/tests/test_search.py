"""What filters of both APIs find: texts through the search views, side rows, and never another organisation's."""

from __future__ import annotations

from typing import Any

import pytest


def f(name: str, value: Any) -> dict[str, Any]:
    return {"_field": name, "_value": value}


@pytest.fixture
async def filled(world: Any) -> None:
    """Alerts 1 to 3, a case with a task, a log and observables; all of them of `soc`."""
    await world.owner.execute(
        "INSERT INTO custom_fields (name, display_name, field_group, description, type, created_at, created_by)"
        " SELECT n, n, 'g', 'd', t, 1, 't' FROM (VALUES ('hosts', 'integer'), ('unit', 'string'), ('vip', 'boolean')) v (n, t)"
    )
    await world.alert(
        sourceRef="1",
        title="Wire transfer",
        description="Ask user@example.com about Müller's 2 invoices",
        date=100,
        tags=["a", "tlp:amber"],
        customFields={"unit": "x" * 300, "vip": True},
        observables=[{"dataType": "domain", "data": "Evil.Example"}, {"dataType": "url", "data": "https://evil.example/100%_a"}],
    )
    await world.alert(
        sourceRef="2", title="Beacon", description="every 60 seconds", date=300, tags=["b"], assignee="analyst@soc.example"
    )
    await world.alert(
        sourceRef="3", title="Transferred wire", description="noise", date=200, customFields={"hosts": 7, "vip": False}
    )
    case = await world.case(title="Transfer fraud", description="Money is gone", tags=["fraud"], customFields={"unit": "IT"})
    task = await world.soc.post(
        f"/api/v1/case/{case['_id']}/task", json={"title": "Call the bank", "description": "Zürich office"}
    )
    assert task.status_code == 201, task.text
    await world.soc.post(f"/api/v1/task/{task.json()['_id']}/log", json={"message": "Nobody answered"})
    await world.observable(case["_id"], dataType="mail", data="mule@bank.example", tags=["mule"])


async def alerts(world: Any, expression: dict[str, Any], client: Any = None) -> list[str]:
    steps = [{"_name": "listAlert"}, {"_name": "filter", **expression}, {"_name": "sort", "_fields": [{"sourceRef": "asc"}]}]
    found = [one["sourceRef"] for one in await world.query(*steps, client=client)]
    assert await world.query(*steps[:2], {"_name": "count"}, client=client) == len(found), "a page and a count differ"
    return found


async def first(world: Any, source: str, expression: dict[str, Any], client: Any = None) -> list[dict[str, Any]]:
    steps = [{"_name": source}, {"_name": "filter", **expression}]
    found = list(await world.query(*steps, client=client))
    assert await world.query(*steps, {"_name": "count"}, client=client) == len(found), "a page and a count differ"
    return found


async def classic(world: Any, path: str, query: Any, client: Any = None) -> list[dict[str, Any]]:
    answer = await (client or world.soc).post(f"/api/{path}/_search?range=all", json={"query": query})
    assert answer.status_code == 200, (query, answer.text)
    assert answer.headers["x-total"] == str(len(answer.json()))
    return list(answer.json())


@pytest.mark.usefixtures("filled")
class TestAccess:
    async def test_anonymous_searches_nothing(self, world: Any) -> None:
        assert (await world.anonymous.post("/api/v1/query", json={"query": [{"_name": "listAlert"}]})).status_code == 401
        assert (await world.anonymous.post("/api/alert/_search", json={"query": {}})).status_code == 401

    async def test_no_filter_finds_what_another_organisation_has(self, world: Any) -> None:
        for expression in (
            {},
            {"_not": {"_eq": f("title", "x")}},
            {"_string": "wire"},
            {"_string": "w*re"},
            {"_like": f("title", "wire")},
            {"_match": f("description", "invoices")},
            {"_eq": f("tags", "a")},
            {"_not": {"_eq": f("tags", "x")}},
            {"_eq": f("customFields.hosts", 7)},
            {"_has": "customFields.unit"},
            {"_eq": f("assignee", "analyst@soc.example")},
        ):
            assert await alerts(world, expression, world.other) == [], expression
            assert await first(world, "listCase", {"_string": "fraud"}, world.other) == []
        for source in ("listObservable", "listTask", "listLog"):
            assert await first(world, source, {"_any": None}, world.other) == []
        assert await first(world, "listObservable", {"_like": f("data", "evil")}, world.other) == []
        for path in ("alert", "case", "case/task", "case/task/log", "case/artifact"):
            assert await classic(world, path, {"_string": "*"}, world.other) == []

    async def test_a_received_case_is_found_by_its_owners_tags_and_fields(self, world: Any) -> None:
        await world.owner.execute(
            "INSERT INTO case_shares (case_id, org_id, owner, profile_id, start_date) SELECT c.id, $1, false, p.id, c.start_date"
            " FROM cases c, profiles p WHERE p.name = 'analyst'",
            world.organisations["other"],
        )
        for expression in (
            {"_eq": f("tags", "fraud")},
            {"_eq": f("customFields.unit", "IT")},
            {"_string": "money"},
            {"_like": f("title", "fraud")},
        ):
            assert len(await first(world, "listCase", expression, world.other)) == 1, expression
        case = {"_name": "getCase", "idOrName": 1}
        assert await world.query(case, {"_name": "observables"}, client=world.other) == []
        await world.owner.execute(
            "INSERT INTO observable_shares SELECT id, $1 FROM observables WHERE case_id IS NOT NULL", world.organisations["other"]
        )
        reached = await world.query(case, {"_name": "observables"}, client=world.other)
        assert [one["data"] for one in reached] == ["mule@bank.example"]
        listed = await first(world, "listObservable", {"_any": None}, world.other)
        assert [one["data"] for one in listed] == ["mule@bank.example"]  # what was shared, and nothing beside it


@pytest.mark.usefixtures("filled")
class TestTexts:
    async def test_words_of_alerts(self, world: Any) -> None:
        for expression, expected in (
            ({"_string": "wire"}, ["1", "3"]),
            ({"_string": "WIRE transfer"}, ["1"]),
            ({"_string": '"transferred wire"'}, ["3"]),
            ({"_string": "wire -noise"}, ["1"]),
            ({"_string": "beacon OR noise"}, ["2", "3"]),
            ({"_string": "muller"}, ["1"]),
            ({"_string": "user@example.com"}, ["1"]),
            ({"_string": "example.com"}, ["1"]),
            ({"_string": '"tlp:amber"'}, ["1"]),
            ({"_string": "trans*red"}, ["3"]),
            ({"_string": 'title:"wire transfer" AND severity:2'}, ["1"]),
            ({"_string": "wir"}, []),
            ({"_string": "*"}, ["1", "2", "3"]),
            ({"_match": f("description", "user@example.com")}, ["1"]),
            ({"_match": f("description", "EXAMPLE")}, ["1"]),
            ({"_match": f("title", "invoices")}, []),
            ({"_match": f("title", "wire transfer")}, ["1"]),
            ({"_not": {"_match": f("title", "wire")}}, ["2"]),
        ):
            assert await alerts(world, expression) == expected, expression

    async def test_words_follow_a_change(self, world: Any) -> None:
        (found,) = await first(world, "listAlert", {"_string": "beacon"})
        await world.soc.patch(f"/api/v1/alert/{found['_id']}", json={"title": "Heartbeat", "addTags": ["quiet"]})
        assert await alerts(world, {"_string": "beacon"}) == []
        assert await alerts(world, {"_string": "heartbeat quiet"}) == ["2"]

    async def test_cases_and_their_parts(self, world: Any) -> None:
        for source, found, missed in (
            ("listCase", {"_string": "money fraud"}, {"_string": "bank"}),
            ("listCase", {"_match": f("title", "transfer")}, {"_match": f("title", "money")}),
            ("listTask", {"_string": "bank zurich"}, {"_string": "fraud"}),
            ("listTask", {"_match": f("description", "office")}, {"_match": f("title", "office")}),
            ("listLog", {"_string": "nobody"}, {"_string": "bank"}),
            ("listLog", {"_match": f("message", "answered")}, {"_match": f("message", "answer")}),
            ("listObservable", {"_string": "bank.example"}, {"_string": "nothing"}),
        ):
            assert len(await first(world, source, found)) == 1, (source, found)
            assert await first(world, source, missed) == [], (source, missed)

    async def test_patterns(self, world: Any) -> None:
        for operator, value, expected in (
            ("_like", "EVIL", ["Evil.Example", "https://evil.example/100%_a"]),
            ("_like", "100%_", ["https://evil.example/100%_a"]),
            ("_like", "*.example", ["Evil.Example", "mule@bank.example"]),
            ("_startsWith", "Evil", ["Evil.Example"]),
            ("_startsWith", "evil", []),
            ("_endsWith", "%_a", ["https://evil.example/100%_a"]),
            ("_endsWith", "%a", []),
        ):
            found = await first(world, "listObservable", {operator: f("data", value)})
            assert sorted(one["data"] for one in found) == expected, (operator, value)
        for operator, value, number in (("_eq", "Evil.Example", 1), ("_eq", "evil.example", 0), ("_ne", "Evil.Example", 2)):
            assert len(await first(world, "listObservable", {operator: f("data", value)})) == number, (operator, value)
        wanted = {"_field": "data", "_values": ["Evil.Example", "mule@bank.example", "none"]}
        assert len(await first(world, "listObservable", {"_in": wanted})) == 2
        assert await alerts(world, {"_like": f("title", "*WIRE")}) == ["3"]
        assert await alerts(world, {"_startsWith": f("title", "Wire")}) == ["1"]
        assert await alerts(world, {"_endsWith": f("title", "wire")}) == ["3"]


@pytest.mark.usefixtures("filled")
class TestValues:
    async def test_alerts(self, world: Any) -> None:
        ids = {one["sourceRef"]: one["_id"] for one in await world.query({"_name": "listAlert"})}
        for expression, expected in (
            ({"_between": {"_field": "date", "_from": 100, "_to": 300}}, ["1", "3"]),
            ({"_in": {"_field": "_id", "_values": [ids["1"], ids["3"], "none"]}}, ["1", "3"]),
            ({"_in": {"_field": "tags", "_values": ["a", "b"]}}, ["1", "2"]),
            ({"_in": {"_field": "tags", "_values": []}}, []),
            ({"_not": {"_in": {"_field": "tags", "_values": ["a", "b"]}}}, ["3"]),
            ({"_startsWith": f("tags", "tlp:")}, ["1"]),
            ({"_contains": "tags"}, ["1", "2"]),
            ({"_not": {"_has": "tags"}}, ["3"]),
            ({"_eq": f("assignee", "analyst@soc.example")}, ["2"]),
            ({"_ne": f("assignee", "analyst@soc.example")}, ["1", "3"]),
            ({"_has": "user"}, ["2"]),
            ({"_id": ids["2"]}, ["2"]),
            ({"_eq": f("customFields.unit", "x" * 300)}, ["1"]),
            ({"_like": f("customFields.unit", "XX*")}, ["1"]),
            ({"_eq": f("customFields.vip", True)}, ["1"]),
            ({"_eq": f("customFields.vip", False)}, ["3"]),
            ({"_in": {"_field": "customFields.hosts", "_values": [7, 8]}}, ["3"]),
            ({"_gte": f("customFields.hosts", 7.5)}, []),
            ({"_not": {"_has": "customFields.hosts"}}, ["1", "2"]),
            (
                {
                    "_between": {
                        "_field": "_createdAt",
                        "_from": {"amount": 1, "unit": "hours"},
                        "_to": {"amount": 1, "unit": "hours", "look": "ahead"},
                    }
                },
                ["1", "2", "3"],
            ),
        ):
            assert await alerts(world, expression) == expected, expression

    async def test_what_is_wrong_is_said(self, world: Any) -> None:
        for expression, said in (
            ({"_eq": f("colour", 1)}, "there is no property colour of alert; there are _createdAt"),
            ({"_eq": f("customFields.none", 1)}, "there is no property customFields.none"),
            ({"_frobnicate": f("title", "x")}, "there is no operator _frobnicate; there are _and"),
            ({"_eq": f("customFields.hosts", "many")}, "customFields.hosts is a number"),
            ({"_like": f("date", "1*")}, "date is not a text"),
            ({"_string": "title:("}, "ends too early"),
        ):
            answer = await world.soc.post(
                "/api/v1/query", json={"query": [{"_name": "listAlert"}, {"_name": "filter", **expression}]}
            )
            assert answer.status_code == 400, expression
            assert said in answer.json()["message"], answer.json()


@pytest.mark.usefixtures("filled")
class TestClassic:
    async def test_texts_and_values(self, world: Any) -> None:
        for query, expected in (
            ({"_string": 'description:"user@example.com" OR title:beacon'}, {"1", "2"}),
            ({"_string": 'status:"New" AND wire'}, {"1", "3"}),
            ({"_like": f("title", "transfer wire")}, {"1"}),
            ({"_wildcard": f("title", "*er?ed*")}, {"3"}),
            ({"_contains": "tags"}, {"1", "2"}),
            ({"customFields.hosts": "7"}, {"3"}),
            ({"customFields.hosts.number": 7}, {"3"}),
            ({"_gte": {"customFields.hosts.integer": 7}}, {"3"}),
            ({"_child": {"_type": "alert_artifact", "_query": {"dataType": "url"}}}, {"1"}),
            ({"_between": {"_field": "date", "_from": 100, "_to": 300}}, {"1", "3"}),
        ):
            assert {one["sourceRef"] for one in await classic(world, "alert", query)} == expected, query

    async def test_relations_and_old_properties(self, world: Any) -> None:
        fraud = {"_type": "case", "_query": {"tags": "fraud"}}
        for path, query, expected in (
            ("case", {"_id": 1}, 1),
            ("case", {"caseId": "1"}, 1),
            ("case", {"status": "Deleted"}, 0),
            ("case", {"mergeInto": "x"}, 1),
            (
                "case",
                {
                    "_child": {
                        "_type": "case_task",
                        "_query": {"_child": {"_type": "case_task_log", "_query": {"_string": "nobody"}}},
                    }
                },
                1,
            ),
            ("case", {"_child": {"_type": "case_artifact", "_query": {"_like": f("data", "mule*")}}}, 1),
            ("case/task", {"_parent": fraud}, 1),
            ("case/task", {"_parent": {"_type": "case", "_id": "1"}}, 1),
            ("case/task/log", {"_parent": {"_type": "case_task", "_query": {"_parent": fraud}}}, 1),
            ("case/artifact", {"_parent": fraud}, 1),
            ("case/artifact", {"_not": {"status": "Deleted"}}, 3),
            ("case/artifact", {"status": "Deleted"}, 0),
            ("case/artifact", {"status": "Ok"}, 3),
            ("case/artifact", {"_child": {"_type": "case_artifact_job", "_query": {}}}, 0),
        ):
            assert len(await classic(world, path, query)) == expected, (path, query)
