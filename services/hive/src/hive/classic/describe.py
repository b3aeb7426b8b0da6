"""What the v0 API says about its own objects (contracts hive-v0 §3.10): the searchable properties, for pages that build forms."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from hive.acting import Acting, Known
from hive.answers import answer
from hive.catalogue import Catalogue
from hive.classic.registers import KINDS, OBJECT_KINDS
from waggle.errors import NotFound
from waggle.query import Entity, Field

PATHS = {
    "case": "/case", "case_task": "/case/task", "alert": "/alert", "case_artifact": "/case/artifact", "user": "/user",
    "case_task_log": "/case/task/log", "caseTemplate": "/case/template", "customField": "/customFields",
    "observableType": "/observable/type", "organisation": "/organisation", "profile": "/profile",
    "case_artifact_job": "/connector/cortex/job", "action": "/connector/cortex/action", "audit": "/audit", "tag": "/tag",
    "dashboard": "/dashboard", "page": "/page",
}  # fmt: skip
DATES = (
    "createdAt",
    "updatedAt",
    "date",
    "startDate",
    "endDate",
    "dueDate",
    "lastSyncDate",
    "importDate",
    "_createdAt",
    "_updatedAt",
)
USERS = ("createdBy", "updatedBy", "owner", "user", "assignee")
SCALES: dict[str, tuple[list[int], list[str]]] = {
    "severity": ([1, 2, 3, 4], ["low", "medium", "high", "critical"]),
    "tlp": ([0, 1, 2, 3], ["white", "green", "amber", "red"]),
    "pap": ([0, 1, 2, 3], ["white", "green", "amber", "red"]),
}
WORDS = {
    ("case_task", "status"): ["Waiting", "InProgress", "Completed", "Cancel"],
    ("case", "resolutionStatus"): ["Indeterminate", "FalsePositive", "TruePositive", "Other", "Duplicated"],
    ("case", "impactStatus"): ["NoImpact", "WithImpact", "NotApplicable"],
    ("case_artifact_job", "status"): ["Waiting", "InProgress", "Success", "Failure", "Deleted"],
    ("action", "status"): ["Waiting", "InProgress", "Success", "Failure", "Deleted"],
    ("action", "objectType"): list(OBJECT_KINDS.values()),
}
FIELD_TYPES = {"integer": "number", "float": "number", "boolean": "boolean", "date": "date"}


def attribute(
    name: str, kind: str, values: list[Any] | None = None, labels: list[str] | None = None, text: str = ""
) -> dict[str, Any]:
    return {"name": name, "type": kind, "values": values or [], "labels": labels or [], "description": text}


def _attribute(entity: Entity, name: str, field: Field) -> dict[str, Any]:
    if name in SCALES:
        return attribute(name, "number", *SCALES[name])
    if (entity.kind, name) in WORDS:
        return attribute(name, "enumeration", WORDS[(entity.kind, name)])
    if field.kind == "computed":
        return attribute(name, "enumeration", list(field.cases))
    if name in DATES:
        return attribute(name, "date")
    if name in USERS:
        return attribute(name, "user")
    return attribute(name, {"integer": "number", "float": "number", "boolean": "boolean"}.get(field.value_kind, "string"))


def described(kind: str, catalogue: Catalogue) -> dict[str, Any]:
    """The attributes of one model, with custom fields where it has them. Raises NotFound."""
    entity = KINDS.get(kind)
    if entity is None:
        raise NotFound(f"Model {kind[:64]} not found")
    hidden = {"_createdAt", "_createdBy", "_updatedAt", "_updatedBy", "version", "assignee"}
    shown = [_attribute(entity, name, field) for name, field in entity.fields.items() if name not in hidden]
    if kind in ("alert", "case"):
        for one in catalogue.fields.values():
            kind_shown = "enumeration" if one.options else FIELD_TYPES.get(one.type, "string")
            shown.append(attribute(f"customFields.{one.name}", kind_shown, list(one.options), text=one.display_name))
    return {"label": entity.kind, "path": PATHS[kind], "attributes": shown}


def routes(router: APIRouter) -> None:
    async def catalogue_of(acting: Acting) -> Catalogue:
        return await acting.hive.catalogues.current()

    @router.get("/describe/_all")
    async def describe_all(acting: Known) -> Response:
        catalogue = await catalogue_of(acting)
        return answer({kind: described(kind, catalogue) for kind in KINDS})

    @router.get("/describe/{model}")
    async def describe(model: str, acting: Known) -> Response:
        return answer(described(model, await catalogue_of(acting)))
