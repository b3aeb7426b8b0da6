"""The database layer on a real server: migrations, scope, the two walls, one-statement writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from waggle.db import Database, Scope
from waggle.db.database import context_sql
from waggle.db.migrate import Roles, SecondWallMissing, current_version, upgrade
from waggle.db.notify import Listener, Notifier
from waggle.testing import MakeDatabase, Server, ServiceDatabase

VERSION = '''
from alembic import op
from waggle.db.migrate import run_sql
revision, down_revision = "0001", None

def upgrade() -> None:
    run_sql(op, """
    CREATE TABLE things (id bigint PRIMARY KEY, org_id bigint NOT NULL, name text NOT NULL);
    CREATE FUNCTION waggle_org() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
      AS $$ SELECT nullif(current_setting('waggle.org', true), '')::bigint $$;
    ALTER TABLE things ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON things TO sample_app
      USING (org_id = (SELECT waggle_org())) WITH CHECK (org_id = (SELECT waggle_org()));
    CREATE POLICY all_rows ON things TO sample_system USING (true) WITH CHECK (true);
    GRANT SELECT, INSERT, UPDATE, DELETE ON things TO sample_app, sample_system;
    """)
'''


@pytest.fixture(scope="module")
def migrations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("migrations")
    (folder / "versions").mkdir()
    (folder / "env.py").write_text("from waggle.db.migrate import run_env\n\nrun_env()\n")
    (folder / "versions" / "0001.py").write_text(VERSION)
    return folder


@pytest.fixture
async def service(make_database: MakeDatabase, migrations: Path) -> ServiceDatabase:
    return await make_database("sample", migrations=migrations)


@pytest.fixture
async def database(service: ServiceDatabase) -> AsyncIterator[Database]:
    made = Database(service.app_url, service.system_url, application_name="test")
    yield made
    await made.close()


async def add(database: Database, org: int, thing: int) -> None:
    async with database.begin(Scope(org=str(org))) as session:
        await session.execute(text("INSERT INTO things VALUES (:i, :o, 'x')"), {"i": thing, "o": org})


class TestScope:
    async def test_without_a_scope_no_row_is_seen(self, database: Database) -> None:
        await add(database, 1, 10)
        async with database.begin(Scope()) as session:
            assert (await session.execute(text("SELECT count(*) FROM things"))).scalar_one() == 0
        assert (await database.fetch("SELECT count(*) AS n FROM things"))[0]["n"] == 0

    async def test_an_organisation_sees_its_own_rows_only(self, database: Database) -> None:
        await add(database, 1, 10)
        await add(database, 2, 20)
        async with database.begin(Scope(org="2")) as session:
            assert (await session.execute(text("SELECT id FROM things"))).scalars().all() == [20]

    async def test_writing_for_another_organisation_is_refused(self, database: Database) -> None:
        with pytest.raises(Exception, match="row-level security"):
            async with database.begin(Scope(org="1")) as session:
                await session.execute(text("INSERT INTO things VALUES (1, 2, 'x')"))

    async def test_a_scope_does_not_outlive_its_transaction(self, database: Database) -> None:
        await add(database, 1, 10)
        for _ in range(20):
            assert (await database.fetch("SELECT count(*) AS n FROM things"))[0]["n"] == 0

    async def test_the_system_role_sees_all(self, database: Database) -> None:
        await add(database, 1, 10)
        await add(database, 2, 20)
        async with database.system() as session:
            assert (await session.execute(text("SELECT count(*) FROM things"))).scalar_one() == 2

    async def test_an_error_rolls_everything_back(self, database: Database) -> None:
        with pytest.raises(RuntimeError):
            async with database.begin(Scope(org="1")) as session:
                await session.execute(text("INSERT INTO things VALUES (1, 1, 'x')"))
                raise RuntimeError
        async with database.system() as session:
            assert (await session.execute(text("SELECT count(*) FROM things"))).scalar_one() == 0


class TestOneStatement:
    SQL = (
        f"WITH {context_sql()}, d AS MATERIALIZED (SELECT e.value AS b FROM ctx, jsonb_array_elements($4::jsonb) e)"
        " INSERT INTO things SELECT (b->>'id')::bigint, $1::bigint, b->>'name' FROM d RETURNING id"
    )

    async def test_the_scope_travels_inside_the_statement(self, database: Database) -> None:
        rows = await database.fetch(self.SQL, *Scope(org="7").parameters(), '[{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]')
        assert [r["id"] for r in rows] == [1, 2]
        async with database.begin(Scope(org="7")) as session:
            assert (await session.execute(text("SELECT count(*) FROM things"))).scalar_one() == 2

    async def test_the_wall_stands_there_too(self, database: Database) -> None:
        sql = self.SQL.replace("$1::bigint, b->>'name'", "8, b->>'name'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.fetch(sql, *Scope(org="7").parameters(), '[{"id": 1, "name": "a"}]')


class TestMigration:
    async def test_is_idempotent_and_safe_at_once(self, service: ServiceDatabase, migrations: Path) -> None:
        roles = Roles(service.app_url, service.system_url)
        await asyncio.gather(*(upgrade(service.owner_url, migrations, roles) for _ in range(3)))
        assert await current_version(service.owner_url) == "0001"

    async def test_the_owner_may_not_be_the_application(self, service: ServiceDatabase, migrations: Path) -> None:
        with pytest.raises(SecondWallMissing):
            await upgrade(service.owner_url, migrations, Roles(service.owner_url, service.system_url))

    async def test_the_application_role_has_no_powers(self, postgres: Server, service: ServiceDatabase) -> None:
        connection = await asyncpg.connect(postgres.url)
        rows = await connection.fetch("SELECT * FROM pg_roles WHERE rolname IN ('sample_app', 'sample_system')")
        await connection.close()
        powers = ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb")
        assert len(rows) == 2
        assert not any(row[power] for row in rows for power in powers)


class TestNotify:
    async def test_a_wake_reaches_a_listener_and_is_coalesced(self, database: Database, service: ServiceDatabase) -> None:
        heard = 0
        woken = asyncio.Event()

        def count() -> None:
            nonlocal heard
            heard += 1
            woken.set()

        listener = Listener(service.app_url)
        listener.on("outbox", count)
        listener.start()
        try:
            await asyncio.wait_for(woken.wait(), 10)  # once by itself when connected
            woken.clear()
            notifier = Notifier(database)
            for _ in range(100):
                notifier.wake("outbox")
            await asyncio.wait_for(woken.wait(), 10)
            await asyncio.sleep(0.2)
            assert 2 <= heard <= 5
        finally:
            await listener.stop()
