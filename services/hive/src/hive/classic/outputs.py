"""Objects as the v0 API shows them (contracts hive-v0 §3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from hive.alerts.models import Alert
from hive.analysis.models import Action, Job, JobArtifact
from hive.attachments.models import Attachment
from hive.cases.models import Case
from hive.classic.fields import fields_out
from hive.classic.reading import tlp_out
from hive.classic.registers import OBJECT_KINDS
from hive.customfields.models import CustomField
from hive.dashboards.models import Dashboard
from hive.identity.caller import Caller
from hive.identity.models import Organisation, Profile
from hive.identity.permissions import Permission
from hive.identity.schemas import OutputUser
from hive.markings import pap_number
from hive.observables.models import Observable
from hive.observabletypes.models import ObservableType
from hive.pages.models import PageTemplate
from hive.sharing.models import Share
from hive.tables import text_id
from hive.tags.models import Tag
from hive.tasks.models import Log, Task
from hive.templates.models import CaseTemplate


def _head(row: Any, kind: str, *, always: bool = False) -> dict[str, Any]:
    """`always`: the keys of the last change are there with null before the first one."""
    shown = {
        "_id": text_id(row.id), "id": text_id(row.id), "_type": kind, "createdBy": row.created_by,
        "createdAt": row.created_at, "version": row.version,
    }  # fmt: skip
    changed = {"updatedBy": row.updated_by, "updatedAt": row.updated_at}
    return shown | (changed if always else _present(changed))


def _present(pairs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in pairs.items() if value is not None}


def alert_status(alert: Alert) -> str:
    """The classic status: a function of case and read (domain model §1.3)."""
    if alert.case_id is not None:
        return "Imported" if alert.read else "Updated"
    return "Ignored" if alert.read else "New"


def alert_out(alert: Alert, observables: Sequence[Observable]) -> dict[str, Any]:
    return {
        **_head(alert, "alert", always=True), "type": alert.type, "source": alert.source, "sourceRef": alert.source_ref,
        "title": alert.title, "description": alert.description, "externalLink": alert.external_link,
        "severity": alert.severity, "tlp": tlp_out(alert.tlp), "pap": pap_number(alert.pap), "date": alert.date,
        "tags": alert.tags, "status": alert_status(alert), "follow": alert.follow, "read": alert.read,
        "case": text_id(alert.case_id) if alert.case_id else None, "caseTemplate": alert.case_template,
        "customFields": fields_out(alert.custom_fields), "artifacts": [observable_out(one) for one in observables],
        "similarCases": [], "lastSyncDate": alert.last_sync_date or alert.created_at, "user": alert.assignee or "",
        "summary": alert.summary,
    }  # fmt: skip


def case_status(case: Case) -> tuple[str, str | None]:
    """Status and resolution in the classic words."""
    if case.stage != "Closed":
        return "Open", None
    if case.status in ("TruePositive", "FalsePositive", "Indeterminate", "Duplicated"):
        return "Resolved", case.status
    return "Resolved", case.resolution or "Other"


def case_out(case: Case, caller: Caller) -> dict[str, Any]:
    status, resolution = case_status(case)
    return {
        **_head(case, "case", always=True), "caseId": case.number, "title": case.title, "description": case.description,
        "severity": case.severity, "startDate": case.start_date, "endDate": case.end_date, "tags": case.tags,
        "flag": case.flag, "tlp": tlp_out(case.tlp), "pap": pap_number(case.pap), "status": status,
        "resolutionStatus": resolution, "impactStatus": case.impact_status, "summary": case.summary,
        "owner": case.assignee, "customFields": fields_out(case.custom_fields), "stats": {},
        "permissions": sorted(caller.permissions), "metrics": {}, "user": case.created_by,
    }  # fmt: skip


def task_out(task: Task) -> dict[str, Any]:
    return {
        **_head(task, "case_task"), "title": task.title, "group": task.task_group, "status": task.status, "flag": task.flag,
        "order": task.ord,
        **_present(
            {
                "description": task.description, "owner": task.assignee, "startDate": task.start_date,
                "endDate": task.end_date, "dueDate": task.due_date,
            }
        ),
    }  # fmt: skip


def attachment_out(one: Attachment) -> dict[str, Any]:
    sha256 = one.sha256.hex()
    return {
        "name": one.name, "hashes": [sha256, one.sha1, one.md5], "size": one.size, "contentType": one.content_type, "id": sha256,
    }  # fmt: skip


def log_out(log: Log, attachments: Sequence[Attachment]) -> dict[str, Any]:
    shown = {
        **_head(log, "case_task_log"), "message": log.message, "startDate": log.date, "status": "Ok", "owner": log.created_by,
    }  # fmt: skip
    if attachments:
        shown["attachment"] = attachment_out(attachments[0])
    return shown


def observable_out(row: Observable) -> dict[str, Any]:
    shown = {
        **_head(row, "case_artifact"), "dataType": row.data_type, "startDate": row.created_at, "tlp": tlp_out(row.tlp),
        "tags": row.tags, "ioc": row.ioc, "sighted": row.sighted, "ignoreSimilarity": row.ignore_similarity,
        "message": row.message, "reports": row.reports, "stats": {},
    }  # fmt: skip
    if row.data is not None:
        shown["data"] = row.data
    if row.sha256 is not None and row.blob is not None:
        sha256 = row.sha256.hex()
        shown["attachment"] = {
            "name": row.file_name, "hashes": [sha256, row.blob["sha1"], row.blob["md5"]], "size": row.blob["size"],
            "contentType": row.content_type, "id": sha256,
        }  # fmt: skip
    return shown


def roles_of(permissions: Sequence[str]) -> list[str]:
    """Roles of TheHive 3 that stand for permissions; some clients refuse to work without read and write."""
    held = set(permissions)
    roles = ["read"]
    if held:
        roles.append("write")
    if held & {Permission.USER, Permission.ORGANISATION}:
        roles.append("admin")
    if Permission.ALERT_CREATE in held:
        roles.append("alert")
    return roles


def user_out(user: OutputUser) -> dict[str, Any]:
    """A user; both APIs know whom they mean by the login."""
    shown: dict[str, Any] = {
        "_id": user["login"], "id": user["login"], "_type": "user", "createdBy": user["_createdBy"],
        "createdAt": user["_createdAt"], "login": user["login"], "name": user["name"], "roles": roles_of(user["permissions"]),
        "organisation": user["organisation"], "hasKey": user["hasKey"], "has-key": user["hasKey"],
        "status": "Locked" if user["locked"] else "Ok",
    }  # fmt: skip
    shown |= _present({"updatedBy": user.get("_updatedBy"), "updatedAt": user.get("_updatedAt")})
    if "avatar" in user:
        shown["avatar"] = user["avatar"]
    return shown


def customfield_out(row: CustomField) -> dict[str, Any]:
    return {
        **_head(row, "customField"), "name": row.display_name, "reference": row.name, "description": row.description,
        "type": row.type, "options": row.options, "mandatory": row.mandatory,
    }  # fmt: skip


def type_out(row: ObservableType) -> dict[str, Any]:
    return {**_head(row, "observableType"), "name": row.name, "isAttachment": row.is_attachment}


def tag_out(row: Tag) -> dict[str, Any]:
    shown = {**_head(row, "tag"), "namespace": row.namespace, "predicate": row.predicate, "colour": row.colour}
    return shown | _present({"value": row.value, "description": row.description})


def organisation_out(row: Organisation) -> dict[str, Any]:
    return {**_head(row, "organisation"), "name": row.name, "description": row.description}


def profile_out(row: Profile) -> dict[str, Any]:
    return {
        **_head(row, "profile"), "name": row.name, "permissions": row.permissions, "editable": row.editable,
        "isAdmin": row.kind == "Admin",
    }  # fmt: skip


def template_out(template: CaseTemplate) -> dict[str, Any]:
    return {
        **_head(template, "caseTemplate"), "name": template.name, "displayName": template.display_name,
        "tags": template.tags, "flag": template.flag, "tasks": template.tasks, "status": "Ok", "metrics": {},
        "customFields": {one["name"]: {one["type"]: one["value"], "order": one["order"]} for one in template.custom_fields},
        **_present(
            {
                "titlePrefix": template.title_prefix, "description": template.description, "severity": template.severity,
                "tlp": tlp_out(template.tlp) if template.tlp else None,
                "pap": pap_number(template.pap) if template.pap else None, "summary": template.summary,
            }
        ),
    }  # fmt: skip


def dashboard_out(row: Dashboard, caller: Caller) -> dict[str, Any]:
    return {
        **_head(row, "dashboard"), "title": row.title, "description": row.description, "definition": row.definition,
        "status": "Shared" if row.shared else "Private", "writable": Permission.DASHBOARD in caller.permissions,
    }  # fmt: skip


def slug_of(title: str) -> str:
    """The title as a part of an address: letters and digits, the rest dashes."""
    return re.sub(r"[\W_]+", "-", title.lower()).strip("-")


def page_out(row: PageTemplate) -> dict[str, Any]:
    return {
        **_head(row, "page"), "title": row.title, "content": row.content, "slug": slug_of(row.title), "order": row.ord,
        "category": row.category,
    }  # fmt: skip


def share_out(share: Share) -> dict[str, Any]:
    return {
        "_id": text_id(share.id), "id": text_id(share.id), "_type": "share", "createdBy": share.created_by,
        "createdAt": share.created_at, "caseId": text_id(share.case_id), "profileName": share.profile,
        "organisationName": share.organisation, "owner": share.owner, "taskRule": share.task_rule,
        "observableRule": share.observable_rule,
    }  # fmt: skip


def job_artifact_out(one: JobArtifact) -> dict[str, Any]:
    """What a report found, as an observable is shown; it has no id, for it is none yet."""
    shown: dict[str, Any] = {
        "_type": "case_artifact", "dataType": one.data_type, "tags": one.tags, "tlp": tlp_out(one.tlp), "message": one.message,
    }  # fmt: skip
    if one.data is not None:
        shown["data"] = one.data
    if one.sha256 is not None:
        sha256 = one.sha256.hex()
        shown["attachment"] = {"id": sha256, "name": one.file_name, "contentType": one.content_type, "size": one.size}
    return shown


def job_out(job: Job, *, full: Any = None, artifacts: Sequence[JobArtifact] = ()) -> dict[str, Any]:
    """`endDate` is always there: the start while the job runs. `report` once it ended; `full` is its body, if it is wanted."""
    shown = {
        **_head(job, "case_artifact_job"), "analyzerId": job.worker_id, "analyzerName": job.worker_name,
        "analyzerDefinition": job.definition, "status": job.status, "startDate": job.start_date,
        "endDate": job.end_date or job.start_date, "cortexId": job.server, "cortexJobId": job.cortex_job_id or "",
        "operations": orjson.dumps(job.operations).decode(),
    }  # fmt: skip
    if job.status == "Failure":
        shown["report"] = {"success": False, "errorMessage": job.error or ""}
    elif job.status == "Success":
        shown["report"] = {"success": True, "full": full, "artifacts": [job_artifact_out(one) for one in artifacts]}
    return shown


def action_out(action: Action, *, full: Any = None) -> dict[str, Any]:
    """`report` and `operations` are JSON texts; an action that has not ended has the report `{}`."""
    report: dict[str, Any] = {}
    if action.status == "Failure":
        report = {"success": False, "errorMessage": action.error or ""}
    elif action.status == "Success":
        report = {"success": True, **({"full": full} if full is not None else {})}
    return {
        **_head(action, "action"), "responderId": action.worker_id, "responderName": action.worker_name,
        "responderDefinition": action.definition, "cortexId": action.server, "cortexJobId": action.cortex_job_id or "",
        "objectType": OBJECT_KINDS[action.object_kind], "objectId": text_id(action.object_id), "status": action.status,
        "startDate": action.start_date, "operations": orjson.dumps(action.operations).decode(),
        "report": orjson.dumps(report).decode(), **_present({"endDate": action.end_date}),
    }  # fmt: skip
