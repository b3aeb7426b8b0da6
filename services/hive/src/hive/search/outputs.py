"""A page of rows in the form of the v1 API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts.schemas import alert_out
from hive.analysis.schemas import action_out, job_out
from hive.attachments import service as attachments
from hive.attachments.schemas import attachment_out
from hive.audit.models import audit_out
from hive.cases.schemas import case_out
from hive.comments.schemas import comment_out
from hive.customfields.schemas import field_out
from hive.identity.caller import Caller
from hive.identity.schemas import organisation_out, profile_out
from hive.identity.service import users_out
from hive.observables.schemas import observable_out
from hive.observabletypes.schemas import type_out
from hive.pages.schemas import page_out
from hive.procedures.schemas import pattern_out, procedure_out
from hive.sharing.schemas import share_out
from hive.statuses.schemas import status_out
from hive.tags import service as tags
from hive.tags.schemas import tag_out, taxonomy_out
from hive.tasks.schemas import log_out, task_out
from hive.templates.schemas import template_out
from hive.timeline.schemas import event_out

SIMPLE: dict[str, Any] = {
    "alert": alert_out, "task": task_out, "observable": observable_out, "job": job_out, "case template": template_out,
    "attachment": attachment_out, "organisation": organisation_out, "profile": profile_out, "observable type": type_out,
    "custom field": field_out, "alert status": status_out, "case status": status_out, "tag": tag_out,
    "comment": comment_out, "page": page_out, "page template": page_out, "procedure": procedure_out, "pattern": pattern_out,
    "custom event": event_out, "share": share_out,
    "action": action_out, "audit": audit_out,
}  # fmt: skip


async def show(session: AsyncSession, caller: Caller, kind: str, rows: Sequence[Any]) -> list[dict[str, Any]]:
    if kind == "case":
        return [cast(dict[str, Any], case_out(row, caller)) for row in rows]
    if kind == "log":
        files = await attachments.of_logs(session, [row.id for row in rows])
        return [cast(dict[str, Any], log_out(row, files.get(row.id, []))) for row in rows]
    if kind == "user":
        return [cast(dict[str, Any], one) for one in await users_out(session, caller, rows)]
    if kind == "taxonomy":
        below = await tags.tags_of(session, rows)
        return [cast(dict[str, Any], taxonomy_out(row, below[row.id])) for row in rows]
    return [SIMPLE[kind](row) for row in rows]
