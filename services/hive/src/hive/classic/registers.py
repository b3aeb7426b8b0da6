"""What the v0 API can search, by its own names; the same tables, the same compiler."""

from __future__ import annotations

from dataclasses import replace

from hive.search import catalogues as c
from hive.search import machinery as m
from hive.search import registers as r
from hive.search.fields import PAP, own
from waggle.query import Bind, Entity, Field, Relation, Side

# AMBER+STRICT is shown as 3 here, so 3 finds it, too.
TLP = {0: ("CLEAR",), 1: ("GREEN",), 2: ("AMBER",), 3: ("AMBER+STRICT", "RED")}


def _classic(entity: Entity, kind: str, **more: Field) -> Entity:
    fields = dict(entity.fields)
    for plain in ("createdAt", "createdBy", "updatedAt", "updatedBy"):
        fields[plain] = fields[f"_{plain}"]
    if "tlp" in fields:
        fields["tlp"] = Field("{t}.tlp", "scale", words=TLP)
    if "assignee" in fields:
        fields["owner"] = fields["assignee"]
    return replace(entity, kind=kind, fields={**fields, **more})


# An alert's status is a function of two facts (domain model §1.3).
ALERT_STATUS = Field(
    "CASE WHEN {t}.case_id IS NULL THEN CASE WHEN {t}.read THEN 'Ignored' ELSE 'New' END"
    " WHEN {t}.read THEN 'Imported' ELSE 'Updated' END",
    "computed",
    cases={
        "New": "{t}.case_id IS NULL AND NOT {t}.read",
        "Ignored": "{t}.case_id IS NULL AND {t}.read",
        "Updated": "{t}.case_id IS NOT NULL AND NOT {t}.read",
        "Imported": "{t}.case_id IS NOT NULL AND {t}.read",
    },
)
CASE_STATUS = Field(
    "CASE WHEN {t}.stage = 'Closed' THEN 'Resolved' ELSE 'Open' END",
    "computed",
    cases={"Open": "{t}.stage <> 'Closed'", "Resolved": "{t}.stage = 'Closed'"},
)
# What has no status in our model was "Ok" there, unless deleted; scripts ask for what is not "Deleted".
OK = Field("'Ok'::text", "computed", cases={"Ok": "true"})
RESOLUTION = Field("CASE WHEN {t}.stage = 'Closed' THEN {t}.status END")


FALSE = Field("(NOT true)", "boolean")  # no constant: those cannot be sorted by
ATTACHED = "(SELECT {what} FROM attachments a WHERE a.log_id = {{t}}.id ORDER BY a.id LIMIT 1)"


def _durations(ended: str, began: str) -> dict[str, Field]:
    """How long it took, in milliseconds and in whole larger units; nothing while it lasts."""
    span = f"({ended} - {began})"
    units = {"InSeconds": 1000, "InMinutes": 60_000, "InHours": 3_600_000, "InDays": 86_400_000}
    found = {f"computed.handlingDuration{name}": Field(f"({span} / {width})", "integer") for name, width in units.items()}
    return found | {"computed.handlingDuration": Field(span, "integer")}


def alert() -> Entity:
    return ALERT


def case() -> Entity:
    return CASE


def task() -> Entity:
    return TASK


def log() -> Entity:
    return LOG


def observable() -> Entity:
    return OBSERVABLE


def job() -> Entity:
    return JOB


def template() -> Entity:
    return TEMPLATE


_ARTIFACTS = Relation(observable, "{other}.alert_id = {t}.id")


def _in_case(bind: Bind, number: int) -> str:
    """An alert's case, also by the id of a case that was merged into it (Synapse looks alerts up by the former ids)."""
    wanted = bind(number, "bigint")
    return f"({{t}}.case_id = {wanted} OR {{t}}.case_id = (SELECT x.merged_into FROM cases x WHERE x.id = {wanted}))"


ALERT = replace(
    _classic(
        r.ALERT,
        "alert",
        status=ALERT_STATUS,
        case=Field("{t}.case_id", "id", equal=_in_case),
        **_durations("{t}.imported_date", "{t}.created_at"),
    ),
    children={"alert_artifact": _ARTIFACTS, "case_artifact": _ARTIFACTS},
)
CASE = replace(
    _classic(
        r.CASE, "case", status=CASE_STATUS, resolutionStatus=RESOLUTION, caseId=Field("{t}.number", "integer"),
        caseTemplate=Field("{t}.template_name"), **_durations("{t}.end_date", "{t}.start_date"),
        owningOrganisation=Field("(SELECT o.name FROM organisations o WHERE o.id = {t}.org_id)"),
        patternId=Field("", side=Side("procedures", "case_id", "pattern_id", org=None)),
        viewingOrganisation=Field("(SELECT o.name FROM organisations o WHERE o.id = {t}.viewer_id)"),
    ),
    ignored=frozenset({"template", "mergeInto", "mergeFrom"}),
    children={
        "case_task": Relation(task, "{other}.case_id = {t}.id"),
        "case_artifact": Relation(observable, "{other}.case_id = {t}.id"),
    },
)  # fmt: skip
TASK = replace(
    _classic(r.TASK, "case_task"),
    # A task of a template is a part of it here and none of these.
    parents={"case": Relation(case, "{other}.id = {t}.case_id"), "caseTemplate": Relation(template, "false")},
    children={"case_task_log": Relation(log, "{other}.task_id = {t}.id")},
)
LOG = replace(
    _classic(
        r.LOG,
        "case_task_log",
        startDate=Field("{t}.date", "integer"),
        status=OK,
        deleted=FALSE,
        **{
            "attachment.name": Field(ATTACHED.format(what="a.name")),
            "attachment.hashes": Field(
                "(SELECT ARRAY[encode(b.sha256, 'hex'), b.sha1, b.md5] FROM blobs b WHERE b.sha256 ="
                f" {ATTACHED.format(what='a.sha256')})",
                "list",
            ),
            "attachment.size": Field(ATTACHED.format(what="a.size"), "integer"),
            "attachment.contentType": Field(ATTACHED.format(what="a.content_type")),
            "attachment.id": Field(ATTACHED.format(what="encode(a.sha256, 'hex')")),
        },
    ),
    parents={"case_task": Relation(task, "{other}.id = {t}.task_id")},
)
OBSERVABLE = replace(
    _classic(
        r.OBSERVABLE,
        "case_artifact",
        status=OK,
        relatedId=Field("{t}.parent_id", "id"),
        reports=Field("nullif(CAST({t}.reports AS text), '{{}}')".replace("{{}}", "{}")),
    ),
    parents={
        "case": Relation(case, "{other}.id = {t}.case_id"),
        "alert": Relation(alert, "{other}.id = {t}.alert_id"),
    },
    children={"case_artifact_job": Relation(job, "{other}.observable_id = {t}.id")},
)
JOB = replace(
    _classic(r.JOB, "case_artifact_job"), parents={"case_artifact": Relation(observable, "{other}.id = {t}.observable_id")}
)
TEMPLATE_FLAGS = {
    "severity": Field("{t}.severity", "integer"), "flag": Field("{t}.flag", "boolean"), "summary": Field("{t}.summary"),
    "tlp": Field("{t}.tlp", "scale", words=TLP), "pap": Field("{t}.pap", "scale", words=PAP), "user": Field("{t}.created_by"),
}  # fmt: skip
TEMPLATE_TASK = Entity(
    kind="caseTemplate_task",
    table="(SELECT c.id, c.org_id, x.task FROM case_templates c CROSS JOIN LATERAL jsonb_array_elements(c.tasks) AS x(task))",
    fields={
        "_id": Field("{t}.id", "id"), "title": Field("({t}.task ->> 'title')"), "group": Field("({t}.task ->> 'group')"),
        "description": Field("({t}.task ->> 'description')"), "owner": Field("({t}.task ->> 'assignee')"),
    },
    texts=("title", "description"),
)  # fmt: skip
TEMPLATE = replace(
    _classic(
        r.TEMPLATE, "caseTemplate", status=OK, customFields=Field("nullif(CAST({t}.custom_fields AS text), '[]')"),
        **TEMPLATE_FLAGS,
    ),
    children={"caseTemplate_task": Relation(lambda: TEMPLATE_TASK, "{other}.id = {t}.id")},
)  # fmt: skip
# As outputs.roles_of.
ROLES = (
    "(SELECT ARRAY['read'] || CASE WHEN cardinality(p.permissions) > 0 THEN ARRAY['write'] ELSE ARRAY[]::text[] END"
    " || CASE WHEN p.permissions && ARRAY['manageUser', 'manageOrganisation'] THEN ARRAY['admin'] ELSE ARRAY[]::text[] END"
    " || CASE WHEN 'manageAlert/create' = ANY(p.permissions) THEN ARRAY['alert'] ELSE ARRAY[]::text[] END"
    " FROM memberships m JOIN profiles p ON p.id = m.profile_id WHERE m.user_id = {t}.id AND m.org_id = (SELECT waggle_org()))"
)
USER = _classic(
    r.USER, "user",
    status=Field(
        "CASE WHEN {t}.locked THEN 'Locked' ELSE 'Ok' END", "computed", cases={"Ok": "NOT {t}.locked", "Locked": "{t}.locked"}
    ),
    roles=Field(ROLES, "list"),
    profile=Field(
        "(SELECT p.name FROM memberships m JOIN profiles p ON p.id = m.profile_id WHERE m.user_id = {t}.id"
        " AND m.org_id = (SELECT waggle_org()))"
    ),
)  # fmt: skip
CUSTOM_FIELD = _classic(c.CUSTOM_FIELD, "customField")
OBSERVABLE_TYPE = _classic(c.OBSERVABLE_TYPE, "observableType")
TAG = _classic(c.TAG, "tag")
ORGANISATION = _classic(r.ORGANISATION, "organisation")
PROFILE = _classic(r.PROFILE, "profile")
DASHBOARD = _classic(m.DASHBOARD, "dashboard")
# What a page of TheHive 4 was, an organisation's own, is a page template here.
PAGE = _classic(r.PAGE_TEMPLATE, "page")
OBJECT_KINDS = {
    "alert": "Alert", "case": "Case", "case_task": "Task", "case_task_log": "Log", "case_artifact": "Observable",
}  # fmt: skip


def _of_kind(bind: Bind, name: str) -> str:
    """An action's kind of object by either of its names, `Task` and `case_task`."""
    native = next((kind for kind, shown in OBJECT_KINDS.items() if name in (kind, shown)), name)
    return f"{{t}}.object_kind = {bind(native, 'text')}"


ACTION = own(
    _classic(m.ACTION, "action", objectType=Field("{t}.object_kind", equal=_of_kind), tlp=Field("{t}.tlp", "scale", words=TLP))
)
RESPONDER = Entity(
    kind="responder", table="(SELECT * FROM workers WHERE kind = 'responder')", org=None,
    fields={
        "_id": Field("{t}.worker_id"), "id": Field("{t}.worker_id"), "name": Field("{t}.name"),
        "version": Field("{t}.version"), "description": Field("{t}.description"),
        "dataTypeList": Field("{t}.data_types", "list"), "maxTlp": Field("{t}.max_tlp", "scale", words=TLP),
        "maxPap": Field("{t}.max_pap", "scale", words=PAP),
    },
    texts=("name", "description"),
)  # fmt: skip
OPERATIONS = {"create": "Creation", "update": "Update", "delete": "Delete", "merge": "Update"}
AUDIT_KINDS = {
    "alert": "alert", "case": "case", "task": "case_task", "log": "case_task_log", "observable": "case_artifact",
    "job": "case_artifact_job", "user": "user", "caseTemplate": "caseTemplate", "customField": "customField",
    "organisation": "organisation", "profile": "profile", "observableType": "observableType", "tag": "tag",
    "action": "action", "dashboard": "dashboard", "pageTemplate": "page",
}  # fmt: skip


def _of_audit_kind(bind: Bind, name: str) -> str:
    native = next((kind for kind, shown in AUDIT_KINDS.items() if shown == name), name)
    return f"{{t}}.kind = {bind(native, 'text')}"


_SHOWN = " ".join(f"WHEN '{kind}' THEN '{shown}'" for kind, shown in AUDIT_KINDS.items() if kind != shown)
AUDIT = Entity(
    kind="audit", table="audit", date="at",
    fields={
        "_id": Field("{t}.id", "id"), "id": Field("{t}.id", "id"),
        "createdBy": Field("{t}.actor"), "createdAt": Field("{t}.at", "integer"), "startDate": Field("{t}.at", "integer"),
        "updatedBy": Field("CAST(NULL AS text)"), "updatedAt": Field("CAST(NULL AS bigint)", "integer"),
        "operation": Field(
            "CASE {t}.action WHEN 'create' THEN 'Creation' WHEN 'delete' THEN 'Delete' ELSE 'Update' END", "computed",
            cases={
                "Creation": "{t}.action = 'create'", "Update": "{t}.action IN ('update', 'merge')",
                "Delete": "{t}.action = 'delete'",
            },
        ),
        "objectType": Field(f"CASE {{t}}.kind {_SHOWN} ELSE {{t}}.kind END", equal=_of_audit_kind),
        "objectId": Field("{t}.object_id", "id"), "rootId": Field("{t}.root_id", "id"), "requestId": Field("{t}.request_id"),
        "base": Field("{t}.base", "boolean"), "details": Field("CAST({t}.details AS text)"),
    },
    texts=("objectType", "details"),
)  # fmt: skip
KINDS: dict[str, Entity] = {
    one.kind: one
    for one in (
        ALERT, CASE, TASK, LOG, own(OBSERVABLE), TEMPLATE, own(JOB), USER, CUSTOM_FIELD, OBSERVABLE_TYPE, TAG, ORGANISATION,
        PROFILE, ACTION, AUDIT, DASHBOARD, PAGE,
    )
}  # fmt: skip
MODEL_KINDS = {
    "alert": "alert", "case": "case", "case_task": "task", "case_task_log": "log", "case_artifact": "observable",
    "caseTemplate": "case template", "case_artifact_job": "job", "user": "user", "customField": "custom field",
    "observableType": "observable type", "tag": "tag", "organisation": "organisation", "profile": "profile",
    "action": "action", "audit": "audit", "dashboard": "dashboard", "page": "page template",
}  # fmt: skip
