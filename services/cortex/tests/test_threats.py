"""Attacks of the list of threats that no other test here is named after; by their numbers."""

from __future__ import annotations

import random
import re
import string
from pathlib import Path
from typing import Any

import pytest

from cortex.identity.models import ROLES

REFUSED = "TLP is higher than allowed."
NAMES = [
    "../../../../tmp/evil", "..\\..\\evil.exe", "/etc/cron.d/evil", "C:\\evil", "a" * 3000, "..", ".", "-rf", "$(id).txt",
    "evil\r\nX-Header: 1", "e\u202egpj.exe", "né?<>|:*.txt",
]  # fmt: skip


class TestS17OneRuleForEveryWay:
    """S17: markings are held against the worker's limits by one function, whichever way a job comes. (The bus: test_events.)"""

    async def test_rest_misp_and_a_repeat(self, api: Any) -> None:
        worker = await api.enable()
        first = (
            await api.admin.post(f"/api/analyzer/{worker}/run", json={"dataType": "ip", "data": "203.0.113.5", "pap": 3})
        ).json()
        assert first["status"] == "Waiting"
        limits = {"check_tlp": True, "max_tlp": 1, "check_pap": True, "max_pap": 2}
        assert (await api.admin.patch(f"/api/analyzer/{worker}", json={"configuration": limits})).status_code == 200
        ways = [
            await api.admin.post(f"/api/analyzer/{worker}/run", json={"dataType": "ip", "data": "203.0.113.6"}),
            await api.admin.post(
                f"/api/analyzer/{worker}/run?tlp=2&force=1", json={"dataType": "ip", "data": "203.0.113.6", "tlp": 0}
            ),
            await api.admin.post(f"/api/job/{first['id']}/rerun"),
            await api.admin.post("/query", json={"module": "Echo_1_0", "ip-dst": "203.0.113.7"}),
        ]
        for answer in ways[:3]:
            assert (answer.json()["status"], answer.json()["errorMessage"]) == ("Failure", REFUSED), answer.text
        assert ways[3].json() == {"error": REFUSED}
        pap = {"dataType": "ip", "data": "203.0.113.8", "tlp": 1, "pap": 3}
        refused = (await api.admin.post(f"/api/analyzer/{worker}/run", json=pap)).json()
        assert refused["errorMessage"] == "PAP is higher than allowed."
        assert await api.bench.owner.fetchval("SELECT count(*) FROM dispatch") == 1, "none of them ever waits for a runner"

    @pytest.mark.parametrize("level", [4, -1, 2.5, "RED", "", [3], True, 10**30])
    async def test_s15_a_number_that_is_no_level_is_refused(self, api: Any, level: Any) -> None:
        """S15: what is unknown is never taken for something weaker."""
        worker = await api.enable()
        for name in ("tlp", "pap"):
            asked = {"dataType": "ip", "data": "203.0.113.5", name: level}
            assert (await api.admin.post(f"/api/analyzer/{worker}/run", json=asked)).status_code == 400


class TestS16NoSequenceOfCallsGivesMoreRights:
    """S16: whatever somebody who is no superadmin does, in any order, nobody comes to hold a right outside of his."""

    @pytest.mark.parametrize("seed", range(3))
    async def test_random_walk(self, api: Any, seed: int) -> None:
        chance = random.Random(seed)
        await api.user("boss@other", ["read", "analyze", "orgadmin"], organisation="other")
        logins = ["admin@lab", "reader@lab", "new@lab", "root", "boss@other", "init", "system"]
        before = await self.rights(api)
        for _ in range(60):
            login, roles = chance.choice(logins), chance.sample(list(ROLES), chance.randint(1, 4))
            organisation = chance.choice(["lab", "cortex", "other", "new"])
            user: dict[str, Any] = {"login": login, "name": "X", "roles": roles, "organization": organisation}
            part = {name: user[name] for name in chance.sample(["roles", "organization", "name"], 2)}
            calls: list[tuple[str, str, Any]] = [
                ("POST", "/api/user", user),
                ("PATCH", f"/api/user/{login}", part),
                ("PATCH", f"/api/user/{login}", {**part, "status": "Ok", "password": "p" * 12, "key": "k" * 32}),
                ("POST", f"/api/user/{login}/key/renew", {}),
                ("POST", f"/api/user/{login}/key/set", {"key": "k" * 32}),
                ("POST", f"/api/user/{login}/password/set", {"password": "p" * 12}),
                ("POST", "/api/organization", {"name": organisation, "description": "d"}),
                ("PATCH", f"/api/organization/{organisation}", {"status": "Active"}),
                ("POST", "/api/maintenance/migrate", {}),
            ]
            method, path, body = chance.choice(calls)
            if (method, path) in (("POST", "/api/user/admin@lab/key/renew"), ("POST", "/api/user/admin@lab/key/set")):
                continue
            answer = await api.admin.request(method, path, json=body)
            assert answer.status_code < 500, (method, path, body, answer.text)
            if answer.status_code == 401:  # he has locked himself out, or taken his own rights away: nothing more to be had
                break
            after = await self.rights(api)
            assert after["root"] == before["root"] and after["boss@other"] == before["boss@other"], (method, path, body)
            for name, (roles_now, organisation_now) in after.items():
                if name not in ("root", "boss@other"):
                    assert "superadmin" not in roles_now and organisation_now == "lab", (method, path, body, name)

    @staticmethod
    async def rights(api: Any) -> dict[str, tuple[list[str], str]]:
        return {
            r["login"]: (r["roles"], r["org_id"]) for r in await api.bench.owner.fetch("SELECT login, roles, org_id FROM users")
        }


class TestS26NamesOfFiles:
    """S26 and S23: a client's name is never a path, and where a content lies is never a client's to say."""

    async def test_no_name_reaches_the_disk(self, api: Any) -> None:
        worker = await api.enable()
        api.bench.start_runner()
        before = self.everything(api)
        for name in NAMES:
            form = {"files": {"data": (name, name.encode("utf-8", "replace"))}, "data": {"_json": '{"dataType": "file"}'}}
            job = (await api.admin.post(f"/api/analyzer/{worker}/run", **form)).json()
            ended = (await api.admin.get(f"/api/job/{job['id']}/waitreport?atMost=30s")).json()
            assert ended["status"] == "Success", (name, ended)
            (file,) = [a for a in ended["report"]["artifacts"] if a["dataType"] == "file"]
            for path in (f"/api/datastore/{file['attachment']['id']}", f"/api/datastorezip/{file['attachment']['id']}"):
                sent = await api.admin.get(path)
                assert sent.status_code == 200 and "x-header" not in sent.headers
                assert sent.headers["content-disposition"].startswith("attachment")
        fresh = {path for path in self.everything(api) - before if "blobs" not in path.parts[:1]}
        allowed = re.compile(r"(analyzers|responders|jobs|runner\.log).*")
        assert [path for path in fresh if not allowed.fullmatch(str(path))] == []
        hexadecimal = set(string.hexdigits)
        stored = [path for path in self.everything(api) if path.parts[0] == "blobs" and (api.bench.folder / path).is_file()]
        assert stored and all(set(path.name) <= hexadecimal for path in stored), stored
        assert not Path("/tmp/evil").exists()

    @staticmethod
    def everything(api: Any) -> set[Path]:
        root: Path = api.bench.folder
        return {path.relative_to(root) for path in root.rglob("*")}

    async def test_s23_no_client_says_where_something_lies_or_what_is_run(self, api: Any) -> None:
        worker = await api.enable()
        for name, value in (("command", "/bin/sh"), ("root", "/"), ("org_id", "other"), ("definition_id", "x"), ("id", "0" * 32)):
            assert (await api.admin.patch(f"/api/analyzer/{worker}", json={name: value})).status_code == 400, name
        asked = {"dataType": "file", "attachment": {"id": "../../../etc/passwd", "name": "passwd"}, "file": "/etc/passwd"}
        assert (await api.admin.post(f"/api/analyzer/{worker}/run", json=asked)).status_code == 400
        for name in ("%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%2fetc%2fpasswd", "..", "0" * 64):
            answer = await api.admin.get(f"/api/datastore/{name}")
            assert answer.status_code in (400, 404) and "root:" not in answer.text, name
        shown = (await api.admin.get(f"/api/analyzer/{worker}")).json()
        assert shown["command"].endswith("Echo/Echo.py") and shown["_parent"] == "lab"
