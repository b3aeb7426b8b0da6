"""Makes the databases of one server and their owners: `python -m waggle.db.provision < request.json`.

The request is `{"superuser_url", "databases": [{"name", "owner", "password", "logins": {name: password}}]}`; `logins` are further
roles that may enter a database. Repeating it changes nothing but the passwords. Each database may be entered by its own roles
only; an owner may make the roles its service logs in with.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import asyncpg


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def provision(superuser_url: str, databases: list[dict[str, Any]]) -> None:
    admin = await asyncpg.connect(superuser_url)
    try:
        roles = {r["rolname"] for r in await admin.fetch("SELECT rolname FROM pg_roles")}
        present = {r["datname"] for r in await admin.fetch("SELECT datname FROM pg_database")}
        for wanted in databases:
            owner = quoted(wanted["owner"])
            await _role(admin, wanted["owner"], wanted["password"], "CREATEROLE", roles)
            if wanted["name"] not in present:
                await admin.execute(f"CREATE DATABASE {quoted(wanted['name'])} OWNER {owner} STRATEGY FILE_COPY")
            await admin.execute(f"REVOKE CONNECT, TEMPORARY ON DATABASE {quoted(wanted['name'])} FROM PUBLIC")
            for login, login_password in wanted.get("logins", {}).items():
                await _role(admin, login, login_password, "NOCREATEROLE", roles)
                await admin.execute(f"GRANT CONNECT ON DATABASE {quoted(wanted['name'])} TO {quoted(login)}")
    finally:
        await admin.close()


async def _role(admin: asyncpg.Connection, name: str, password: str, power: str, present: set[str]) -> None:
    verb = "ALTER" if name in present else "CREATE"
    literal = await admin.fetchval("SELECT quote_literal($1::text)", password)
    await admin.execute(f"{verb} ROLE {quoted(name)} LOGIN {power} NOSUPERUSER NOBYPASSRLS PASSWORD {literal}")


def main() -> None:
    request: dict[str, Any] = json.load(sys.stdin)
    asyncio.run(provision(request["superuser_url"], request["databases"]))


if __name__ == "__main__":
    main()
