"""Who may do what: asked of every route, and of the database behind them."""

from __future__ import annotations

import re
from typing import Any

import asyncpg

from waggle.web.access import public_routes, routes_of, unguarded_routes

PUBLIC = {
    "GET /health", "GET /metrics", "GET /api/status", "GET /api/v0/status", "GET /api/health", "GET /api/v0/health",
    "GET /api/v1/status/public", "POST /api/v1/login", "GET /api/v1/logout", "POST /api/v1/logout", "POST /api/login",
    "POST /api/v0/login", "GET /api/logout", "POST /api/logout", "GET /api/v0/logout",
    "POST /api/v0/logout", "GET /{path:path}", "HEAD /index.html",
}  # fmt: skip
READING_POSTS = re.compile(r"/query$|/_search$|/login$|/logout$")


def operations(app: Any) -> list[tuple[str, str]]:
    """Method and path of every protected route."""
    public = set(public_routes(app))
    found = [(method, route.path) for route in routes_of(app) for method in sorted(route.methods or ())]
    return [(m, p) for m, p in found if f"{m} {p}" not in public]


def filled(path: str, value: str = "~1") -> str:
    return re.sub(r"\{[^}]+\}", value, path)


async def test_every_route_declares_who_may_call_it(world: Any) -> None:
    assert unguarded_routes(world.app) == []
    assert set(public_routes(world.app)) == PUBLIC


async def test_nothing_answers_the_anonymous(world: Any) -> None:
    for method, path in operations(world.app):
        answer = await world.anonymous.request(method, filled(path), json={})
        assert answer.status_code == 401, (method, path, answer.text)
        assert answer.json()["type"] == "AuthenticationError"


async def test_wrong_credentials_all_look_the_same(world: Any) -> None:
    tried = [
        {"headers": {"Authorization": "Bearer wrong"}},
        {"headers": {"Authorization": "Basic ###"}},
        {"headers": {"Authorization": "Digest x"}},
        {"headers": {"Cookie": "THEHIVE-SESSION=wrong"}},
        {"auth": ("nobody@example.org", "x" * 12)},
        {"auth": ("admin@thehive.local", "wrong password")},
        {"auth": ("admin@thehive.local", "")},
        {"auth": ("admin@thehive.local", " \t")},
    ]
    answers = [await world.anonymous.get("/api/v1/user/current", **one) for one in tried]
    assert {(a.status_code, a.text) for a in answers} == {
        (401, '{"type":"AuthenticationError","message":"Authentication failure"}')
    }


async def test_a_foreign_organisation_is_refused(world: Any) -> None:
    for name in ("other", "nowhere", "~999999"):
        answer = await world.client("key-soc-analyst", **{"X-Organisation": name}).get("/api/v1/user/current")
        assert answer.status_code == 401
        assert answer.json()["type"] == "AuthenticationError"


async def test_read_only_members_write_nothing(world: Any) -> None:
    alert = await world.alert()
    before = (await world.reader.get(f"/api/v1/alert/{alert['_id']}")).json()
    for method, path in operations(world.app):
        if method == "GET" or READING_POSTS.search(path) or "/internal/" in path or "/user/" in path:
            continue
        if path.endswith(("/_stats", "/_exists", "/stream", "/_export")):  # POSTs that read
            continue
        answer = await world.reader.request(method, filled(path, alert["_id"]), json={})
        assert answer.status_code in (400, 403, 404), (method, path, answer.status_code, answer.text)
        if "/v1/" in path and answer.status_code == 400:
            assert answer.json()["type"] == "AttributeCheckingError", (method, path, answer.text)
    assert (await world.reader.get(f"/api/v1/alert/{alert['_id']}")).json() == before


async def test_other_organisations_see_and_change_nothing(world: Any) -> None:
    alert = await world.alert(observables=[{"dataType": "ip", "data": "192.0.2.1"}])
    case = await world.case()
    task = (await world.soc.post(f"/api/v1/case/{case['_id']}/task", json={"title": "Look"})).json()
    log = (await world.soc.post(f"/api/v1/task/{task['_id']}/log", json={"message": "seen"})).json()
    observable = await world.observable(case["_id"])
    job = (await world.soc.post("/api/v1/connector/cortex/job", json={"analyzerId": "x", "artifactId": observable["_id"]})).json()
    ids = {"alert": alert, "case": case, "task": task, "log": log, "observable": observable, "job": job}
    for method, path in operations(world.app):
        if "{" not in path or "/internal/" in path or "/analyzer/type/" in path or path.endswith("/list/{name}"):
            continue
        for one in ids.values():
            answer = await world.other.request(method, filled(path, one["_id"]), json={})
            assert answer.status_code in (400, 403, 404), (method, path, answer.status_code, answer.text)
            assert one["_id"] not in answer.text.replace(f"{one['_id']} not found", ""), (method, path, answer.text)
    for source in ("Alert", "Case", "Task", "Log", "Observable", "Job"):
        assert await world.query({"_name": f"list{source}"}, client=world.other) == [], source
    assert (await world.soc.get(f"/api/v1/alert/{alert['_id']}")).json()["title"] == "Invoice"
    assert (await world.soc.get(f"/api/v1/case/{case['_id']}")).json()["version"] == case["version"]


async def test_an_administrator_of_the_platform_reads_no_cases(world: Any) -> None:
    alert = await world.alert()
    await world.owner.execute("UPDATE api_keys SET org_id = NULL WHERE prefix = 'key-ad'")
    visiting = world.client("key-admin-admin", **{"X-Organisation": "soc"})
    assert (await visiting.get("/api/v1/user/current")).status_code == 200
    assert (await visiting.get(f"/api/v1/alert/{alert['_id']}")).status_code == 403
    answer = await visiting.post("/api/v1/query", json={"query": [{"_name": "listAlert"}]})
    assert answer.status_code == 403
    assert (await visiting.post("/api/v1/query", json={"query": [{"_name": "listUser"}]})).status_code == 200


async def test_the_second_wall_stands_without_the_service(world: Any) -> None:
    """Rows of an organisation exist for no other one, whatever statement is sent as hive_app."""
    case = await world.case(tags=["a"], tasks=[{"title": "Look"}])
    await world.alert(tags=["t"], observables=[{"dataType": "ip", "data": "192.0.2.1", "tags": ["x"]}])
    await world.observable(case["_id"])
    guarded = [
        row["relname"]
        for row in await world.owner.fetch(
            "SELECT relname FROM pg_class WHERE relrowsecurity AND relnamespace = 'public'::regnamespace"
        )
    ]
    assert {"alerts", "cases", "observables", "tasks", "audit", "jobs"} <= set(guarded)
    app = await asyncpg.connect(world.settings.database_app_url.get_secret_value())
    try:
        for scope in ("", str(world.organisations["other"])):
            await app.execute("SELECT set_config('waggle.org', $1, false)", scope)
            for table in sorted(set(guarded) - {"memberships", "api_keys", "alert_texts", "case_texts", "observable_values"}):
                if table in ("case_templates", "patterns", "pattern_catalogs"):  # shipped, or everybody's to read
                    continue
                assert await app.fetchval(f"SELECT count(*) FROM {table}") == 0, (scope, table)
            assert await app.fetchval("SELECT count(*) FROM alert_search") == 0
            assert await app.fetchval("SELECT count(*) FROM case_search") == 0
            assert await app.fetchval("SELECT count(*) FROM value_search") == 0
        await app.execute("SELECT set_config('waggle.org', $1, false)", str(world.organisations["soc"]))
        assert await app.fetchval("SELECT count(*) FROM alerts") == 1
        assert await app.fetchval("SELECT count(*) FROM case_search") > 0
    finally:
        await app.close()


async def test_every_table_of_an_organisation_has_the_second_wall(world: Any) -> None:
    open_tables = await world.owner.fetch(
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id'"
        " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT c.relrowsecurity"
        " AND c.relnamespace = 'public'::regnamespace"
    )
    untouchable = {"sessions", "webhook_positions"}
    assert {row["relname"] for row in open_tables} == untouchable
    for table in untouchable:
        assert await world.owner.fetchval("SELECT has_table_privilege('hive_app', $1, 'SELECT')", table) is False


async def test_the_application_owns_nothing(world: Any) -> None:
    owned = await world.owner.fetchval(
        "SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname IN ('hive_app', 'hive_system')"
    )
    assert owned == 0
    assert await world.owner.fetchval("SELECT bool_or(rolbypassrls) FROM pg_roles WHERE rolname LIKE 'hive_%'") is False


async def test_claims_are_for_the_neighbour_they_name(world: Any) -> None:
    case = await world.case()
    answer = await world.soc.post(
        f"/api/v1/case/{case['_id']}/observable", data={"_json": '{"dataType": "file"}'}, files={"attachment": ("a", b"x")}
    )
    sha256 = answer.json()[0]["attachment"]["id"]
    cortex = world.client("cortex-service-key")
    url = f"/api/internal/claims/{sha256}"
    assert (await world.soc.get(url)).status_code == 401
    assert (await cortex.get(url)).status_code == 404
    await world.owner.execute(
        "INSERT INTO claims VALUES ('cortex', decode($1, 'hex'), 'text/plain', now() + interval '1 hour')", sha256
    )
    found = await cortex.get(url)
    assert (found.status_code, found.content) == (200, b"x")
