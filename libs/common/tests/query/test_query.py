"""Both search languages on a real PostgreSQL: every operator, what is refused, and how a page is read."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from waggle.errors import BadRequest
from waggle.query import (
    CORTEX,
    HIVE_V0,
    HIVE_V1,
    Dialect,
    Entity,
    Lookup,
    Search,
    SearchError,
    count_sql,
    page_sql,
    parse_filter,
    parse_pipeline,
    parse_sort,
    where_sql,
)
from waggle.query import statement as statements
from waggle.testing import Server

from .sample import ALERTS, ALERTS_V0, CASES, ROWS, SCHEMA, TASKS, VALUES

ORG = 7
NOW = int(datetime(2026, 3, 30, 12, tzinfo=UTC).timestamp() * 1000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def connection(postgres: Server) -> AsyncIterator[asyncpg.Connection]:
    name = f"query_{secrets.token_hex(4)}"
    admin = await asyncpg.connect(postgres.url)
    await admin.execute(f"CREATE DATABASE {name}")
    made = await asyncpg.connect(postgres.database_url(name))
    await made.execute(SCHEMA)
    await made.executemany("INSERT INTO alerts VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)", ROWS)
    tags = [(r[1], tag, r[6], r[0]) for r in ROWS for tag in r[9]]
    await made.executemany("INSERT INTO alert_tags VALUES ($1, $2, $3, $4)", tags)
    dates = {r[0]: r[6] for r in ROWS}
    await made.executemany("INSERT INTO alert_fields VALUES ($1, 7, $2, $3, $4, $5, $6)", [(*v, dates[v[2]]) for v in VALUES])
    await made.execute("INSERT INTO cases VALUES (50, 7, 3, 'Big case', 'New', 1), (51, 8, 4, 'Other', 'New', 2)")
    await made.execute("INSERT INTO tasks VALUES (60, 7, 50, 'Call the bank'), (61, 8, 51, 'Call home')")
    yield made
    await made.close()
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def found(
    connection: asyncpg.Connection, expression: Any, dialect: Dialect = HIVE_V1, entity: Entity | None = None, **more: Any
) -> list[int]:
    """Ids of the page, which must be as many as the count says and as the bare condition finds."""
    entity = entity or (ALERTS_V0 if dialect is HIVE_V0 else ALERTS)
    node = parse_filter(expression, dialect, now=NOW)
    search = Search(entity, node, org=ORG, coerces=dialect.coerces, **more)
    page, counted, bare = page_sql(search, "{t}.id"), count_sql(search), where_sql(search, alias="x", first=2)
    ids = [row["id"] for row in await connection.fetch(page.sql, *page.args)]
    if search.limit is None:
        assert await connection.fetchval(counted.sql, *counted.args) == len(ids)
        sql = f"SELECT x.id FROM {entity.table} x WHERE $1::int = 1 AND {bare.sql}"
        assert sorted(row["id"] for row in await connection.fetch(sql, 1, *bare.args)) == sorted(ids)
    return ids


def f(name: str, value: Any) -> dict[str, Any]:
    return {"_field": name, "_value": value}


class TestScope:
    @pytest.mark.parametrize(
        "expression",
        [
            {},
            {"_or": [{"_any": None}, f("tags", "phishing")]},
            {"_not": f("title", "nothing of the sort")},
            f("tags", "phishing"),
            {"_id": "~5"},
            {"_in": {"_field": "tags", "_values": ["phishing"]}},
        ],
    )
    async def test_no_filter_leaves_the_organisation(self, connection: asyncpg.Connection, expression: Any) -> None:
        assert 5 not in await found(connection, expression)

    async def test_a_related_object_is_the_organisations_too(self, connection: asyncpg.Connection) -> None:
        child = {"_child": {"_type": "case_task", "_query": {"_like": f("title", "call*")}}}
        assert await found(connection, child, HIVE_V0, CASES) == [50]


class TestOperators:
    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            (None, {1, 2, 3, 4}),
            ({}, {1, 2, 3, 4}),
            ({"_any": None}, {1, 2, 3, 4}),
            ({"_and": []}, {1, 2, 3, 4}),
            ({"_or": []}, set()),
            ({"_and": [{"_eq": f("severity", 3)}, {"_eq": f("read", True)}]}, {2}),
            ({"_or": [{"_eq": f("severity", 3)}, {"_eq": f("severity", 1)}]}, {2, 3}),
            ({"_not": {"_eq": f("severity", 3)}}, {1, 3, 4}),
            ({"_eq": f("title", "Phishing mail")}, {1}),
            ({"_is": f("title", "phishing mail")}, set()),
            (f("severity", 4), {4}),
            ({"_eq": {"severity": 4}}, {4}),
            ({"severity": 4}, {4}),
            ({"_ne": f("assignee", "anna")}, {2, 3}),
            ({"_ne": f("_id", "no id")}, {1, 2, 3, 4}),
            ({"_eq": f("_id", "no id")}, set()),
            ({"_eq": f("_id", 1)}, set()),
            ({"_id": "~3"}, {3}),
            ({"_in": {"_field": "_id", "_values": ["~1", "~3", "odd", 7]}}, {1, 3}),
            ({"_in": {"_field": "severity", "_values": []}}, set()),
            ({"_in": {"_field": "severity", "_values": [1, 4]}}, {3, 4}),
            ({"_gt": f("severity", 2)}, {2, 4}),
            ({"_gte": f("severity", 2)}, {1, 2, 4}),
            ({"_lt": f("severity", 2)}, {3}),
            ({"_lte": f("severity", 2)}, {1, 3}),
            ({"_gt": f("severity", 2.5)}, {2, 4}),
            ({"_lt": f("severity", 10**30)}, {1, 2, 3, 4}),
            ({"_eq": f("severity", 2.5)}, set()),
            ({"_gt": f("score", 0)}, {1, 3}),
            ({"_lt": f("title", "b")}, {1, 2, 4}),
            ({"_between": {"_field": "date", "_from": 1000, "_to": 3000}}, {1, 2}),
            ({"_gte": f("tlp", 2)}, {1, 2, 4}),
            ({"_eq": f("tlp", 3)}, {4}),
            ({"_in": {"_field": "tlp", "_values": [1, 4, 99]}}, {2, 3}),
            ({"_eq": f("tlp", 99)}, set()),
            ({"_startsWith": f("title", "Phish")}, {1}),
            ({"_endsWith": f("title", "page")}, {3}),
            ({"_startsWith": f("title", "%")}, set()),
            ({"_like": f("title", "PHISH")}, {1, 3}),
            ({"_like": f("title", "phish*")}, {1, 3}),
            ({"_like": f("title", "*mail")}, {1}),
            ({"_like": f("title", "%_x")}, {2}),
            ({"_like": f("title", "_")}, {2}),
            ({"_match": f("description", "user@example.com")}, {1}),
            ({"_match": f("description", "EXAMPLE")}, {1}),
            ({"_match": f("description", "exam")}, set()),
            ({"_match": f("title", "phishing")}, {1, 3}),
            ({"_match": f("title", "(")}, set()),
            ({"_has": "assignee"}, {1, 3, 4}),
            ({"_contains": "assignee"}, {1, 3, 4}),
            ({"_has": "tags"}, {1, 2, 3}),
            ({"_has": "tagList"}, {1, 2, 3}),
            ({"_eq": f("assignee", None)}, {2}),
            ({"_eq": f("status", "New")}, {1, 4}),
            ({"_ne": f("status", "New")}, {2, 3}),
            ({"_in": {"_field": "status", "_values": ["Imported", "Ignored", "odd"]}}, {2, 3}),
            ({"_eq": f("status", "odd")}, set()),
            ({"_eq": f("title", "a\0b")}, set()),
            ({"_not": {"_eq": f("title", "a\0b")}}, {1, 2, 3, 4}),
            ({"_eq": f("title", "half \ud83d")}, set()),
            ({"template": "x"}, {1, 2, 3, 4}),
        ],
    )
    async def test_v1(self, connection: asyncpg.Connection, expression: Any, expected: set[int]) -> None:
        assert set(await found(connection, expression)) == expected

    @pytest.mark.parametrize("tags", ["tags", "tagList"])
    @pytest.mark.parametrize(
        ("operator", "value", "expected"),
        [
            ("_eq", "phishing", {1, 3}),
            ("_ne", "phishing", {2, 4}),
            ("_like", "ph*ing", {1, 3}),
            ("_like", "WEB", {3}),
            ("_startsWith", "c", {2}),
            ("_endsWith", "il", {1}),
            ("_match", "c2", {2}),
            ("_gt", "phishing", {3}),
        ],
    )
    async def test_any_of_several_values_will_do(
        self, connection: asyncpg.Connection, tags: str, operator: str, value: str, expected: set[int]
    ) -> None:
        assert set(await found(connection, {operator: f(tags, value)})) == expected

    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ({"_eq": f("customFields.business-unit", "finance")}, {1}),
            ({"_ne": f("customFields.business-unit", "finance")}, {2, 3, 4}),
            ({"_gte": f("customFields.affected-hosts", 5)}, {1}),
            ({"_has": "customFields.affected-hosts"}, {1, 3}),
            ({"_not": {"_has": "customFields.affected-hosts"}}, {2, 4}),
            ({"_like": f("customFields.business-unit", "I*")}, {2}),
            ({"_in": {"_field": "customFields.affected-hosts", "_values": [3, 4]}}, {3}),
        ],
    )
    async def test_custom_fields(self, connection: asyncpg.Connection, expression: Any, expected: set[int]) -> None:
        assert sorted(await found(connection, expression)) == sorted(expected)

    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ({"_field": "assignee"}, {1, 3, 4}),
            ({"_like": f("title", "mail phishing")}, {1}),
            ({"_like": f("title", "phish")}, set()),
            ({"_like": f("title", "p?ishing*")}, {1, 3}),
            ({"_wildcard": f("title", "*scan")}, {4}),
            ({"_gt": {"severity": "2"}}, {2, 4}),
            ({"severity": "4", "read": "false"}, {4}),
            ({"_between": {"_field": "date", "_from": 1000, "_to": 3000}}, {1, 2}),
            ({"_eq": f("tlp", 2)}, {1, 4}),
            ({"_gte": f("tlp", 3)}, {2}),
            ({"_type": "alert"}, {1, 2, 3, 4}),
            ({"_type": "case"}, set()),
            ({"tags": ["phishing", "web"]}, {3}),
            ({"_parent": {"_type": "case", "_query": {"title": "Big case"}}}, {3}),
            ({"_parent": {"_type": "case", "_id": "~50"}}, {3}),
            ({"_not": {"_parent": {"_type": "case", "_query": {}}}}, {1, 2, 4}),
            ({"_string": "phishing"}, {1, 3}),
            ({"_string": "phishing AND NOT severity:1"}, {1}),
            ({"_string": "phishing -page"}, {1}),
            ({"_string": 'description:"user@example.com" OR title:"Old scan"'}, {1, 4}),
            ({"_string": "severity:[2 TO 3]"}, {1, 2}),
            ({"_string": "severity:[3 TO *]"}, {2, 4}),
            ({"_string": "title:phish*"}, {1, 3}),
            ({"_string": "phis?ing"}, {1, 3}),
            ({"_string": "cli*wice"}, {3}),
            ({"_string": "title:(phish* OR beac?n*)"}, {1, 2, 3}),
            ({"_string": "tags:(c2 OR web)"}, {2, 3}),
            ({"_string": "assignee:*"}, {1, 3, 4}),
            ({"_string": "status:New"}, {1, 4}),
            ({"_string": "*"}, {1, 2, 3, 4}),
            ({"_string": "score:[-1.5 TO 1]"}, {1, 4}),
            ({"_string": "severity:4 || title:nothing"}, {4}),
            ({"_or": [{"tags": "a\0b"}, {"title": "Old scan"}]}, {4}),
            ({"_string": ""}, {1, 2, 3, 4}),
            ({"_string": "(mail OR scan) AND (read:false)"}, {1, 4}),
        ],
    )
    async def test_v0(self, connection: asyncpg.Connection, expression: Any, expected: set[int]) -> None:
        assert set(await found(connection, expression, HIVE_V0)) == expected

    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ({"_between": {"_field": "date", "_from": 1000, "_to": 3000}}, {2}),
            ({"_like": f("title", "mail")}, {1}),
            ({"_contains": "assignee"}, {1, 3, 4}),
            (f("tags", "c2"), {2}),
        ],
    )
    async def test_cortex(self, connection: asyncpg.Connection, expression: Any, expected: set[int]) -> None:
        assert set(await found(connection, expression, CORTEX)) == expected

    async def test_relations_nest_and_a_case_has_a_number(self, connection: asyncpg.Connection) -> None:
        above = {"_parent": {"_type": "case", "_query": {"_child": {"_type": "case_task", "_query": {"title": "Call the bank"}}}}}
        assert await found(connection, above, HIVE_V0, TASKS) == [60]
        assert await found(connection, {"_id": 3}, HIVE_V0, CASES) == [50]
        assert await found(connection, {"_id": "3"}, HIVE_V0, CASES) == [50]
        assert await found(connection, {"_id": "~50"}, HIVE_V0, CASES) == [50]
        assert await found(connection, f("caseId", "3"), HIVE_V0, CASES) == [50]


class TestRefused:
    @pytest.mark.parametrize(
        ("expression", "said"),
        [
            ([], "a filter is an object"),
            ("x", "a filter is an object"),
            ({"_frobnicate": 1}, "there is no operator _frobnicate; there are _and, _any, _between"),
            ({"_wildcard": f("title", "x")}, "no operator _wildcard"),
            ({"_parent": {"_type": "case", "_query": {}}}, "no operator _parent"),
            ({"_eq": f("nosuch", 1)}, "there is no property nosuch of alert; there are _id, assignee"),
            ({"nosuch": 1}, "there is no property nosuch"),
            ({"_eq": f("customFields.nosuch", 1)}, "there is no property customFields.nosuch"),
            ({"a": 1, "b": 2}, "one key, not a, b"),
            ({"_eq": f("severity", "high")}, "severity is a number"),
            ({"_eq": f("severity", "2")}, "severity is a number"),
            ({"_eq": f("severity", True)}, "severity is a number"),
            ({"_eq": f("title", 3)}, "title is a text"),
            ({"_eq": f("read", 1)}, "read is true or false"),
            ({"_gt": f("read", True)}, "has no order"),
            ({"_gt": f("severity", None)}, "an order needs"),
            ({"_gt": f("status", "New")}, "status can only be equal"),
            ({"_like": f("severity", "1")}, "severity is not a text"),
            ({"_like": {"_field": "title"}}, "_value is missing"),
            ({"_like": f("title", ["x"])}, "_like needs a text"),
            ({"_field": "title"}, "_value is missing"),
            ({"_field": 1, "_value": 1}, "_field is the name of a field"),
            ({"_and": {}}, "_and needs a list"),
            ({"_in": {"_field": "title", "_values": "x"}}, "_in needs"),
            ({"_in": {"_field": "title", "_values": [{}]}}, "plain values"),
            ({"_between": {"_field": "date", "_from": 1}}, "_between needs"),
            ({"_eq": f("title", {})}, "not with an object"),
            ({"_eq": f("status", [["New"]])}, "not with an object"),
            ({"_string": 'title:"x'}, "cannot be read"),
            ({"_string": "(a"}, "a \\) is missing"),
            ({"_string": "a AND"}, "ends too early"),
            ({"_string": "a )"}, "unexpected"),
        ],
    )
    async def test_what_is_wrong_is_said(self, connection: asyncpg.Connection, expression: Any, said: str) -> None:
        with pytest.raises(BadRequest, match=said):
            await found(connection, expression)

    async def test_no_depth_and_no_size_breaks_it(self, connection: asyncpg.Connection) -> None:
        deep: Any = {}
        for _ in range(100):
            deep = {"_not": deep}
        for expression in (deep, {"_or": [f("severity", 1)] * 2000}, {"_in": {"_field": "severity", "_values": [1] * 20_000}}):
            with pytest.raises(BadRequest, match=r"too large|at most"):
                await found(connection, expression)
        with pytest.raises(SearchError):
            await found(connection, {"_string": "(" * 500 + "a" + ")" * 500})

    @pytest.mark.parametrize(
        "text", ["'; DROP TABLE alerts; --", "\\", "[", "a{99999}", "%", "\\d", '"', "*", "?", "~", "a\nb", "é"]
    )
    async def test_no_text_is_taken_for_sql_or_a_pattern(self, connection: asyncpg.Connection, text: str) -> None:
        for operator in ("_eq", "_match", "_startsWith", "_endsWith"):
            assert set(await found(connection, {operator: f("title", text)})) <= {2}

    async def test_unknown_relations_are_named(self, connection: asyncpg.Connection) -> None:
        with pytest.raises(BadRequest, match="alert has no _parent task; there are: case"):
            await found(connection, {"_parent": {"_type": "task", "_query": {}}}, HIVE_V0)
        with pytest.raises(BadRequest, match="_query or _id"):
            await found(connection, {"_parent": {"_type": "case"}}, HIVE_V0)


class TestDates:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ({"amount": 7, "unit": "days", "look": "behind"}, "2026-03-23T12:00:00Z"),
            ({"amount": 1, "unit": "months"}, "2026-02-28T12:00:00Z"),
            ({"amount": 2, "unit": "years", "look": "ahead"}, "2028-03-30T12:00:00Z"),
            ({"amount": 0, "unit": "days", "modifier": "startOfDay", "timezone": "Europe/Zurich"}, "2026-03-29T22:00:00Z"),
            ({"amount": 2, "unit": "days", "modifier": "startOfDay", "timezone": "Europe/Zurich"}, "2026-03-27T23:00:00Z"),
            ({"amount": 1, "unit": "weeks", "modifier": "endOfDay"}, "2026-03-23T23:59:59.999Z"),
        ],
    )
    async def test_relative_dates(self, given: Any, expected: str) -> None:
        node = parse_filter({"_gte": f("date", given)}, HIVE_V1, now=NOW)
        moment = datetime.fromtimestamp(node.value / 1000, UTC)  # type: ignore[union-attr]
        assert moment == datetime.fromisoformat(expected)

    @pytest.mark.parametrize(
        "given",
        [
            {"amount": -1, "unit": "days"},
            {"amount": "1", "unit": "days"},
            {"amount": 1, "unit": "eons"},
            {"amount": 1, "unit": "days", "look": "up"},
            {"amount": 1, "unit": "days", "timezone": "Mars/Base"},
            {"amount": 1, "unit": "days", "timezone": "../etc/passwd"},
            {"amount": 900_000, "unit": "years"},
            {"amount": 1, "unit": "days", "modifier": "noon"},
            {},
        ],
    )
    async def test_bad_relative_dates(self, given: Any) -> None:
        with pytest.raises(BadRequest):
            parse_filter({"_gte": f("date", given)}, HIVE_V1, now=NOW)


class TestSort:
    @pytest.mark.parametrize(
        ("sort", "expected"),
        [
            (None, [4, 3, 2, 1]),
            ("-date", [4, 3, 2, 1]),
            ("date", [1, 2, 3, 4]),
            ("+date", [1, 2, 3, 4]),
            (" date", [1, 2, 3, 4]),
            ([{"severity": "desc"}], [4, 2, 1, 3]),
            ("assignee,-severity", [4, 1, 3, 2]),
            (["-assignee", "+date"], [3, 1, 4, 2]),
            ("tlp", [3, 1, 4, 2]),
            ("-customFields.affected-hosts", [1, 3, 4, 2]),
            ("status", [2, 3, 1, 4]),
        ],
    )
    async def test_orders(self, connection: asyncpg.Connection, sort: Any, expected: list[int]) -> None:
        assert await found(connection, {}, sort=parse_sort(sort)) == expected

    async def test_ties_follow_the_order_of_creation_where_the_language_says_so(self, connection: asyncpg.Connection) -> None:
        assert await found(connection, {}, sort=parse_sort("-date"), oldest_first=True) == [3, 4, 2, 1]

    async def test_unknown_keys(self, connection: asyncpg.Connection) -> None:
        with pytest.raises(BadRequest, match="there is no property nosuch"):
            await found(connection, {}, sort=parse_sort("nosuch"))
        assert await found(connection, {}, sort=parse_sort("nosuch,date"), ignores_unknown_sort=True) == [1, 2, 3, 4]
        for wrong in (3, {"date": "up"}, ["a"] * 11):
            with pytest.raises(BadRequest):
                parse_sort(wrong)

    async def test_a_page_is_a_part_of_the_order(self, connection: asyncpg.Connection) -> None:
        assert await found(connection, {}, sort=parse_sort("date"), offset=1, limit=2) == [2, 3]

    async def test_the_service_may_narrow(self, connection: asyncpg.Connection) -> None:
        def of_case(compiler: Any) -> str:
            return f"{compiler.alias}.case_id = {compiler.parameters.bind(50, 'bigint')}"

        assert await found(connection, f("tags", "phishing"), narrowing=of_case) == [3]


class TestDrivenFromDatedRows:
    async def _plan(self, connection: asyncpg.Connection, expression: Any, **more: Any) -> str:
        statement = page_sql(Search(ALERTS, parse_filter(expression, HIVE_V1), org=ORG, limit=25, **more), "{t}.*")
        async with connection.transaction():
            await connection.execute("SET LOCAL enable_seqscan = off")
            await connection.execute("SET LOCAL enable_bitmapscan = off")
            await connection.execute("SET LOCAL enable_hashjoin = off")
            await connection.execute("SET LOCAL enable_mergejoin = off")
            rows = await connection.fetch(f"EXPLAIN {statement.sql}", *statement.args)
        return "\n".join(row[0] for row in rows)

    async def test_a_tag_is_read_from_its_index_in_order(self, connection: asyncpg.Connection) -> None:
        for more in ({}, {"sort": parse_sort("-date")}):
            plan = await self._plan(connection, {"_and": [f("tags", "phishing"), f("read", False)]}, **more)
            assert "on alert_tags d" in plan
            assert "Sort" not in plan
            assert "SubPlan" not in plan

    async def test_a_custom_field_too(self, connection: asyncpg.Connection) -> None:
        plan = await self._plan(connection, f("customFields.business-unit", "finance"))
        assert "on alert_fields d" in plan
        assert "Sort" not in plan

    async def test_it_is_not_driven_by_what_need_not_hold(self, connection: asyncpg.Connection) -> None:
        for expression in ({"_not": f("tags", "phishing")}, {"_or": [f("tags", "phishing"), f("read", True)]}):
            statement = page_sql(Search(ALERTS, parse_filter(expression, HIVE_V1), org=ORG), "{t}.id")
            assert "FROM alerts t WHERE" in statement.sql

    async def test_two_tags_and_a_value_held_twice(self, connection: asyncpg.Connection) -> None:
        assert await found(connection, {"_and": [f("tags", "phishing"), f("tags", "web")]}) == [3]
        assert await found(connection, {"_and": [f("customFields.business-unit", "finance"), f("tags", "mail")]}) == [1]

    async def test_a_value_no_row_can_have(self, connection: asyncpg.Connection) -> None:
        assert await found(connection, f("tags", "a\0b")) == []

    async def test_without_an_organisation_row_level_security_is_alone(self, connection: asyncpg.Connection) -> None:
        statement = page_sql(Search(ALERTS, parse_filter(f("tags", "phishing"), HIVE_V1)), "{t}.id")
        assert [row["id"] for row in await connection.fetch(statement.sql, *statement.args)] == [5, 3, 1]


class TestIndexes:
    """A field may name the condition that its index serves; the answer stays the same."""

    @staticmethod
    def _with(name: str, **more: Any) -> Entity:
        return replace(ALERTS, fields={**ALERTS.fields, name: replace(ALERTS.fields[name], **more)})

    FULL_TEXT = "to_tsvector('simple', concat_ws(' ', x.title, x.assignee)) @@ phraseto_tsquery('simple', {value})"
    ANYTHING = "{value} <> ''"

    @staticmethod
    def _lookup(condition: str) -> Lookup:
        return Lookup("{t}.id", f"SELECT x.id FROM alerts x WHERE {condition}")

    @pytest.fixture(autouse=True, params=[0, 2000], ids=["many candidates", "few candidates"])
    def few(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(statements, "FEW", request.param)

    async def test_a_page_in_order_either_way(self, connection: asyncpg.Connection) -> None:
        entity = self._with("title", like=self._lookup(self.ANYTHING))
        query = {"_and": [{"_like": f("title", "*phi*")}, {"_gte": f("severity", 1)}]}
        sort = parse_sort("-severity")
        assert await found(connection, query, HIVE_V1, entity, sort=sort, limit=2) == [1, 3]
        assert await found(connection, query, HIVE_V1, entity, sort=sort, limit=2, offset=1) == [3]
        assert await found(connection, {"_startsWith": f("title", "Phish")}, HIVE_V1, entity, limit=5) == [1]

    @pytest.mark.parametrize("match", [FULL_TEXT, ANYTHING])
    async def test_words(self, connection: asyncpg.Connection, match: str) -> None:
        entity = self._with("title", match=self._lookup(match))
        assert await found(connection, {"_match": f("title", "phishing")}, HIVE_V1, entity, limit=1) == [3]
        assert set(await found(connection, {"_match": f("title", "Phishing")}, HIVE_V1, entity)) == {1, 3}
        assert await found(connection, {"_match": f("title", "Phish")}, HIVE_V1, entity) == []

    @pytest.mark.parametrize("like", ["lower(x.title) LIKE lower({value})", ANYTHING])
    async def test_patterns(self, connection: asyncpg.Connection, like: str) -> None:
        entity = self._with("title", like=self._lookup(like))
        assert set(await found(connection, {"_like": f("title", "PHISH*")}, HIVE_V1, entity)) == {1, 3}
        assert await found(connection, {"_startsWith": f("title", "Phish")}, HIVE_V1, entity) == [1]
        assert await found(connection, {"_endsWith": f("title", "page")}, HIVE_V1, entity) == [3]

    async def test_an_equal_value(self, connection: asyncpg.Connection) -> None:
        entity = self._with("assignee", equal=lambda bind, value: f"md5({{t}}.assignee) = md5({bind(value, 'text')})")
        assert set(await found(connection, {"_eq": f("assignee", "anna")}, HIVE_V1, entity)) == {1, 4}
        assert set(await found(connection, {"_ne": f("assignee", "anna")}, HIVE_V1, entity)) == {2, 3}
        assert await found(connection, {"_eq": f("assignee", None)}, HIVE_V1, entity) == [2]
        wanted = {"_in": {"_field": "assignee", "_values": ["ben", "a\0b"]}}
        assert await found(connection, wanted, HIVE_V1, entity) == [3]
        assert await found(connection, {"_in": {"_field": "assignee", "_values": []}}, HIVE_V1, entity) == []

    async def test_bare_words(self, connection: asyncpg.Connection) -> None:
        entity = replace(ALERTS, match=self._lookup(self.FULL_TEXT))
        assert await found(connection, {"_string": "anna scan"}, HIVE_V1, entity, limit=5) == [4]
        assert await found(connection, {"_string": "a\0b"}, HIVE_V1, entity, limit=5) == []
        assert set(await found(connection, {"_string": "anna"}, HIVE_V1, entity)) == {1, 4}
        assert await found(connection, {"_string": "anna -scan"}, HIVE_V1, entity) == [1]
        assert await found(connection, {"_string": "a\0b"}, HIVE_V1, entity) == []

    async def test_a_value_is_read_as_it_is_stored(self, connection: asyncpg.Connection) -> None:
        entity = self._with("title", read=lambda value: value.title() if isinstance(value, str) else value)
        assert await found(connection, {"_eq": f("title", "OLD SCAN")}, HIVE_V1, entity) == []
        entity = self._with("title", read=lambda value: value.capitalize() if isinstance(value, str) else value)
        assert await found(connection, {"_in": {"_field": "title", "_values": ["OLD SCAN"]}}, HIVE_V1, entity) == [4]


class TestPipeline:
    async def test_steps_narrow_what_stands_before_them(self) -> None:
        read = parse_pipeline(
            [
                {"_name": "getCase", "idOrName": 42},
                {"_name": "observables"},
                {"_name": "filter", "_eq": f("ioc", True)},
                {"_name": "filter", "_in": {"_field": "dataType", "_values": ["ip"]}},
                {"_name": "sort", "_fields": [{"date": "desc"}, "+_createdAt"]},
                {"_name": "page", "from": 5, "to": 10, "extraData": ["total"]},
            ]
        )
        case, observables = read.hops
        assert (case.name, case.given, case.page) == ("getCase", {"idOrName": 42}, None)
        assert observables.query == parse_filter(
            {"_and": [{"_eq": f("ioc", True)}, {"_in": {"_field": "dataType", "_values": ["ip"]}}]}, HIVE_V1
        )
        assert [(key.field, key.descending) for key in observables.sort] == [("date", True), ("_createdAt", False)]
        assert observables.page is not None
        assert (observables.page.start, observables.page.end, observables.page.extra_data) == (5, 10, ("total",))
        assert not read.counts

    async def test_a_count_ends_it(self) -> None:
        assert parse_pipeline([{"_name": "listAlert"}, {"_name": "filter"}, {"_name": "count"}]).counts
        with pytest.raises(BadRequest, match="nothing can follow a count"):
            parse_pipeline([{"_name": "listAlert"}, {"_name": "count"}, {"_name": "page", "from": 0, "to": 1}])

    @pytest.mark.parametrize(
        "steps",
        [
            None,
            [],
            {},
            ["listAlert"],
            [{}],
            [{"_name": 1}],
            [{"_name": "filter", "_any": None}],
            [{"_name": "count"}],
            [{"_name": "listAlert"}, {"_name": "page"}],
            [{"_name": "listAlert"}, {"_name": "page", "from": -1, "to": 1}],
            [{"_name": "listAlert"}, {"_name": "page", "from": True, "to": 1}],
            [{"_name": "listAlert"}, {"_name": "page", "from": 0, "to": 1, "extraData": "total"}],
            [{"_name": "listAlert"}, {"_name": "page", "from": 0, "to": 1}, {"_name": "filter", "_any": None}],
            [{"_name": "listAlert"}, {"_name": "sort", "_fields": 3}],
            [{"_name": "listAlert"}] * 51,
        ],
    )
    async def test_what_is_no_query_is_refused(self, steps: Any) -> None:
        with pytest.raises(BadRequest):
            parse_pipeline(steps)
