"""How pages are read among many rows, as the login of the service, whose rows are guarded."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from hive.catalogue import Catalogue, FieldDefinition
from hive.search.pipeline import planned
from waggle.query import page_sql


def f(name: str, value: Any) -> dict[str, Any]:
    return {"_field": name, "_value": value}


UNIT = FieldDefinition(1, "unit", "string", (), False, "unit")


MANY = """
WITH a AS (
  INSERT INTO alerts (org_id, type, source, source_ref, title, description, severity, tlp, pap, date, status, stage, new_date,
    created_at, created_by)
  SELECT $1, 't', 's', n, 'Title ' || n, 'word' || n, 2, 'AMBER', 'AMBER', n, 'New', 'New', n, n, 'test'
  FROM generate_series(1, 3000) n RETURNING *),
t AS (
  INSERT INTO alert_texts (entity_id, kind, alert_id, org_id, title, document)
  SELECT id, 'alert', id, org_id, title, alert_document(title, description, source, type, source_ref, tags) FROM a),
c AS (
  INSERT INTO cases (org_id, title, description, severity, tlp, pap, start_date, status, stage, new_date, created_at, created_by)
  SELECT org_id, title, description, 2, tlp, pap, date, 'New', 'New', date, date, 'test' FROM a RETURNING *),
s AS (
  INSERT INTO case_shares (case_id, org_id, owner, profile_id, start_date)
  SELECT c.id, c.org_id, true, p.id, c.start_date FROM c, profiles p WHERE p.name = 'analyst'),
u AS (
  INSERT INTO case_texts (entity_id, kind, case_id, org_id, title, document)
  SELECT id, 'case', id, org_id, title, case_document(title, description, summary, tags) FROM c),
v AS (INSERT INTO observable_values SELECT org_id, md5(description)::uuid, description || '.example' FROM a)
INSERT INTO observables (org_id, alert_id, data_type, data, value_key, created_at, created_by)
SELECT org_id, id, 'domain', description || '.example', md5(description)::uuid, date, 'test' FROM a"""


class TestPlans:
    @pytest.fixture(autouse=True)
    async def many(self, world: Any) -> None:
        await world.owner.execute(MANY.replace("$1", str(world.organisations["soc"])))
        await world.owner.execute("VACUUM ANALYZE")

    async def _plan(self, world: Any, source: str, expression: dict[str, Any]) -> tuple[str, str]:
        caller = world.platform()
        steps = [{"_name": source}, {"_name": "filter", **expression}, {"_name": "page", "from": 0, "to": 15}]
        statement = page_sql(planned(steps, caller, Catalogue({}, {}, {"unit": UNIT})).search, "{t}.id")
        connection = await asyncpg.connect(world.settings.database_app_url.get_secret_value())
        try:
            await connection.execute(f"SET waggle.org = '{caller.org_id}'; SET enable_seqscan = off")
            return statement.sql, "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement.sql}", *statement.args))
        finally:
            await connection.close()

    async def test_indexes_serve_what_row_level_security_would_keep_from_them(self, world: Any) -> None:
        for source, expression, index in (
            ("listAlert", {"_string": "word77"}, "alert_texts_document"),
            ("listAlert", {"_match": f("title", "77")}, "alert_texts_document"),
            ("listAlert", {"_like": f("title", "title 77")}, "alert_texts_title"),
            ("listAlert", {"_eq": f("assignee", "a@b")}, "alerts_assignee"),
            ("listCase", {"_string": "word77"}, "case_texts_document"),
            ("listCase", {"_like": f("title", "title 77")}, "case_texts_title"),
            ("listObservable", {"_eq": f("data", "word77.example")}, "observables_value"),
            ("listObservable", {"_like": f("data", "*word77.example*")}, "observable_values_data"),
        ):
            _, plan = await self._plan(world, source, expression)
            assert index in plan, (expression, plan)

    async def test_alerts_with_a_tag_or_a_value_are_read_from_its_dated_rows(self, world: Any) -> None:
        for expression, table in (
            ({"_eq": f("tags", "a")}, "alert_tags"),
            ({"_eq": f("customFields.unit", "IT")}, "alert_fields"),
        ):
            sql, plan = await self._plan(world, "listAlert", {"_and": [expression, {"_eq": f("severity", 2)}]})
            assert f"FROM {table} d JOIN alerts t" in sql
            assert f"on {table} d" in plan

    async def test_cases_are_read_from_their_shares(self, world: Any) -> None:
        for expression in ({}, {"_eq": f("tags", "fraud")}, {"_eq": f("customFields.unit", "IT")}):
            sql, plan = await self._plan(world, "listCase", expression)
            assert "FROM (SELECT c.*, s.org_id AS viewer_id" in sql
            assert "case_shares_list" in plan or "case_shares_case_id_org_id_key" in plan, plan
