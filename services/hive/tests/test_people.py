"""Log-ins, sessions, passwords, keys, and who may make whom what."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

LOGIN, PASSWORD = "analyst@soc.example", "correct horse battery"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
ALERT = {"type": "phishing", "source": "mail", "sourceRef": "1", "title": "Invoice", "description": "A mail"}


async def cookie_of(world: Any) -> dict[str, str]:
    answer = await world.client().post("/api/v1/login", json={"user": LOGIN.upper(), "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    assert answer.json()["login"] == LOGIN
    header = answer.headers["set-cookie"]
    assert "HttpOnly" in header and "SameSite=strict" in header
    world.client().cookies.clear()
    return {"Cookie": header.partition(";")[0]}


class TestSession:
    async def test_refuses_wrong_and_empty_passwords_alike(self, world: Any) -> None:
        for user, password in ((LOGIN, "wrong"), (LOGIN, " "), (LOGIN, "\x00"), ("nobody@x.example", PASSWORD)):
            answer = await world.anonymous.post("/api/v1/login", json={"user": user, "password": password})
            assert (answer.status_code, answer.json()["message"]) == (401, "Authentication failure"), (user, password)
        assert (await world.anonymous.post("/api/v1/login", json={"user": LOGIN, "password": ""})).status_code == 400

    async def test_opens_and_closes(self, world: Any) -> None:
        cookie = await cookie_of(world)
        current = await world.anonymous.get("/api/v1/user/current", headers=cookie)
        assert (current.status_code, current.json()["organisation"]) == (200, "soc")
        assert current.headers["x-organisation"] == "soc"
        assert (await world.anonymous.post("/api/v1/logout", headers=cookie)).status_code == 200
        assert (await world.anonymous.get("/api/v1/user/current", headers=cookie)).status_code == 401

    async def test_an_unsafe_request_must_come_from_our_pages(self, world: Any) -> None:
        cookie = await cookie_of(world)
        foreign = [{}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"}]
        for headers in foreign:
            answer = await world.anonymous.post("/api/v1/alert", json=ALERT, headers={**cookie, **headers})
            assert answer.status_code == 403, headers
        for kind in ("text/plain", "application/x-www-form-urlencoded"):
            headers = {**cookie, **SAME_ORIGIN, "Content-Type": kind}
            assert (await world.anonymous.post("/api/v1/alert", content=b"{}", headers=headers)).status_code == 400
        answer = await world.anonymous.post("/api/v1/alert", json=ALERT, headers={**cookie, **SAME_ORIGIN})
        assert answer.status_code == 201

    async def test_a_new_password_ends_every_session(self, world: Any) -> None:
        cookie = await cookie_of(world)
        basic = {"Authorization": "Basic " + base64.b64encode(f"{LOGIN}:{PASSWORD}".encode()).decode()}
        assert (await world.anonymous.get("/api/v1/user/current", headers=basic)).status_code == 200
        path = f"/api/v1/user/{LOGIN}/password/change"
        wrong = await world.anonymous.post(path, json={"currentPassword": "no", "password": "another password"}, headers=basic)
        assert (wrong.status_code, wrong.json()["type"]) == (401, "AuthenticationError")
        body = {"currentPassword": PASSWORD, "password": "another password"}
        assert (await world.anonymous.post(path, json=body, headers=basic)).status_code == 204
        for headers in (cookie, basic):
            assert (await world.anonymous.get("/api/v1/user/current", headers=headers)).status_code == 401

    async def test_a_lock_is_immediate(self, world: Any) -> None:
        cookie = await cookie_of(world)
        assert (await world.soc.patch(f"/api/v1/user/{LOGIN}", json={"locked": True})).status_code == 204
        assert (await world.anonymous.get("/api/v1/user/current", headers=cookie)).status_code == 401
        assert (await world.client("key-soc-analyst").get("/api/v1/user/current")).status_code == 401

    async def test_many_failures_make_wait(self, world: Any) -> None:
        codes = []
        for _ in range(12):
            answer = await world.anonymous.post("/api/v1/login", json={"user": "nobody@x.example", "password": "wrong"})
            codes.append(answer.status_code)
        assert codes[:10] == [401] * 10 and codes[-1] == 429


class TestUsers:
    async def test_only_managers_make_users(self, world: Any) -> None:
        body = {"login": "new@soc.example", "name": "New", "profile": "analyst"}
        assert (await world.client("key-soc-analyst").post("/api/v1/user", json=body)).status_code == 403
        made = await world.soc.post("/api/v1/user", json=body)
        assert (made.status_code, made.json()["profile"], made.json()["organisation"]) == (201, "analyst", "soc")
        again = await world.soc.post("/api/v1/user", json={**body, "name": "Changed"})
        assert again.json() == made.json()
        assert (await world.other.get("/api/v1/user/new@soc.example")).status_code == 404

    async def test_nobody_gives_what_they_do_not_have(self, world: Any) -> None:
        """Threats S16: no way from an organisation to the administration of the platform."""
        for organisation, profile in (("admin", "admin"), ("soc", "admin"), ("other", "org-admin"), ("other", "read-only")):
            body = {"login": "evil@soc.example", "name": "E", "profile": profile, "organisation": organisation}
            answer = await world.soc.post("/api/v1/user", json=body)
            assert answer.status_code in (400, 403), (organisation, profile, answer.status_code)
            grant = {"profile": profile, "organisation": organisation}
            answer = await world.soc.patch("/api/v1/user/org-admin@soc.example", json=grant)
            assert answer.status_code in (400, 403, 404), (organisation, profile)
        assert await world.owner.fetchval("SELECT count(*) FROM users WHERE login = 'evil@soc.example'") == 0

    async def test_a_key_is_shown_once_and_replaced(self, world: Any) -> None:
        path = f"/api/v1/user/{LOGIN}/key/renew"
        assert (await world.reader.post(path)).status_code == 403
        key = (await world.soc.post(path)).text
        assert (await world.client(key).get("/api/v1/user/current")).json()["login"] == LOGIN
        second = (await world.soc.post(path)).text
        assert (await world.client(key).get("/api/v1/user/current")).status_code == 401
        assert (await world.client(second).get("/api/v1/user/current")).status_code == 200
        stored = await world.owner.fetch("SELECT * FROM api_keys")
        assert second not in str([dict(row) for row in stored])

    async def test_passwords_of_others(self, world: Any) -> None:
        path = f"/api/v1/user/{LOGIN}/password/set"
        assert (await world.client("key-soc-analyst").post(path, json={"password": "x" * 12})).status_code == 403
        assert (await world.other.post(path, json={"password": "x" * 12})).status_code == 404
        assert (await world.soc.post(path, json={"password": "short"})).status_code == 400
        assert (await world.soc.post(path, json={"password": "a long password"})).status_code == 204
        answer = await world.anonymous.post("/api/v1/login", json={"user": LOGIN, "password": "a long password"})
        assert answer.status_code == 200

    async def test_organisations_and_profiles_are_the_administrators(self, world: Any) -> None:
        body = {"name": "New", "description": "d"}
        assert (await world.soc.post("/api/v1/organisation", json=body)).status_code == 403
        assert (await world.admin.post("/api/v1/organisation", json=body)).status_code == 201
        assert (await world.admin.post("/api/v1/organisation", json={**body, "name": "NEW"})).status_code == 400
        profile = {"name": "triage", "permissions": ["manageAlert", "manageTask"]}
        assert (await world.soc.post("/api/v1/profile", json=profile)).status_code == 403
        made = await world.admin.post("/api/v1/profile", json=profile)
        assert "manageAlert/create" in made.json()["permissions"]
        unknown = await world.admin.post("/api/v1/profile", json={"name": "x", "permissions": ["everything"]})
        assert (unknown.status_code, unknown.json()["type"]) == (400, "AttributeCheckingError")

    async def test_the_same_name_at_once_is_no_failure_of_ours(self, world: Any) -> None:
        body = {"name": "Twin", "tasks": []}
        answers = await asyncio.gather(*(world.soc.post("/api/v1/caseTemplate", json=body) for _ in range(8)))
        assert sorted(a.status_code for a in answers) == [201] + [400] * 7
        assert {a.json()["type"] for a in answers if a.status_code == 400} == {"CreateError"}
