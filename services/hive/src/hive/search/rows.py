"""Running compiled searches: one statement for a page of rows, one for how many match."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts.models import Alert
from hive.analysis.models import Action, Job
from hive.attachments.models import Attachment
from hive.audit.models import AuditRow
from hive.cases.models import Case
from hive.comments.models import Comment
from hive.customfields.models import CustomField
from hive.dashboards.models import Dashboard
from hive.identity.models import Organisation, Profile, User
from hive.observables.models import Observable
from hive.observabletypes.models import ObservableType
from hive.pages.models import Page, PageTemplate
from hive.procedures.models import Catalog, Pattern, Procedure
from hive.search.registers import OWN_CASES, SHARED_CASES, WITH_RECEIVED
from hive.sharing.models import Share
from hive.statuses.models import Status
from hive.tags.models import Tag, Taxonomy
from hive.tasks.models import Log, Task
from hive.templates.models import CaseTemplate
from hive.timeline.models import CustomEvent
from waggle.errors import SearchTooSlow
from waggle.query import Search, count_all, find_page, page_sql
from waggle.query.session import clause, stream_limited

MODELS: Mapping[str, Any] = {
    "alert": Alert, "case": Case, "task": Task, "log": Log, "observable": Observable, "job": Job, "case template": CaseTemplate,
    "attachment": Attachment, "organisation": Organisation, "profile": Profile, "user": User,
    "observable type": ObservableType, "custom field": CustomField, "alert status": Status, "case status": Status, "tag": Tag,
    "taxonomy": Taxonomy,
    "comment": Comment, "page": Page, "page template": PageTemplate, "procedure": Procedure, "pattern": Pattern,
    "catalog": Catalog,
    "custom event": CustomEvent, "share": Share,
    "action": Action, "audit": AuditRow, "dashboard": Dashboard,
}  # fmt: skip
SECONDS: Final = 9.0
AT_ONCE: Final = 500


class TimeLimit:
    """What all statements of one answer may take together, from now on."""

    def __init__(self) -> None:
        self._until = time.monotonic() + SECONDS

    async def set(self, session: AsyncSession) -> None:
        """Gives the next statement what is left. Raises SearchTooSlow where nothing is."""
        left = int((self._until - time.monotonic()) * 1000)
        if left <= 0:
            raise SearchTooSlow
        await session.execute(text(f"SET LOCAL statement_timeout = {left}"))


BEGIN = text(
    f"SELECT set_config('statement_timeout', '{int(SECONDS * 1000)}', true), set_config('waggle.page', :page, true),"
    " EXISTS (SELECT FROM case_shares WHERE org_id = :org AND NOT owner)"
)


async def begun(session: AsyncSession, search: Search, *, page: bool) -> Search:
    """Sets the time limit and says whether a page or a count comes.

    An organisation that received no case reads its own ones alone; one that did reads what hangs on those, too.
    """
    org = search.org if isinstance(search.org, int) else None
    received = (await session.execute(BEGIN, {"page": "on" if page else "off", "org": org})).one()[2]
    entity = search.entity
    if org is None:
        return search
    if not received and entity.table == SHARED_CASES:
        return replace(search, entity=replace(entity, table=OWN_CASES))
    if received and entity.org is not None and entity.table in WITH_RECEIVED:
        return replace(search, entity=replace(entity, table=WITH_RECEIVED[entity.table], org="viewer_id"))
    return search


async def page(session: AsyncSession, search: Search, *, kind: str | None = None) -> list[Any]:
    """The rows of a page in its order. `kind`: of the rows, where the entity goes by another API's name."""
    search = await begun(session, search, page=True)
    return await find_page(session, MODELS[kind or search.entity.kind], search)


async def count(session: AsyncSession, search: Search) -> int:
    """How many match, before the page is cut."""
    return await count_all(session, await begun(session, search, page=False))


async def flow(session: AsyncSession, search: Search) -> AsyncIterator[list[Any]]:
    """All rows in their order, some at a time: the database holds the ids, and of the rows there are never more than those.

    The time limit is that of each step. What is deleted meanwhile is left out.
    """
    search = await begun(session, search, page=False)
    model = MODELS[search.entity.kind]
    ids = clause(page_sql(search, f"{{t}}.{search.entity.id}"))
    async for part in stream_limited(session, ids, AT_ONCE):
        wanted = [row[0] for row in part]
        found = {row.id: row for row in await session.scalars(select(model).where(model.id.in_(wanted)))}
        yield [found[one] for one in wanted if one in found]
        session.expunge_all()
