"""The command line, as the launcher and operators use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

PROGRAM = str(Path(sys.executable).with_name("cortex"))


def environment(api: Any, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "CORTEX_DATABASE_URL": api.database.owner_url,
        "CORTEX_DATABASE_APP_URL": api.database.app_url,
        "CORTEX_DATABASE_SYSTEM_URL": api.database.system_url,
        "CORTEX_BLOBS": str(api.bench.folder / "blobs"),
        "CORTEX_SECRET_KEY": api.bench.secret_key,
        "CORTEX_ANALYZER_PATHS": str(api.bench.folder / "analyzers"),
        **more,
    }


def cortex(api: Any, *arguments: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, *arguments]
    return subprocess.run(command, env=environment(api, **more), input=stdin, capture_output=True, text=True, timeout=60)


SEED = {
    "organisation": "SOC",
    "admin": {"login": "admin", "password": "short"},
    "user": {"login": "hive", "api_key": "a-key-of-the-launcher-0123456789abcdef", "roles": ["read", "analyze", "orgadmin"]},
    "enable_all": True,
    "service_links": [{"service": "hive", "organisation": "SOC", "user": "hive"}],
}


class TestSeed:
    async def test_makes_people_workers_and_links_and_may_be_repeated(self, empty_api: Any) -> None:
        api = empty_api
        api.flavor()
        api.flavor("Needs", configurationItems=[{"name": "key", "type": "string", "required": True}])
        api.flavor("Lost", command="Lost/gone.py")
        done = cortex(api, "seed", "--json", "-", stdin=json.dumps(SEED))
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert result["enabled"] == ["Echo_1_0"]
        assert "Attribute key is missing" in result["not_enabled"]["Needs_1_0"]
        assert "its command is not there" in result["not_enabled"]["Lost_1_0"]
        async with api.client(SEED["user"]["api_key"]) as user:  # type: ignore[index]
            current = (await user.get("/api/user/current")).json()
            assert (current["id"], current["organization"], current["createdBy"]) == ("hive", "SOC", "system")
            assert [w["name"] for w in (await user.get("/api/analyzer")).json()] == ["Echo_1_0"]
        root = await api.anonymous.get("/api/user/current", auth=("admin", "short"))
        assert root.json()["roles"] == ["superadmin"], "a given password is taken as given"
        tables = ("users", "organisations", "workers", "service_links", "api_keys")
        before = [await api.bench.owner.fetch(f"SELECT * FROM {table} ORDER BY 1") for table in tables]
        again = cortex(api, "seed", "--json", "-", stdin=json.dumps(SEED))
        assert again.returncode == 0 and json.loads(again.stdout)["enabled"] == []
        assert [await api.bench.owner.fetch(f"SELECT * FROM {table} ORDER BY 1") for table in tables] == before

    async def test_an_existing_admin_keeps_his_password(self, empty_api: Any) -> None:
        for password in ("first one", "second one"):
            seed = {"admin": {"login": "admin", "password": password}}
            assert cortex(empty_api, "seed", "--json", "-", stdin=json.dumps(seed)).returncode == 0
        answers = [
            (await empty_api.anonymous.get("/api/user/current", auth=("admin", p))).status_code
            for p in ("first one", "second one")
        ]
        assert answers == [200, 401]

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"unknown": 1}', '{"admin": {"login": "x"}}'])
    async def test_what_is_no_seed_is_said_without_its_secrets(self, empty_api: Any, text: str) -> None:
        done = cortex(empty_api, "seed", "--json", "-", stdin=text)
        assert done.returncode == 1 and done.stderr.startswith("cortex: seed: ") and "Traceback" not in done.stderr


class TestMigrate:
    async def test_may_be_repeated(self, api: Any) -> None:
        assert cortex(api, "migrate").returncode == 0

    async def test_needs_the_owner(self, api: Any) -> None:
        done = cortex(api, "migrate", CORTEX_DATABASE_URL="")
        assert done.returncode == 1 and "CORTEX_DATABASE_URL" in done.stderr


async def test_analyzers_shows_what_is_ready_and_what_is_not(api: Any) -> None:
    api.flavor("Lost", command="Lost/gone.py")
    (api.bench.folder / "analyzers" / "Echo" / "broken.json").write_text("{")
    done = cortex(api, "analyzers", CORTEX_ANALYZERS_PYTHON="/opt/gone/python")
    assert done.returncode == 0
    assert "Echo_1_0" in done.stdout and "ready" in done.stdout
    assert "its command is not there" in done.stdout and "is not JSON" in done.stdout
    assert "CORTEX_ANALYZERS_PYTHON is not there: /opt/gone/python" in done.stdout
    assert "1 of 3 definitions are ready" in done.stdout


async def test_missing_settings_are_named_and_no_secret_shown(api: Any) -> None:
    done = cortex(api, "analyzers", CORTEX_SESSION_MINUTES="soon")
    assert done.returncode == 1 and "session_minutes" in done.stderr.lower()
    assert api.bench.secret_key not in done.stderr and "Traceback" not in done.stderr


async def test_a_database_that_is_away_is_one_line(api: Any) -> None:
    done = cortex(api, "migrate", CORTEX_DATABASE_URL="postgresql://nobody:secret@127.0.0.1:1/nothing")
    assert done.returncode == 1 and done.stderr.startswith("cortex: ") and "secret" not in done.stderr


async def test_work_needs_a_bus(api: Any) -> None:
    done = cortex(api, "work")
    assert done.returncode == 1 and "WAGGLE_AMQP_URL" in done.stderr


async def test_the_schema_is_not_owned_by_the_services_logins(api: Any) -> None:
    owner = await asyncpg.connect(api.database.owner_url)
    rows = await owner.fetch("SELECT tablename, tableowner, rowsecurity FROM pg_tables WHERE schemaname = 'public'")
    assert not {r["tableowner"] for r in rows} & {"cortex_app", "cortex_system"}
    tenant = await owner.fetch("SELECT DISTINCT table_name FROM information_schema.columns WHERE column_name = 'org_id'")
    walled = {r["tablename"] for r in rows if r["rowsecurity"]}
    assert {r["table_name"] for r in tenant} - walled <= {"announcements"}, "a table with org_id but without policies"
    flags = await owner.fetch("SELECT rolname FROM pg_roles WHERE rolname LIKE 'cortex_%' AND (rolbypassrls OR rolsuper)")
    assert flags == []
    await owner.close()
