"""The door to a service's database.

Two logins use it: `<service>_app` is subject to row-level security and sees only the organisation of its scope;
`<service>_system` is for machinery that works across organisations (relay, retention). Neither owns a table.

How the scope reaches PostgreSQL: as transaction-local settings, never as settings of the session, so that a pooled
connection cannot carry one caller's organisation into another's request. `Database.begin` sets them first thing in the
transaction. A one-statement path sets them inside the statement itself, see `context_sql`; it goes past SQLAlchemy, over
connections that plan such a fixed statement once and not each time anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

SET_SCOPE = text(
    "SELECT set_config('waggle.org', :org, true), set_config('waggle.user', :user, true),"
    " set_config('waggle.request', :request, true)"
)

LOST = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError)
"""What the driver raises when its server goes; InternalClientError is its own confusion in that moment."""
CONNECT_SECONDS = 5
ACQUIRE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Scope:
    """On whose behalf a transaction runs: ids as text, None = none (and then no tenant row is visible)."""

    org: str | None = None
    user: str | None = None
    request_id: str | None = None

    def parameters(self) -> tuple[str, str, str]:
        return self.org or "", self.user or "", self.request_id or ""


def context_sql(first: int = 1) -> str:
    """The CTE that sets the scope inside a single statement; it takes three parameters from $first on (`Scope.parameters`).

    The rows to insert must be drawn from `ctx` (`FROM ctx, jsonb_array_elements(...)`): the settings are then made before the
    first policy is checked, in the one round trip that carries the statement.
    """
    org, user, request = (f"${first + i}" for i in range(3))
    return (
        f"ctx AS MATERIALIZED (SELECT set_config('waggle.org', {org}::text, true) AS org,"
        f" set_config('waggle.user', {user}::text, true) AS actor,"
        f" set_config('waggle.request', {request}::text, true) AS request)"
    )


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


async def _leave(connection: asyncpg.Connection) -> None:
    """What a connection goes back with: the default's extra round trip only where a transaction was left open."""
    if connection.is_in_transaction():
        await connection.reset()


async def _decode_json(connection: asyncpg.Connection) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(kind, schema="pg_catalog", encoder=str, decoder=orjson.loads, format="text")


class _Statements:
    """A pool of driver connections of one login, made on first use."""

    def __init__(self, url: str, size: int, settings: dict[str, str]) -> None:
        self._url, self._size, self._settings = url, size, settings
        self._pool: asyncpg.Pool | None = None
        self._making = asyncio.Lock()

    async def pool(self) -> asyncpg.Pool:
        if self._pool is None:
            async with self._making:
                if self._pool is None:
                    self._pool = await asyncpg.create_pool(
                        self._url, min_size=0, max_size=self._size, timeout=CONNECT_SECONDS, reset=_leave, init=_decode_json,
                        server_settings={**self._settings, "plan_cache_mode": "force_generic_plan"},
                    )  # fmt: skip
        return self._pool

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()


class Database:
    """Engines of one service's two logins. `app_url` and `system_url` are `postgresql://` DSNs."""

    def __init__(self, app_url: str, system_url: str, *, application_name: str, pool_size: int = 10) -> None:
        self._settings = {"application_name": application_name, "jit": "off"}
        self.app_url = app_url
        self.system_url = system_url
        for_system = max(2, pool_size // 3)
        self._app = self._engine(app_url, pool_size)
        self._system = self._engine(system_url, for_system)
        self._app_statements = _Statements(app_url, pool_size, self._settings)
        self._system_statements = _Statements(system_url, for_system, self._settings)

    def _engine(self, url: str, pool_size: int) -> AsyncEngine:
        return create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=ACQUIRE_SECONDS,
            json_serializer=_dumps,
            json_deserializer=orjson.loads,
            connect_args={"timeout": CONNECT_SECONDS, "server_settings": self._settings},
        )

    @asynccontextmanager
    async def begin(self, scope: Scope) -> AsyncIterator[AsyncSession]:
        """One transaction as the application role, in `scope`; committed when the block ends, rolled back when it raises."""
        async with AsyncSession(self._app, expire_on_commit=False) as session, session.begin():
            org, user, request = scope.parameters()
            await session.execute(SET_SCOPE, {"org": org, "user": user, "request": request})
            yield session

    @asynccontextmanager
    async def system(self) -> AsyncIterator[AsyncSession]:
        """One transaction as the system role: all organisations' rows."""
        async with AsyncSession(self._system, expire_on_commit=False) as session, session.begin():
            yield session

    @asynccontextmanager
    async def raw(self, *, system: bool = False) -> AsyncIterator[asyncpg.Connection]:
        """A pooled driver connection in autocommit, for paths that are one statement. It carries no scope: see `context_sql`."""
        pool = await (self._system_statements if system else self._app_statements).pool()
        async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            try:
                yield connection
            except LOST:
                with suppress(asyncpg.InterfaceError):  # the pool has let go of it already
                    connection.terminate()
                raise

    async def fetch(self, sql: str, *args: Any, system: bool = False) -> list[asyncpg.Record]:
        """The rows of one statement in autocommit."""
        async with self.raw(system=system) as connection:
            return list(await connection.fetch(sql, *args))

    async def check(self) -> None:
        """Raises when the database does not answer."""
        await self.fetch("SELECT 1")

    async def close(self) -> None:
        await self._app.dispose()
        await self._system.dispose()
        await self._app_statements.close()
        await self._system_statements.close()
