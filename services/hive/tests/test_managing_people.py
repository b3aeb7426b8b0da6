"""Managing people by both APIs: memberships, locks, removal with hand-over, keys, sessions, avatars, profiles."""

from __future__ import annotations

import base64
import statistics
import time
from typing import Any

import pytest

LOGIN, PASSWORD = "analyst@soc.example", "correct horse battery"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(30)


def basic(login: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()}


class TestMemberships:
    async def test_access(self, world: Any) -> None:
        path, body = f"/api/v1/user/{LOGIN}/organisations", {"organisations": [{"organisation": "soc", "profile": "analyst"}]}
        for client, status in ((world.anonymous, 401), (world.reader, 403), (world.other, 404)):
            assert (await client.put(path, json=body)).status_code == status

    async def test_the_answer_repeats_them_in_order(self, world: Any) -> None:
        wanted = [
            {"organisation": "other", "profile": "read-only", "default": False},
            {"organisation": "soc", "profile": "org-admin", "default": True},
        ]
        answer = await world.admin.put(f"/api/v1/user/{LOGIN}/organisations", json={"organisations": wanted})
        assert (answer.status_code, answer.json()) == (200, {"organisations": wanted})
        shown = (await world.admin.get(f"/api/v1/user/{LOGIN}")).json()
        assert [o["organisation"] for o in shown["organisations"]] == ["other", "soc"] and shown["defaultOrganisation"] == "soc"

    async def test_one_manages_what_one_may(self, world: Any) -> None:
        """Threats S16: an organisation's administrator neither grants nor takes away elsewhere."""
        await world.owner.execute(
            "INSERT INTO memberships (user_id, org_id, profile_id) SELECT u.id, $2, p.id FROM users u, profiles p"
            " WHERE u.login = $1 AND p.name = 'read-only'", LOGIN, world.organisations["other"],
        )  # fmt: skip
        path = f"/api/v1/user/{LOGIN}/organisations"
        for organisations in (
            [("soc", "analyst")], [("soc", "analyst"), ("other", "org-admin")], [("soc", "analyst"), ("admin", "admin")],
            [("soc", "admin")],
        ):  # fmt: skip
            body = {"organisations": [{"organisation": o, "profile": p} for o, p in organisations]}
            answer = await world.soc.put(path, json=body)
            assert answer.status_code in (400, 403), (organisations, answer.status_code, answer.text)
        allowed = {
            "organisations": [{"organisation": o, "profile": p} for o, p in (("other", "read-only"), ("soc", "read-only"))]
        }
        assert (await world.soc.put(path, json=allowed)).status_code == 200
        for change in (world.soc.post(f"/api/v1/user/{LOGIN}/password/set", json={"password": "x" * 12}),
                       world.soc.post(f"/api/v1/user/{LOGIN}/key/renew"),
                       world.soc.patch(f"/api/v1/user/{LOGIN}", json={"locked": True}),
                       world.soc.delete(f"/api/v1/user/{LOGIN}")):  # fmt: skip
            assert (await change).status_code == 403
        assert (await world.admin.delete(f"/api/v1/user/{LOGIN}")).status_code == 204

    @pytest.mark.parametrize("body", [{}, {"organisations": []}, {"organisations": [{"organisation": "soc"}]}])
    async def test_bad_input(self, world: Any, body: Any) -> None:
        assert (await world.admin.put(f"/api/v1/user/{LOGIN}/organisations", json=body)).status_code == 400


class TestRemoval:
    async def test_open_work_is_handed_over(self, world: Any) -> None:
        case = await world.case(assignee=LOGIN, tasks=[{"title": "T", "assignee": LOGIN}])
        alert = await world.alert(assignee=LOGIN)
        path = f"/api/v1/user/{LOGIN}/force"
        for client, status in ((world.reader, 403), (world.other, 404)):
            assert (await client.delete(path)).status_code == status
        assert (await world.soc.delete(path, params={"handOver": "org-admin@soc.example"})).status_code == 204
        assert (await world.soc.get(f"/api/v1/user/{LOGIN}")).status_code == 404
        assert (await world.soc.get(f"/api/v1/case/{case['_id']}")).json()["assignee"] == "org-admin@soc.example"
        assert (await world.soc.get(f"/api/v1/alert/{alert['_id']}")).json()["assignee"] == "org-admin@soc.example"
        (task,) = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
        assert task["assignee"] == "org-admin@soc.example"
        again = await world.soc.post("/api/v1/user", json={"login": LOGIN, "name": "New", "profile": "read-only"})
        assert (again.status_code, again.json()["profile"]) == (201, "read-only")

    async def test_out_of_one_organisation_or_away(self, world: Any) -> None:
        wanted = [{"organisation": "soc", "profile": "analyst"}, {"organisation": "other", "profile": "analyst"}]
        await world.admin.put(f"/api/v1/user/{LOGIN}/organisations", json={"organisations": wanted})
        path = f"/api/v1/user/{LOGIN}/force"
        assert (await world.soc.delete(path)).status_code == 403
        assert (await world.soc.delete(path, params={"organisation": "soc"})).status_code == 204
        assert (await world.client("key-soc-analyst").get("/api/v1/user/current")).status_code == 401
        assert (await world.other.get(f"/api/v1/user/{LOGIN}")).status_code == 200
        assert (await world.other.delete(path, params={"organisation": "other"})).status_code == 204
        assert await world.owner.fetchval("SELECT count(*) FROM users WHERE login = $1", LOGIN) == 0

    async def test_nobody_removes_themselves_or_the_last_administrator(self, world: Any) -> None:
        assert (await world.soc.delete("/api/v1/user/org-admin@soc.example/force")).status_code == 400
        assert (await world.admin.delete("/api/v1/user/root@admin.example")).status_code == 400
        assert (await world.admin.delete("/api/v1/user/root@admin.example/force")).status_code == 400


class TestSecrets:
    async def test_a_key_can_be_read_back_by_those_who_may(self, world: Any) -> None:
        path = f"/api/v1/user/{LOGIN}/key"
        assert (await world.soc.get(path)).status_code == 404
        key = (await world.soc.post(f"{path}/renew")).text
        assert (await world.soc.get(path)).text == key == (await world.client(key).get(path)).text
        for client, status in ((world.reader, 403), (world.other, 404), (world.anonymous, 401)):
            assert (await client.get(path)).status_code == status
        assert (await world.soc.delete(path)).status_code == 204
        assert (await world.client(key).get("/api/v1/user/current")).status_code == 401

    async def test_sessions_are_seen_and_closed(self, world: Any) -> None:
        cookies = []
        for _ in range(2):
            answer = await world.anonymous.post("/api/v1/login", json={"user": LOGIN, "password": PASSWORD})
            cookies.append({"Cookie": answer.headers["set-cookie"].partition(";")[0]})
            world.anonymous.cookies.clear()
        path = f"/api/v1/user/{LOGIN}/session"
        listed = (await world.soc.get(path)).json()
        assert len(listed) == 2 and all(len(one["_id"]) == 16 for one in listed)
        assert (await world.reader.get(path)).status_code == 403
        assert (await world.soc.delete(f"{path}/0123456789abcdef")).status_code == 404
        assert (await world.soc.delete(f"{path}/{listed[0]['_id']}")).status_code == 204
        codes = [(await world.anonymous.get("/api/v1/user/current", headers=c)).status_code for c in cookies]
        assert sorted(codes) == [200, 401]
        assert (await world.soc.delete(path)).status_code == 204
        assert {(await world.anonymous.get("/api/v1/user/current", headers=c)).status_code for c in cookies} == {401}

    async def test_an_avatar_is_a_picture(self, world: Any) -> None:
        path = f"/api/v1/user/{LOGIN}"
        me = world.client("key-soc-analyst")
        for bad in ("###", base64.b64encode(b"<svg onload=alert(1)>").decode(), base64.b64encode(PNG + bytes(1 << 20)).decode()):
            assert (await me.patch(path, json={"avatar": bad})).status_code == 400
        assert (await world.reader.patch(path, json={"avatar": base64.b64encode(PNG).decode()})).status_code == 403
        assert (
            await me.patch(path, json={"avatar": "data:image/png;base64," + base64.b64encode(PNG).decode()})
        ).status_code == 204
        avatar = (await world.soc.get(path)).json()["avatar"]
        picture = await world.reader.get(f"{path}/avatar/{avatar}")
        assert (picture.content, picture.headers["content-type"]) == (PNG, "image/png")
        assert "sandbox" in picture.headers["content-security-policy"]
        assert (await world.other.get(f"{path}/avatar/{avatar}")).status_code == 404
        assert (await me.patch(path, json={"avatar": ""})).status_code == 204
        assert "avatar" not in (await world.soc.get(path)).json()


class TestLogIn:
    async def test_unknown_and_known_users_look_alike(self, world: Any) -> None:
        """Threats S07: the same answer in the same time, whoever is asked for."""
        times: dict[str, list[float]] = {"known": [], "unknown": []}
        bodies = set()
        for n in range(6):
            for kind, login in (("known", LOGIN), ("unknown", f"nobody{n}@soc.example")):
                began = time.perf_counter()
                answer = await world.anonymous.post("/api/v1/login", json={"user": login, "password": f"wrong {n}"})
                times[kind].append(time.perf_counter() - began)
                bodies.add((answer.status_code, answer.text))
        assert bodies == {(401, '{"type":"AuthenticationError","message":"Authentication failure"}')}
        known, unknown = statistics.median(times["known"]), statistics.median(times["unknown"])
        assert 0.4 < known / unknown < 2.5

    async def test_failures_lock_the_account_out_and_not_others(self, world: Any) -> None:
        headers = basic(LOGIN, "wrong")
        assert (await world.anonymous.get("/api/v1/user/current", headers=headers)).status_code == 401
        left = "UPDATE login_attempts SET tokens = $1, updated_at = now() + $2 * interval '1 minute' WHERE key = $3"
        await world.owner.execute(left, 1.0, 0, f"login:{LOGIN}")
        assert (await world.anonymous.get("/api/v1/user/current", headers=headers)).status_code == 401
        await world.owner.execute(left, 0.0, 1, f"login:{LOGIN}")  # no attempt comes back while the test looks
        answer = await world.anonymous.get("/api/v1/user/current", headers=headers)
        assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (429, True)
        right = await world.anonymous.post("/api/login", json={"user": LOGIN, "password": PASSWORD})
        assert right.status_code == 429, "also with the right password"
        assert (await world.client("key-soc-analyst").get("/api/v1/user/current")).status_code == 200
        await world.owner.execute("UPDATE login_attempts SET updated_at = now() - interval '1 minute'")
        assert (await world.anonymous.post("/api/login", json={"user": LOGIN, "password": PASSWORD})).status_code == 200


class TestProfiles:
    async def test_a_custom_profile_is_made_changed_and_removed(self, world: Any) -> None:
        made = await world.admin.post("/api/v1/profile", json={"name": "triage", "permissions": ["manageAlert/create"]})
        assert made.status_code == 201
        await world.person("t@soc.example", "soc", "triage", "key-t")
        triage = world.client("key-t")
        alert = {"type": "a", "source": "s", "sourceRef": "1", "title": "t", "description": "d"}
        assert (await triage.post("/api/v1/alert", json=alert)).status_code == 201
        path = "/api/v1/profile/triage"
        assert (await world.soc.patch(path, json={"permissions": []})).status_code == 403
        assert (await world.admin.patch(path, json={"name": "triage2", "permissions": ["manageTask"]})).status_code == 204
        assert (await triage.post("/api/v1/alert", json={**alert, "sourceRef": "2"})).status_code == 403
        assert (await world.admin.delete("/api/v1/profile/triage2")).status_code == 400
        await world.soc.delete("/api/v1/user/t@soc.example/force")
        assert (await world.admin.delete("/api/v1/profile/triage2")).status_code == 204

    async def test_what_is_built_in_stays(self, world: Any) -> None:
        for name in ("admin", "org-admin", "read-only", "analyst"):
            assert (await world.admin.delete(f"/api/v1/profile/{name}")).status_code == 400
        assert (await world.admin.patch("/api/v1/profile/org-admin", json={"permissions": []})).status_code == 400
        assert (await world.admin.patch("/api/v1/profile/analyst", json={"permissions": ["manageTask"]})).status_code == 204
        for permissions in (["everything"], ["manageOrganisation"], ["managePlatform", "manageCase"]):
            answer = await world.admin.post("/api/v1/profile", json={"name": "x", "permissions": permissions})
            assert (answer.status_code, answer.json()["type"]) == (400, "AttributeCheckingError"), permissions


class TestClassicUsers:
    async def test_life(self, world: Any) -> None:
        body = {"login": "feeder", "name": "Feeder", "roles": ["read", "write", "alert"], "password": "a long password"}
        assert (await world.reader.post("/api/user", json=body)).status_code == 403
        made = await world.soc.post("/api/user", json=body)
        assert made.status_code == 201, made.text
        user = made.json()
        assert (user["id"], user["_id"], user["status"], user["hasKey"], user["has-key"]) == (
            "feeder@thehive.local", "feeder@thehive.local", "Ok", False, False,
        )  # fmt: skip
        assert {"read", "write", "alert"} == set(user["roles"])
        path = f"/api/user/{user['id']}"
        key = (await world.soc.post(f"{path}/key/renew")).text
        assert (await world.soc.get(f"{path}/key")).text == key
        current = await world.client(key).get("/api/user/current")
        assert (current.json()["login"], current.headers["x-organisation"]) == (user["id"], "soc")
        changed = await world.soc.patch(path, json={"name": "F", "roles": ["read"]})
        assert (changed.json()["name"], changed.json()["roles"]) == ("F", ["read"])
        wrong = {"currentPassword": "wrong", "password": "another one"}
        assert (await world.client(key).post(f"{path}/password/change", json=wrong)).status_code == 401
        assert (await world.soc.post(f"{path}/password/set", json={"password": "yet another one"})).status_code == 204
        assert (await world.anonymous.get("/api/user/current", headers=basic(user["id"], "yet another one"))).status_code == 200
        assert (await world.soc.delete(path)).status_code == 204
        assert (await world.soc.get(path)).json()["status"] == "Locked"
        assert (await world.client(key).get("/api/user/current")).status_code == 401
        for client, status in ((world.other, 404), (world.reader, 403), (world.soc, 204)):
            assert (await client.delete(f"{path}/force")).status_code == status
        assert (await world.soc.get(path)).status_code == 404
