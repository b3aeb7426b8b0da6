"""Running compiled searches: one statement finds the ids of a page in order, a second reads their rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts.models import Alert
from hive.analysis.models import Job
from hive.attachments.models import Attachment
from hive.cases.models import Case
from hive.identity.models import Organisation, Profile, User
from hive.observables.models import Observable
from hive.tasks.models import Log, Task
from hive.templates.models import CaseTemplate
from waggle.query import Search, Statement, count_sql, page_sql

MODELS: Mapping[str, Any] = {
    "alert": Alert, "case": Case, "task": Task, "log": Log, "observable": Observable, "job": Job, "case template": CaseTemplate,
    "attachment": Attachment, "organisation": Organisation, "profile": Profile, "user": User,
}  # fmt: skip
TIMEOUT = text("SET LOCAL statement_timeout = '5s'")


async def _fetch(session: AsyncSession, statement: Statement) -> list[Any]:
    """A statement with $n parameters in the session's own transaction."""
    await session.execute(TIMEOUT)
    connection = await (await session.connection()).get_raw_connection()
    driver: Any = connection.driver_connection
    return list(await driver.fetch(statement.sql, *statement.args))


async def page(session: AsyncSession, search: Search, *, kind: str | None = None) -> list[Any]:
    """The rows of a page in its order. `kind`: of the rows, where the entity goes by another API's name."""
    found = [row["id"] for row in await _fetch(session, page_sql(search, "{t}.id"))]
    if not found:
        return []
    model = MODELS[kind or search.entity.kind]
    rows = {row.id: row for row in await session.scalars(select(model).where(model.id.in_(found)))}
    return [rows[one] for one in found if one in rows]


async def count(session: AsyncSession, search: Search) -> int:
    """How many match, before the page is cut."""
    return int((await _fetch(session, count_sql(search)))[0]["count"])
