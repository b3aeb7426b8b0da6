"""Migrations, run in the process under an advisory lock, so that several instances may start at once.

A service's `migrations/` folder holds Alembic versions whose bodies are SQL (`run_sql`). They run as the owner; the two
login roles of the service are made first, with the passwords their own DSNs carry.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.operations import Operations
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util import await_only

LOCK = 0x57A66135


@dataclass(frozen=True, slots=True)
class Roles:
    """The DSNs of the service's two logins; user names and passwords are taken from them."""

    app_url: str
    system_url: str


class SecondWallMissing(Exception):
    """The service would run as the tables' owner, to whom row-level security does not apply."""


def run_sql(op: Operations, sql: str) -> None:
    """Runs a script of several statements in the migration's own transaction."""
    bind = op.get_bind()
    bind.exec_driver_sql("SELECT 1")  # the driver begins its transaction with the first statement it prepares
    driver: Any = bind.connection.driver_connection
    await_only(driver.execute(sql))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def _ensure_role(owner: asyncpg.Connection, url: str) -> None:
    wanted = make_url(url)
    if not wanted.username:
        raise SecondWallMissing("the DSN names no user")
    if wanted.username == await owner.fetchval("SELECT session_user"):
        raise SecondWallMissing(f"{wanted.username} owns the tables; the service needs a login of its own")
    exists = await owner.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", wanted.username)
    role = _quoted(wanted.username)
    if not exists:
        await owner.execute(f"CREATE ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE")
    if wanted.password and await owner.fetchval("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"):
        password = await owner.fetchval("SELECT quote_literal($1::text)", str(wanted.password))
        await owner.execute(f"ALTER ROLE {role} LOGIN PASSWORD {password}")
    await owner.execute(f"GRANT CONNECT ON DATABASE {_quoted(await owner.fetchval('SELECT current_database()'))} TO {role}")
    await owner.execute(f"GRANT USAGE ON SCHEMA public TO {role}")


def _upgrade(connection: Connection, migrations: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def run_env() -> None:
    """The whole of a service's `migrations/env.py`."""
    from alembic import context

    connection = context.config.attributes["connection"]
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


async def upgrade(owner_url: str, migrations: Path, roles: Roles) -> None:
    """Brings the database to the newest version; safe to call from several processes at once."""
    owner = await asyncpg.connect(owner_url)
    try:
        await owner.execute("SELECT pg_advisory_lock($1)", LOCK)
        for url in (roles.app_url, roles.system_url):
            await _ensure_role(owner, url)
        engine = create_async_engine(make_url(owner_url).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade, migrations)
            await connection.commit()
        await engine.dispose()
    finally:
        await owner.close()  # ends the session and so its advisory lock


def upgrade_now(owner_url: str, migrations: Path, roles: Roles) -> None:
    asyncio.run(upgrade(owner_url, migrations, roles))


async def current_version(url: str) -> str | None:
    """The version a database stands at, None before the first migration."""
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            found = (await connection.execute(text("SELECT to_regclass('alembic_version')"))).scalar()
            return (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar() if found else None
    finally:
        await engine.dispose()
