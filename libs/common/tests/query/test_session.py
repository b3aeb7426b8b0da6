"""Searches in a session: rows of a mapped class, in the page's order, by one statement."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from waggle.errors import SearchTooSlow
from waggle.query import HIVE_V1, Search, count_all, find_page, parse_filter, parse_sort
from waggle.testing import Server

from .sample import ALERTS, ROWS, SCHEMA

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Base(DeclarativeBase):
    pass


class Alert(Base):
    __tablename__ = "alerts"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(postgres: Server) -> AsyncIterator[str]:
    name = f"query_{secrets.token_hex(4)}"
    admin = await asyncpg.connect(postgres.url)
    await admin.execute(f"CREATE DATABASE {name}")
    made = await asyncpg.connect(postgres.database_url(name))
    await made.execute(SCHEMA)
    await made.executemany("INSERT INTO alerts VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)", ROWS)
    await made.executemany("INSERT INTO alert_tags VALUES ($1, $2, $3, $4)", [(r[1], t, r[6], r[0]) for r in ROWS for t in r[9]])
    await made.close()
    yield postgres.database_url(name)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest_asyncio.fixture(loop_scope="module")
async def session(url: str) -> AsyncIterator[AsyncSession]:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
    async with AsyncSession(engine) as made:
        yield made
    await engine.dispose()


def search(expression: Any, **more: Any) -> Search:
    return Search(ALERTS, parse_filter(expression, HIVE_V1), org=7, **more)


def f(name: str, value: Any) -> dict[str, Any]:
    return {"_field": name, "_value": value}


async def test_a_page_is_rows_in_order_by_one_statement(session: AsyncSession) -> None:
    sent: list[str] = []
    connection = await session.connection()
    event.listen(connection.sync_connection, "before_cursor_execute", lambda *given: sent.append(given[2]))
    found = await find_page(session, Alert, search({}, sort=parse_sort("-severity"), offset=1, limit=2))
    assert [(one.id, one.title) for one in found] == [(2, "Beacon 100%_x"), (1, "Phishing mail")]
    assert len(sent) == 1
    assert await count_all(session, search({}, limit=1)) == 4


async def test_an_empty_page(session: AsyncSession) -> None:
    assert await find_page(session, Alert, search({"_eq": f("title", "none")})) == []
    assert await count_all(session, search({"_eq": f("title", "none")})) == 0


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"_eq": f("tags", "phishing")}, [3, 1]),
        ({"_in": {"_field": "severity", "_values": [1, 4]}}, [4, 3]),
        ({"_in": {"_field": "_id", "_values": ["~1", f"~{2**59}"]}}, [1]),
        ({"_lt": f("severity", 10**30)}, [4, 3, 2, 1]),
        ({"_gt": f("score", 0.25)}, [3, 1]),
        ({"_eq": f("read", True)}, [2]),
        ({"_gte": f("tlp", 3)}, [4, 2]),
        ({"_like": f("title", "*100%_x")}, [2]),
        ({"_match": f("description", "user@example.com")}, [1]),
        ({"_eq": f("title", "$1 :p1 ::text")}, []),
    ],
)
async def test_every_kind_of_parameter_arrives(session: AsyncSession, expression: Any, expected: list[int]) -> None:
    assert [one.id for one in await find_page(session, Alert, search(expression))] == expected
    assert await count_all(session, search(expression)) == len(expected)


async def test_a_search_that_takes_too_long_is_the_callers_to_narrow(session: AsyncSession) -> None:
    await session.execute(text("SET LOCAL statement_timeout = '50ms'"))
    slow = search({}, narrowing=lambda compiler: f"(SELECT pg_sleep({compiler.parameters.bind(5.0, 'float8')})) IS NOT NULL")
    with pytest.raises(SearchTooSlow, match="narrow it"):
        await count_all(session, slow)


async def test_other_failures_are_not_the_callers(session: AsyncSession) -> None:
    with pytest.raises(Exception, match="division by zero"):
        await find_page(session, Alert, search({}, narrowing=lambda _: "1 / 0 = 1"))
