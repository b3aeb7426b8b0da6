"""The command line: migrate and seed again and again, people."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import asyncpg

from waggle.security.secretbox import new_secret_key
from waggle.testing import ServiceDatabase

SEED = {
    "admin": {"login": "admin@thehive.local", "password": "correct horse battery"},
    "organisation": "main-org",
    "org_admin": {"login": "admin@thehive.local", "api_key": "wk-the-launchers-key"},
    "cortex_servers": [{"name": "local", "kind": "bus"}],
    "templates": True,
}
TABLES = ("users", "organisations", "memberships", "profiles", "api_keys", "case_templates", "cortex_servers", "observable_types")


async def hive(database: ServiceDatabase, folder: Path, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
    environment = {
        **os.environ,
        "HIVE_DATABASE_URL": database.owner_url, "HIVE_DATABASE_APP_URL": database.app_url,
        "HIVE_DATABASE_SYSTEM_URL": database.system_url, "HIVE_BLOBS": str(folder), "HIVE_SECRET_KEY": new_secret_key(),
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from hive.cli import main; main()", *arguments, env=environment,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, error = await asyncio.wait_for(process.communicate(stdin.encode()), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), error.decode()


async def content(owner: asyncpg.Connection) -> dict[str, Any]:
    return {table: [tuple(r) for r in await owner.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")] for table in TABLES}


async def test_seeding_twice_changes_nothing(database: ServiceDatabase, tmp_path: Path) -> None:
    owner = await asyncpg.connect(database.owner_url)
    try:
        for _ in range(2):
            assert (await hive(database, tmp_path, "migrate"))[0] == 0
        code, _, error = await hive(database, tmp_path, "seed", "--json", "-", stdin=json.dumps(SEED))
        assert code == 0, error
        first = await content(owner)
        assert (await hive(database, tmp_path, "seed", "--json", "-", stdin=json.dumps(SEED)))[0] == 0
        assert await content(owner) == first
        assert {row["created_by"] for row in await owner.fetch("SELECT created_by FROM users")} == {"system@thehive.local"}
        organisations = await owner.fetch(
            "SELECT o.name, p.name AS profile FROM memberships m JOIN organisations o ON o.id = m.org_id"
            " JOIN profiles p ON p.id = m.profile_id ORDER BY m.position"
        )
        assert [tuple(row) for row in organisations] == [("main-org", "org-admin"), ("admin", "admin")]
        assert "wk-the-launchers-key" not in str(first) and "correct horse" not in str(first)
        types = await owner.fetchval("SELECT array_agg(name) FROM observable_types WHERE is_attachment")
        assert types == ["file"]
    finally:
        await owner.close()


async def test_people(database: ServiceDatabase, tmp_path: Path) -> None:
    assert (await hive(database, tmp_path, "seed", "--json", "-", stdin=json.dumps(SEED)))[0] == 0
    add = ("user", "add", "ann@soc.example", "--organisation", "main-org", "--profile", "analyst")
    code, out, error = await hive(database, tmp_path, *add, stdin="a long password\n")
    assert (code, out.strip()) == (0, "ann@soc.example is analyst of main-org"), error
    _, listed, _ = await hive(database, tmp_path, "user", "list")
    assert "ann@soc.example\tmain-org\tanalyst" in listed
    assert (await hive(database, tmp_path, "user", "password", "ann@soc.example", stdin="another password\n"))[0] == 0
    for arguments, stdin in (
        (("user", "password", "ann@soc.example"), "short\n"), (("user", "password", "nobody@x.example"), "a long password\n"),
        (("user", "add", "x@soc.example", "--organisation", "nowhere"), "a long password\n"),
    ):  # fmt: skip
        code, _, error = await hive(database, tmp_path, *arguments, stdin=stdin)
        assert code == 1 and "Traceback" not in error, (arguments, error)
