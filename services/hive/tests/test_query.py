"""Lists as pages and scripts ask for them."""

from __future__ import annotations

from typing import Any

import pytest


def filtered(**expression: Any) -> dict[str, Any]:
    return {"_name": "filter", **expression}


async def refs(world: Any, *steps: dict[str, Any]) -> list[str]:
    found = await world.query({"_name": "listAlert"}, *steps, {"_name": "sort", "_fields": [{"sourceRef": "asc"}]})
    return [one["sourceRef"] for one in found]


@pytest.fixture
async def alerts(world: Any) -> None:
    await world.owner.execute(
        "INSERT INTO custom_fields (name, display_name, field_group, description, type, created_at, created_by)"
        " VALUES ('hosts', 'Hosts', 'g', 'd', 'integer', 1, 't'), ('unit', 'Unit', 'g', 'd', 'string', 1, 't')"
    )
    rows = [
        {"sourceRef": "1", "title": "Invoice 100%", "severity": 1, "tlp": 0, "date": 100, "tags": ["a", "user@example.com"]},
        {
            "sourceRef": "2",
            "title": "invoice_2",
            "severity": 2,
            "tlp": 2,
            "date": 300,
            "tags": ["b"],
            "customFields": {"hosts": 5},
        },
        {"sourceRef": "3", "title": "Scan", "severity": 3, "tlp": 3, "date": 200, "customFields": {"hosts": 50, "unit": "IT"}},
        {"sourceRef": "4", "title": "Scan", "severity": 4, "tlp": 4, "date": 200, "tags": ["a", "b"], "summary": "s"},
    ]
    for row in rows:
        await world.alert(**row)


@pytest.mark.usefixtures("alerts")
class TestFilters:
    async def test_operators(self, world: Any) -> None:
        def f(name: str, value: Any) -> dict[str, Any]:
            return {"_field": name, "_value": value}

        expected: list[tuple[dict[str, Any], list[str]]] = [
            ({}, ["1", "2", "3", "4"]),
            ({"_any": None}, ["1", "2", "3", "4"]),
            ({"_eq": f("tags", "a")}, ["1", "4"]),
            ({"_ne": f("tags", "a")}, ["2", "3"]),
            ({"_not": {"_eq": f("tags", "a")}}, ["2", "3"]),
            ({"_and": [{"_eq": f("tags", "a")}, {"_eq": f("tags", "b")}]}, ["4"]),
            ({"_or": [{"_eq": f("severity", 1)}, {"_eq": f("severity", 4)}]}, ["1", "4"]),
            ({"_or": []}, []),
            ({"_and": []}, ["1", "2", "3", "4"]),
            ({"_gte": f("tlp", 3)}, ["3", "4"]),
            ({"_lt": f("tlp", 3)}, ["1", "2"]),
            ({"_between": {"_field": "date", "_from": 100, "_to": 300}}, ["1", "3", "4"]),
            ({"_in": {"_field": "severity", "_values": [1, 2]}}, ["1", "2"]),
            ({"_like": f("title", "INVOICE")}, ["1", "2"]),
            ({"_like": f("title", "100%")}, ["1"]),
            ({"_like": f("title", "invoice_")}, ["2"]),
            ({"_like": f("title", "*oice*2")}, ["2"]),
            ({"_match": f("tags", "user@example.com")}, ["1"]),
            ({"_startsWith": f("title", "Inv")}, ["1"]),
            ({"_endsWith": f("title", "can")}, ["3", "4"]),
            ({"_has": "summary"}, ["4"]),
            ({"_has": "tags"}, ["1", "2", "4"]),
            ({"_ne": f("summary", "s")}, ["1", "2", "3"]),
            ({"_field": "title", "_value": "Scan"}, ["3", "4"]),
            ({"severity": 3}, ["3"]),
            ({"_eq": {"severity": 3}}, ["3"]),
            ({"_ne": f("_id", "no-id")}, ["1", "2", "3", "4"]),
            ({"_eq": f("customFields.hosts", 5)}, ["2"]),
            ({"_gt": f("customFields.hosts", 5)}, ["3"]),
            ({"_eq": f("customFields.unit", "IT")}, ["3"]),
            ({"_has": "customFields.hosts"}, ["2", "3"]),
            ({"_eq": f("severity", 10**40)}, []),
            ({"_eq": f("title", "\0")}, []),
            ({"_string": "scan"}, ["3", "4"]),
            ({"_gt": f("_createdAt", {"amount": 1, "unit": "days", "look": "behind"})}, ["1", "2", "3", "4"]),
            ({"_eq": f("assignee", "nobody@soc.example")}, []),
        ]
        for expression, found in expected:
            assert await refs(world, filtered(**expression)) == found, expression

    async def test_pages_and_counts(self, world: Any) -> None:
        steps = [{"_name": "listAlert"}, {"_name": "sort", "_fields": [{"date": "desc"}]}]
        page = {"_name": "page", "from": 1, "to": 3, "extraData": ["total"]}
        answer = await world.soc.post("/api/v1/query", json={"query": [*steps, page], "includeFields": ["sourceRef"]})
        assert answer.json() == [{"sourceRef": "3"}, {"sourceRef": "4"}]
        assert answer.headers["x-total"] == "4"
        assert await world.query({"_name": "listAlert"}, {"_name": "count"}) == 4
        assert await world.query({"_name": "getAlert", "idOrName": "phishing;mail;9"}) == []
        newest_first = await world.query({"_name": "listAlert"})
        assert [a["sourceRef"] for a in newest_first] == ["2", "4", "3", "1"]

    async def test_what_is_no_query(self, world: Any) -> None:
        bad: list[Any] = [
            {}, {"query": []}, {"query": "x"}, {"query": [{"_name": "listNothing"}]}, {"query": [{"_name": "filter"}]},
            {"query": [{"_name": "getAlert"}]}, {"query": [{"_name": "getAlert", "idOrName": {}}]},
            {"query": [{"_name": "listAlert"}, {"_name": "tasks"}]},
            {"query": [{"_name": "listAlert"}, filtered(_eq={"_field": "password", "_value": 1})]},
            {"query": [{"_name": "listAlert"}, filtered(_eq={"_field": "severity", "_value": "x"})]},
            {"query": [{"_name": "listAlert"}, filtered(_nonsense={"_field": "severity", "_value": 1})]},
            {"query": [{"_name": "listAlert"}, filtered(_like={"_field": "severity", "_value": "1"})]},
            {"query": [{"_name": "listAlert"}, filtered(_and={})]},
            {"query": [{"_name": "listAlert"}, {"_name": "sort", "_fields": [{"password": "asc"}]}]},
            {"query": [{"_name": "listAlert"}, {"_name": "sort", "_fields": [{"date": "up"}]}]},
            {"query": [{"_name": "listAlert"}, {"_name": "page", "from": -1, "to": 1}]},
            {"query": [{"_name": "listAlert"}, {"_name": "page"}]},
            {"query": [{"_name": "listAlert"}, {"_name": "count"}, {"_name": "count"}]},
        ]  # fmt: skip
        nested: Any = {"_eq": {"_field": "title", "_value": "x"}}
        for _ in range(50):
            nested = {"_not": nested}
        bad.append({"query": [{"_name": "listAlert"}, filtered(**nested)]})
        for body in bad:
            answer = await world.soc.post("/api/v1/query", json=body)
            assert answer.status_code == 400, (body, answer.status_code, answer.text)

    async def test_a_word_where_a_list_is_driven_from_shares(self, world: Any) -> None:
        first, second = await world.case(startDate=1), await world.case(startDate=2, tags=["x"])
        found = await world.query({"_name": "listCase"}, {"_name": "sort", "_fields": ["-startDate"]})
        assert [c["_id"] for c in found] == [second["_id"], first["_id"]]
        tagged = await world.query({"_name": "listCase"}, filtered(_eq={"_field": "tags", "_value": "x"}))
        assert [c["_id"] for c in tagged] == [second["_id"]]
        assert len(await world.query({"_name": "listUser"})) >= 3
