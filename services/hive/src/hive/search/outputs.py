"""A page of rows in the form of the v1 API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts.schemas import OutputAlert, alert_out
from hive.analysis.schemas import OutputAction, OutputJob, action_out, job_out
from hive.attachments import service as attachments
from hive.attachments.schemas import OutputAttachment, attachment_out
from hive.audit.models import OutputAudit, audit_out
from hive.cases.schemas import OutputCase, case_out
from hive.comments.schemas import OutputComment, comment_out
from hive.customfields.schemas import OutputCustomField, field_out
from hive.dashboards.schemas import OutputDashboard, dashboard_out
from hive.identity.caller import Caller
from hive.identity.schemas import OutputOrganisation, OutputProfile, OutputUser, organisation_out, profile_out
from hive.identity.service import users_out
from hive.observables.schemas import OutputObservable, observable_out
from hive.observabletypes.schemas import OutputObservableType, type_out
from hive.pages.schemas import OutputPage, page_out
from hive.procedures.catalog_schemas import OutputCatalog, catalog_out
from hive.procedures.schemas import OutputPattern, OutputProcedure, pattern_out, procedure_out
from hive.sharing.schemas import OutputShare, share_out
from hive.statuses.schemas import OutputStatus, status_out
from hive.tags import service as tags
from hive.tags.schemas import OutputTag, OutputTaxonomy, tag_out, taxonomy_out
from hive.tasks.schemas import OutputLog, OutputTask, log_out, task_out
from hive.templates.schemas import OutputCaseTemplate, template_out
from hive.timeline.schemas import OutputCustomEvent, event_out

SIMPLE: dict[str, Any] = {
    "alert": alert_out, "task": task_out, "observable": observable_out, "job": job_out, "case template": template_out,
    "attachment": attachment_out, "organisation": organisation_out, "profile": profile_out, "observable type": type_out,
    "custom field": field_out, "alert status": status_out, "case status": status_out, "tag": tag_out,
    "comment": comment_out, "page": page_out, "page template": page_out, "procedure": procedure_out, "pattern": pattern_out,
    "custom event": event_out, "catalog": catalog_out, "share": share_out,
    "action": action_out, "audit": audit_out, "dashboard": dashboard_out,
}  # fmt: skip
OUTPUTS: dict[str, type] = {
    "alert": OutputAlert,
    "case": OutputCase,
    "task": OutputTask,
    "log": OutputLog,
    "observable": OutputObservable,
    "job": OutputJob,
    "case template": OutputCaseTemplate,
    "attachment": OutputAttachment,
    "organisation": OutputOrganisation,
    "profile": OutputProfile,
    "user": OutputUser,
    "observable type": OutputObservableType,
    "custom field": OutputCustomField,
    "alert status": OutputStatus,
    "case status": OutputStatus,
    "tag": OutputTag,
    "taxonomy": OutputTaxonomy,
    "comment": OutputComment,
    "page": OutputPage,
    "page template": OutputPage,
    "procedure": OutputProcedure,
    "pattern": OutputPattern,
    "custom event": OutputCustomEvent,
    "catalog": OutputCatalog,
    "share": OutputShare,
    "action": OutputAction,
    "audit": OutputAudit,
    "dashboard": OutputDashboard,
}
COLUMNS = {kind: tuple(shape.__annotations__) for kind, shape in OUTPUTS.items()}
"""Every field an object of a kind may show, in order."""


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
