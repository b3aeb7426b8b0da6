"""What the v0 API can search, by its own names; the same tables, the same compiler."""

from __future__ import annotations

from dataclasses import replace

from hive.search import registers as r
from waggle.query import Entity, Field, Relation

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
RESOLUTION = Field("CASE WHEN {t}.stage = 'Closed' THEN {t}.status END")


def alert() -> Entity:
    return ALERT


def case() -> Entity:
    return CASE


def task() -> Entity:
    return TASK


def observable() -> Entity:
    return OBSERVABLE


ALERT = _classic(r.ALERT, "alert", status=ALERT_STATUS)
CASE = replace(
    _classic(r.CASE, "case", status=CASE_STATUS, resolutionStatus=RESOLUTION, caseId=Field("{t}.number", "integer")),
    children={
        "case_task": Relation(task, "{other}.case_id = {t}.id"),
        "case_artifact": Relation(observable, "{other}.case_id = {t}.id"),
    },
)
TASK = replace(_classic(r.TASK, "case_task"), parents={"case": Relation(case, "{other}.id = {t}.case_id")})
LOG = replace(
    _classic(r.LOG, "case_task_log", startDate=Field("{t}.date", "integer")),
    parents={"case_task": Relation(task, "{other}.id = {t}.task_id")},
    ignored=frozenset({"status"}),
)
OBSERVABLE = replace(
    _classic(r.OBSERVABLE, "case_artifact"),
    parents={
        "case": Relation(case, "{other}.id = {t}.case_id"),
        "alert": Relation(alert, "{other}.id = {t}.alert_id"),
    },
)
TEMPLATE = replace(_classic(r.TEMPLATE, "caseTemplate"), ignored=frozenset({"status"}))
KINDS: dict[str, Entity] = {one.kind: one for one in (ALERT, CASE, TASK, LOG, OBSERVABLE, TEMPLATE)}
MODEL_KINDS = {
    "alert": "alert", "case": "case", "case_task": "task", "case_task_log": "log", "case_artifact": "observable",
    "caseTemplate": "case template",
}  # fmt: skip
