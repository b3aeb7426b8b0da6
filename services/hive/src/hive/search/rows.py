"""Running compiled searches: one statement for a page of rows, one for how many match."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
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
from hive.procedures.models import Pattern, Procedure
from hive.sharing.models import Share
from hive.statuses.models import Status
from hive.tags.models import Tag, Taxonomy
from hive.tasks.models import Log, Task
from hive.templates.models import CaseTemplate
from hive.timeline.models import CustomEvent
from waggle.query import Search, count_all, find_page

MODELS: Mapping[str, Any] = {
    "alert": Alert, "case": Case, "task": Task, "log": Log, "observable": Observable, "job": Job, "case template": CaseTemplate,
    "attachment": Attachment, "organisation": Organisation, "profile": Profile, "user": User,
    "observable type": ObservableType, "custom field": CustomField, "alert status": Status, "case status": Status, "tag": Tag,
    "taxonomy": Taxonomy,
    "comment": Comment, "page": Page, "page template": PageTemplate, "procedure": Procedure, "pattern": Pattern,
    "custom event": CustomEvent, "share": Share,
    "action": Action, "audit": AuditRow, "dashboard": Dashboard,
}  # fmt: skip
TIMEOUT = text("SET LOCAL statement_timeout = '9s'")


async def page(session: AsyncSession, search: Search, *, kind: str | None = None) -> list[Any]:
    """The rows of a page in its order. `kind`: of the rows, where the entity goes by another API's name."""
    await session.execute(TIMEOUT)
    return await find_page(session, MODELS[kind or search.entity.kind], search)


async def count(session: AsyncSession, search: Search) -> int:
    """How many match, before the page is cut."""
    await session.execute(TIMEOUT)
    return await count_all(session, search)
