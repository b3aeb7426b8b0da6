"""The command line, as the launcher and operators use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
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


def wheel(folder: Path, name: str, version: str, source: str) -> None:
    """A package of one module, as an index would give it."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", source)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


class TestInstalling:
    async def test_one_environment_per_set_of_requirements_offline_and_the_runner_uses_it(self, api: Any) -> None:
        report = '{"success": True, "full": {"value": seldom.WORD}}'
        needs = f'import json, seldom, sys\nopen(sys.argv[1] + "/output/output.json", "w").write(json.dumps({report}))'
        for name in ("NeedsOne", "NeedsTwo"):
            api.flavor(name, source=needs)
            (api.bench.folder / "analyzers" / name / "requirements.txt").write_text("# why\nseldom==1.0\n")
        api.flavor("NeedsGone")
        (api.bench.folder / "analyzers" / "NeedsGone" / "requirements.txt").write_text("nowhere==9\n")
        wheels, environments = api.bench.folder / "wheels", api.bench.folder / "environments"
        wheel(wheels, "seldom", "1.0", "WORD = 'from its environment'")
        wheel(wheels, "cortexutils", "2.2.1", "")
        arguments = ("analyzers", "install", "--all", "--wheels", str(wheels))
        done = cortex(api, *arguments, CORTEX_ENVIRONMENTS=str(environments))
        assert done.returncode == 1, done.stderr
        lines = {line.split()[1]: line.split(None, 2)[2] for line in done.stdout.splitlines() if line.startswith("analyzer ")}
        assert lines["NeedsOne_1_0"] == lines["NeedsTwo_1_0"] == lines["Echo_1_0"] == "ready"
        assert "nowhere" in lines["NeedsGone_1_0"]
        assert len(list(environments.glob("*/.complete"))) == 2, "two of the four share one"
        assert cortex(api, *arguments, CORTEX_ENVIRONMENTS=str(environments)).stdout.count(": there") == 2

        worker = await api.enable("NeedsOne_1_0")
        api.bench.start_runner(CORTEX_ENVIRONMENTS=str(environments))
        job = (await api.admin.post(f"/api/analyzer/{worker}/run", json={"dataType": "ip", "data": "203.0.113.5"})).json()["id"]
        ended = (await api.admin.get(f"/api/job/{job}/waitreport")).json()
        assert ended["report"]["full"]["value"] == "from its environment", ended

    async def test_what_is_missing_for_it_is_said(self, api: Any) -> None:
        assert "CORTEX_ENVIRONMENTS is not set" in cortex(api, "analyzers", "install", "--all").stderr
        folder = str(api.bench.folder / "environments")
        done = cortex(api, "analyzers", "install", "Nothing", CORTEX_ENVIRONMENTS=folder)
        assert "no flavor has its command in Nothing" in done.stderr


class TestByHand:
    async def test_report_is_shown_and_explained(self, api: Any) -> None:
        done = cortex(
            api, "analyzers", "run", "Echo", "--type", "ip", "--data", "203.0.113.5", CORTEX_ANALYZERS_PYTHON=sys.executable
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Echo_1_0, runner: warm" in done.stdout and "SUCCESS" in done.stdout
        assert "safe       Echo:Value=203.0.113.5" in done.stdout and "found.example.org" in done.stdout

    async def test_failure_is_shown_and_missing_items_are_named(self, api: Any) -> None:
        items = [{"name": "key", "description": "of the account", "type": "string", "required": True}]
        api.flavor("Bad", source="raise SystemExit('no key')", configurationItems=items)
        file = api.bench.folder / "x.bin"
        file.write_bytes(b"x")
        done = cortex(api, "analyzers", "run", "Bad_1_0", "--type", "file", "--file", str(file))
        assert done.returncode == 1
        assert "key (of the account)" in done.stdout and "FAILURE" in done.stdout and "no key" in done.stdout


class TestDoctor:
    async def test_layers_are_shown(self, api: Any) -> None:
        done = cortex(api, "doctor", CORTEX_SANDBOX="require")
        assert ("MISSING" in done.stdout) == (done.returncode == 1), done.stdout + done.stderr
        assert all(f"\n{layer}" in done.stdout for layer in ("landlock", "seccomp", "network namespace", "process limit"))

    async def test_interpreter_that_is_not_there_is_named(self, api: Any) -> None:
        done = cortex(api, "doctor", CORTEX_ANALYZERS_PYTHON="/opt/gone/bin/python")
        assert done.returncode == 1 and "/opt/gone/bin/python cannot be started" in done.stdout
