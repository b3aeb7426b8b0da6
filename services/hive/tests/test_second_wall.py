"""With the service's own filter switched off, one kind of object at a time, row-level security still shows nobody else's rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import asyncpg

from hive.catalogue import Catalogue
from hive.search.pipeline import SOURCES, planned
from waggle.query import page_sql

# Catalogues of the whole platform are everybody's; who sees which people is the service's matter (test_people).
SHARED = {
    "Organisation", "Profile", "User", "ObservableType", "CustomField", "AlertStatus", "CaseStatus", "Tag", "Taxonomy", "Pattern",
    "Catalog",
}  # fmt: skip
GUARDED = sorted(SOURCES.keys() - SHARED)


async def _everything(world: Any) -> None:
    """One object of every kind in `soc`."""
    alert = await world.alert(observables=[{"dataType": "ip", "data": "192.0.2.1"}])
    case = await world.case(tasks=[{"title": "Look"}])
    (task,) = await world.query({"_name": "listTask"})
    made = {
        f"/api/v1/task/{task['_id']}/log": {"message": "seen"},
        f"/api/v1/alert/{alert['_id']}/comment": {"message": "hm"},
        f"/api/v1/case/{case['_id']}/page": {"title": "Page", "content": "text", "category": "c"},
        "/api/v1/pageTemplate": {"title": "Page", "content": "text", "category": "c"},
        f"/api/v1/case/{case['_id']}/procedure": {"patternId": "T1566", "occurDate": 1},
        f"/api/v1/case/{case['_id']}/customEvent": {"title": "Event", "date": 1},
        "/api/v1/caseTemplate": {"name": "mine"},
        "/api/dashboard": {"title": "Load", "description": "d", "definition": "{}"},
    }
    for path, body in made.items():
        answer = await world.soc.post(path, json=body)
        assert answer.status_code in (200, 201), (path, answer.text)
    observable = await world.observable(case["_id"])
    await world.owner.execute(
        "INSERT INTO workers (server_id, worker_id, name, version, kind, data_types, seen_at)"
        " SELECT id, 'r', 'Responder', '1', 'responder', '{thehive:case}', now() FROM cortex_servers"
    )
    action = {"responderId": "r", "objectType": "case", "objectId": case["_id"]}
    answer = await world.soc.post("/api/v1/connector/cortex/action", json=action)
    assert answer.status_code in (200, 201), answer.text
    job = {"analyzerId": "x", "artifactId": observable["_id"]}
    assert (await world.soc.post("/api/v1/connector/cortex/job", json=job)).status_code == 201


async def _rows(world: Any, source: str, organisation: str, database: str) -> int:
    """How many rows the list step's statement finds for somebody of `organisation`, without its condition on the organisation."""
    org = world.organisations[organisation]
    search = planned([{"_name": f"list{source}"}], world.platform(organisation), Catalogue({}, {}, {})).search
    open_search = replace(search, entity=replace(search.entity, org=None), org=None, narrowing=None)
    statement = page_sql(open_search, "{t}.id")
    connection = await asyncpg.connect(database)
    try:
        user = await world.owner.fetchval("SELECT id FROM users WHERE login = $1", f"org-admin@{organisation}.example")
        async with connection.transaction():
            await connection.fetch(
                "SELECT set_config('waggle.org', $1, true), set_config('waggle.user', $2, true)", str(org), str(user)
            )
            return len(await connection.fetch(statement.sql, *statement.args))
    finally:
        await connection.close()


async def test_row_level_security_holds_alone(world: Any) -> None:
    await _everything(world)
    url = world.settings.database_app_url.get_secret_value()
    seen = {source: (await _rows(world, source, "soc", url), await _rows(world, source, "other", url)) for source in GUARDED}
    seeded = {"CaseTemplate"}
    assert {source for source, (own, _) in seen.items() if own == 0} == set(), seen
    assert {source for source, (_, foreign) in seen.items() if foreign and source not in seeded} == set(), seen


async def test_the_mutation_is_one(world: Any) -> None:
    """Without the second wall the same statements would show them: as the owner of the tables they do. (Lists of cases and shares
    are driven from the caller's own shares.)"""
    await _everything(world)
    url = world.settings.database_url.get_secret_value()
    assert {source for source in GUARDED if await _rows(world, source, "other", url) == 0} <= {"Case", "Share"}
