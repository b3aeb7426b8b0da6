"""Who may call what: every route, anonymous callers, roles without an order, organisations that do not see each other."""

from __future__ import annotations

from typing import Any

import pytest

from waggle.web.access import public_routes, unguarded_routes

OPEN = {
    "GET /health", "GET /metrics", "GET /api/status", "GET /api/health", "POST /api/maintenance/migrate", "POST /api/login",
    "GET /api/logout", "GET /{path:path}", "HEAD /index.html",
}  # fmt: skip


async def test_every_route_declares_who_may_call_it(api: Any) -> None:
    assert unguarded_routes(api.app) == []


async def test_only_the_named_routes_are_open_to_anybody(api: Any) -> None:
    assert set(public_routes(api.app)) == OPEN


async def test_anonymous_callers_get_401_everywhere_else(api: Any) -> None:
    for method, path in api.operations():
        if f"{method} {path}" not in OPEN:
            answer = await api.anonymous.request(method, path.replace("{", "").replace("}", ""))
            assert answer.status_code == 401, (method, path)
            assert answer.json() == {"type": "AuthenticationError", "message": "Authentication failure"}


@pytest.mark.parametrize("password", ["", " ", "\0", "wrong password"])
async def test_bad_passwords_are_all_the_same(api: Any, password: str) -> None:
    for user in ("admin@lab", "nobody@lab"):
        answer = await api.anonymous.post("/api/login", json={"user": user, "password": password})
        assert answer.status_code == 401
        basic = await api.anonymous.get("/api/user/current", auth=(user, password))
        assert basic.status_code == 401


async def test_key_basic_and_session_lead_to_the_same_user(api: Any) -> None:
    by_key = await api.admin.get("/api/user/current")
    assert by_key.json()["id"] == "admin@lab"
    by_basic = await api.anonymous.get("/api/user/current", auth=("admin@lab", api.password))
    assert by_basic.json() == by_key.json()
    login = await api.anonymous.post("/api/login", json={"user": "admin@lab", "password": api.password})
    assert login.json() == {"id": "admin@lab", "name": "Admin", "roles": ["read", "analyze", "orgadmin"]}
    async with api.client() as page:
        page.cookies = login.cookies
        assert (await page.get("/api/user/current")).json() == by_key.json()
        assert (await page.get("/api/stream/status")).json()["warning"] is False
        assert (await page.get("/api/logout")).status_code == 200
        page.cookies = login.cookies
        assert (await page.get("/api/user/current")).status_code == 401


async def test_a_session_changes_nothing_without_the_token_of_its_page(api: Any) -> None:
    login = await api.anonymous.post("/api/login", json={"user": "admin@lab", "password": api.password})
    async with api.client() as page:
        page.cookies = login.cookies
        refused = await page.patch("/api/user/admin@lab", json={"name": "X"})
        assert refused.status_code == 403 and refused.json()["type"] == "Forbidden"
        headers = {"X-CORTEX-XSRF-TOKEN": login.cookies["CORTEX-XSRF-TOKEN"]}
        assert (await page.patch("/api/user/admin@lab", json={"name": "X"}, headers=headers)).status_code == 200
        same_site = {"Sec-Fetch-Site": "same-origin"}
        assert (await page.patch("/api/user/admin@lab", json={"name": "Y"}, headers=same_site)).status_code == 200


async def test_roles_have_no_order(api: Any) -> None:
    """contracts/cortex.md §1.4: a superadmin sees no job, an analyst without `read` lists no analyzer."""
    only_analyze = await api.user("a@lab", ["analyze"])
    assert (await only_analyze.get("/api/analyzer")).status_code == 403
    assert (await api.superadmin.get("/api/analyzer")).status_code == 403
    assert (await api.superadmin.post("/api/job/_search", json={})).status_code == 403
    assert (await api.superadmin.get("/api/analyzerdefinition")).status_code == 200
    refused = await api.reader.post("/api/analyzer/x/run", json={"dataType": "ip", "data": "203.0.113.5"})
    assert refused.status_code == 403
    assert refused.json() == {"type": "AuthorizationError", "message": "Insufficient rights to perform this action"}


async def test_another_organisations_objects_do_not_exist(api: Any) -> None:
    worker = await api.enable("Echo_1_0")
    job = (await api.admin.post(f"/api/analyzer/{worker}/run", json={"dataType": "ip", "data": "203.0.113.5"})).json()["id"]
    stranger = await api.user("boss@other", ["read", "analyze", "orgadmin"], organisation="other")
    for method, path in [
        ("GET", f"/api/analyzer/{worker}"), ("PATCH", f"/api/analyzer/{worker}"), ("DELETE", f"/api/analyzer/{worker}"),
        ("POST", f"/api/analyzer/{worker}/run"), ("GET", f"/api/job/{job}"), ("GET", f"/api/job/{job}/report"),
        ("GET", f"/api/job/{job}/waitreport"), ("GET", f"/api/job/{job}/artifacts"), ("DELETE", f"/api/job/{job}"),
        ("GET", "/api/user/admin@lab"), ("GET", "/api/organization/lab"), ("GET", "/api/organization/lab/user"),
        ("POST", "/api/user/admin@lab/key/renew"), ("GET", "/api/user/admin@lab/key"), ("PATCH", "/api/user/admin@lab"),
    ]:  # fmt: skip
        body = {"dataType": "ip", "data": "x"} if path.endswith("/run") else {}
        answer = await stranger.request(method, path, json=body if method in ("POST", "PATCH") else None)
        assert answer.status_code == 404, (method, path, answer.text)
    assert (await stranger.get("/api/analyzer?range=all")).json() == []
    assert (await stranger.post("/api/job/_search", json={})).json() == []
    assert (await stranger.post("/api/job/status", json={"jobIds": [job]})).json() == {job: "NotFound"}
    assert (await stranger.get("/modules")).json() == []
    answer = await stranger.post("/query", json={"module": "Echo_1_0", "ip-src": "203.0.113.5"})
    assert answer.json() == {"error": "Module Echo_1_0 not found"}, "MISP shows a text, not a status"


async def test_row_level_security_is_a_second_wall(api: Any) -> None:
    """What the service's own role sees in another organisation's scope, whatever the service asks."""
    import asyncpg

    worker = await api.enable("Echo_1_0")
    await api.admin.post(f"/api/analyzer/{worker}/run", json={"dataType": "ip", "data": "203.0.113.5"})
    connection = await asyncpg.connect(api.database.app_url)
    tables = ["workers", "jobs", "dispatch", "users", "api_keys", "organisations"]
    for org, visible in ((None, False), ("other", False), ("lab", True)):
        async with connection.transaction():
            if org:
                await connection.execute("SELECT set_config('waggle.org', $1, true)", org)
            for table in tables:
                count = await connection.fetchval(f"SELECT count(*) FROM {table}")
                assert (count > 0) is visible, (org, table)
    await connection.close()


async def test_initial_user_is_there_only_from_named_addresses_and_before_any_user(empty_api: Any) -> None:
    closed = await empty_api.anonymous.get("/api/user/current")
    assert closed.status_code == 401
    async with empty_api.with_settings(init_from=["127.0.0.1"]) as opened:
        nobody = opened.anonymous
        assert (await nobody.post("/api/maintenance/migrate")).status_code == 204
        missing = await nobody.get("/api/user/current")
        assert missing.status_code == 404 and missing.json()["message"] == "user init not found"
        assert (await nobody.post("/api/user/_search", json={})).json() == []
        first = {"login": "root", "name": "Root", "password": "a long password", "roles": ["superadmin"]}
        made = await nobody.post("/api/user", json=first)
        assert made.status_code == 201 and made.json()["organization"] == "cortex"
        assert (await nobody.get("/api/user/current")).status_code == 401
        assert (await nobody.get("/api/user/current", auth=("root", "a long password"))).json()["id"] == "root"


class TestNobodyGivesMoreThanHeHas:
    """threats S16."""

    @pytest.mark.parametrize(
        "user",
        [
            {"roles": ["superadmin"]},
            {"roles": ["read", "superadmin"]},
            {"roles": ["read"], "organization": "other"},
            {"roles": ["superadmin"], "organization": "cortex"},
        ],
    )
    async def test_organisation_administrator_creates_no_superadmin_and_nobody_elsewhere(
        self, api: Any, user: dict[str, Any]
    ) -> None:
        answer = await api.admin.post("/api/user", json={"login": "x@lab", "name": "X", **user})
        assert answer.status_code == 403

    async def test_nor_by_changing_a_user(self, api: Any) -> None:
        for changes in ({"roles": ["superadmin"]}, {"organization": "cortex"}, {"organization": "other"}):
            answer = await api.admin.patch("/api/user/reader@lab", json=changes)
            assert answer.status_code == 403, changes
        own = await api.reader.patch("/api/user/reader@lab", json={"roles": ["read", "analyze"]})
        assert own.status_code == 403
        assert (await api.reader.patch("/api/user/reader@lab", json={"password": "x" * 12})).status_code == 403
        assert (await api.reader.post("/api/user/admin@lab/key/renew", json={})).status_code == 403

    async def test_superadmins_live_in_their_own_organisation(self, api: Any) -> None:
        elsewhere = await api.superadmin.patch("/api/user/reader@lab", json={"roles": ["superadmin"]})
        assert elsewhere.status_code == 400
        mixed = await api.superadmin.post(
            "/api/user", json={"login": "m", "name": "M", "roles": ["read"], "organization": "cortex"}
        )
        assert mixed.status_code == 400


async def test_locked_users_and_organisations_are_out_at_once(api: Any) -> None:
    assert (await api.reader.get("/api/user/current")).status_code == 200
    assert (await api.admin.patch("/api/user/reader@lab", json={"status": "Locked"})).json()["status"] == "Locked"
    assert (await api.reader.get("/api/user/current")).status_code == 401
    assert (await api.superadmin.delete("/api/organization/lab")).status_code == 204
    assert (await api.admin.get("/api/user/current")).status_code == 401
    assert (await api.superadmin.delete("/api/organization/cortex")).status_code == 400


async def test_claims_are_for_neighbours_with_a_key(api: Any) -> None:
    sha256 = await api.stored(b"a long report")
    assert (await api.admin.get(f"/api/claims/{sha256}")).status_code == 401
    answer = await api.anonymous.get(f"/api/claims/{sha256}", headers={"Authorization": "Bearer neighbours-key"})
    assert answer.content == b"a long report"
    for unknown in ("00" * 32, "zz", "0"):
        answer = await api.anonymous.get(f"/api/claims/{unknown}", headers={"Authorization": "Bearer neighbours-key"})
        assert answer.status_code == 404
