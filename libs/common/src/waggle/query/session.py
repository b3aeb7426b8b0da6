"""Running a search in a session's own transaction: one statement for a page of rows, one for how many match."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Double,
    Executable,
    Numeric,
    Row,
    Select,
    Text,
    TextClause,
    Uuid,
    bindparam,
    column,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from waggle.errors import SearchTooSlow
from waggle.query.statement import Search, Statement, count_sql, page_sql

_SCALARS: Final[dict[str, TypeEngine[Any]]] = {
    "bigint": BigInteger(),
    "boolean": Boolean(),
    "float8": Double(),
    "numeric": Numeric(),
    "text": Text(),
    "uuid": Uuid(),
}
TYPES: Final = {**_SCALARS, **{f"{name}[]": ARRAY(kind) for name, kind in _SCALARS.items()}}
QUERY_CANCELED: Final = "57014"


def clause(statement: Statement) -> TextClause:
    """The statement for a session: `$1` becomes `:p1`, bound with its type. Any other colon is none of SQLAlchemy's."""
    sql = re.sub(r"\$(\d+)", r":p\1", statement.sql.replace(":", "\\:"))
    numbered = enumerate(zip(statement.args, statement.types, strict=True), 1)
    return text(sql).bindparams(*(bindparam(f"p{number}", value, TYPES[kind]) for number, (value, kind) in numbered))


def page_select(model: Any, search: Search) -> Select[Any]:
    """The page's rows in its order: found by their keys and read in one statement."""
    page = page_sql(search, f"{{t}}.{search.entity.id}")
    found = Statement(
        f"SELECT id, place FROM unnest(ARRAY({page.sql})) WITH ORDINALITY AS page(id, place)", page.args, page.types
    )
    keys = clause(found).columns(column("id"), column("place")).subquery("page")
    (key,) = inspect(model).primary_key
    return select(model).join(keys, keys.c.id == key).order_by(keys.c.place)


async def find_page(session: AsyncSession, model: Any, search: Search) -> list[Any]:
    """The page's objects. Raises BadRequest, and SearchTooSlow where the database's time limit was not enough."""
    return list((await run_limited(session, page_select(model, search))).scalars())


async def count_all(session: AsyncSession, search: Search) -> int:
    """How many match, before the page is cut. Raises as `find_page` does."""
    return int((await run_limited(session, clause(count_sql(search)))).scalar_one())


async def run_limited(session: AsyncSession, statement: Executable) -> Any:
    """Executes a statement. Raises SearchTooSlow where the database's time limit was not enough."""
    with _in_time():
        return await session.execute(statement)


async def stream_limited(session: AsyncSession, statement: Executable, at_once: int) -> AsyncIterator[Sequence[Row[Any]]]:
    """The rows from a cursor, `at_once` at a time. Raises SearchTooSlow where the time limit was not enough for some of them."""
    with _in_time():
        result = await session.stream(statement, execution_options={"yield_per": at_once})
    parts = result.partitions(at_once)
    try:
        while True:
            with _in_time():
                part = await anext(parts, None)
            if part is None:
                return
            yield part
    finally:
        await result.close()


@contextmanager
def _in_time() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == QUERY_CANCELED:
            raise SearchTooSlow from error
        raise
