"""Changes as the v0 API tells them: in the stream, in the flow and to webhooks (contracts hive-v0 §3.8, §5.8, §5.9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.acting import Acting
from hive.alerts.models import Alert
from hive.analysis.models import Job
from hive.audit.history import Change, Position, change_out
from hive.audit.models import AuditRow
from hive.cases.models import Case
from hive.classic import showing
from hive.classic.outputs import alert_status
from hive.classic.registers import AUDIT_KINDS, OPERATIONS
from hive.classic.search import Wanted
from hive.observables.models import Observable
from hive.search.outputs import show
from hive.tables import text_id
from hive.tasks.models import Log, Task
from hive.templates.models import CaseTemplate

# The v1 names of changed fields that the classic API calls otherwise.
NAMES = {
    "assignee": "owner", "number": "caseId", "caseId": "case", "taskGroup": "group", "ord": "order",
    "task_group": "group", "assignee_id": "owner", "start_date": "startDate", "end_date": "endDate", "due_date": "dueDate",
    "data_type": "dataType", "ignore_similarity": "ignoreSimilarity",
}  # fmt: skip
MODELS: dict[str, tuple[Any, Any]] = {
    "alert": (Alert, showing.alerts), "case": (Case, showing.cases), "task": (Task, showing.tasks), "log": (Log, showing.logs),
    "observable": (Observable, showing.observables), "job": (Job, showing.jobs),
    "caseTemplate": (CaseTemplate, showing.templates),
}  # fmt: skip
NATIVE_KINDS = {"caseTemplate": "case template"}
GONE = text("SELECT id, object FROM audit WHERE id = ANY(:ids) AND object IS NOT NULL")
TLP_NAMES = {"CLEAR": 0, "GREEN": 1, "AMBER": 2, "AMBER+STRICT": 3, "RED": 3}


async def told(session: AsyncSession, acting: Acting, changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Each change with the object it is about, its parents nested; of a deleted object what it was at last."""
    objects = await _objects(session, acting, changes)
    gone = await _gone(session, changes)
    return [
        _record(change, objects.get((change.kind, change.object_id)) or gone.get(change.position.id) or {}) for change in changes
    ]


async def natively_told(session: AsyncSession, acting: Acting, changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Each change as the v1 stream tells it, with the object it is about in the form of the v1 API."""
    objects: dict[tuple[str, int], dict[str, Any]] = {}
    for kind, rows in (await _rows(session, changes)).items():
        shown = await show(session, acting.caller, NATIVE_KINDS.get(kind, kind), rows)
        objects.update({(kind, row.id): one for row, one in zip(rows, shown, strict=True)})
    gone = await _gone(session, changes)
    return [
        {
            **change_out(change), "operation": change.action,
            "object": objects.get((change.kind, change.object_id)) or gone.get(change.position.id) or {},
        }
        for change in changes
    ]  # fmt: skip


async def audits(session: AsyncSession, acting: Acting, rows: Sequence[AuditRow], _: Wanted = Wanted()) -> list[dict[str, Any]]:
    """Rows of the history in the form of the stream."""
    changes = [
        Change(
            Position(0, row.id), row.at, row.org_id, row.base, row.action, row.kind, row.object_id, row.root_kind, row.root_id,
            row.request_id, row.actor, row.details,
        )
        for row in rows
    ]  # fmt: skip
    return await told(session, acting, changes)


async def _gone(session: AsyncSession, changes: Iterable[Change]) -> dict[int, dict[str, Any]]:
    """What history kept of the objects that were deleted, by the change's id."""
    deleted = [change.position.id for change in changes if change.action == "delete"]
    return {row.id: row.object for row in await session.execute(GONE, {"ids": deleted})} if deleted else {}


async def _rows(session: AsyncSession, changes: Iterable[Change]) -> dict[str, list[Any]]:
    """The objects the changes are about, as far as they are still there, by kind."""
    wanted: dict[str, set[int]] = {}
    for change in changes:
        if change.kind in MODELS:
            wanted.setdefault(change.kind, set()).add(change.object_id)
    found: dict[str, list[Any]] = {}
    for kind, ids in wanted.items():
        model, _ = MODELS[kind]
        found[kind] = list(await session.scalars(select(model).where(model.id.in_(ids))))
    return found


async def _objects(session: AsyncSession, acting: Acting, changes: Iterable[Change]) -> dict[tuple[str, int], dict[str, Any]]:
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for kind, rows in (await _rows(session, changes)).items():
        _, shape = MODELS[kind]
        for row, one in zip(rows, await shape(session, acting, rows, Wanted(parents=2)), strict=True):
            found[(kind, row.id)] = one
    return found


def _record(change: Change, shown: Mapping[str, Any]) -> dict[str, Any]:
    number = text_id(change.position.id)
    return {
        "_id": number, "id": number, "_type": "audit", "base": change.base, "operation": OPERATIONS[change.action],
        "objectType": AUDIT_KINDS.get(change.kind, change.kind), "objectId": text_id(change.object_id),
        "rootId": text_id(change.root_id), "requestId": change.request_id, "details": details_of(change),
        "startDate": change.at, "createdAt": change.at, "createdBy": change.actor, "object": dict(shown),
    }  # fmt: skip


def details_of(change: Change) -> dict[str, Any]:
    """The changed fields by their classic names and in classic values."""
    given = dict(change.details)
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name in ("tlp", "pap") and isinstance(value, str):
            value = TLP_NAMES.get(value, 3)
        if name in ("customFields", "custom_fields") and isinstance(value, list):
            name, value = "customFields", {one["name"]: {one["type"]: one["value"]} for one in value if isinstance(one, dict)}
        found[NAMES.get(name, name)] = value
    if change.kind == "alert" and "read" in given:
        case = given.get("caseId") or (change.root_id if change.root_kind == "case" else None)
        found["status"] = alert_status_of(read=bool(given["read"]), imported=case is not None)
    if change.kind == "alert" and "caseId" in given:
        found["caseId"] = given["caseId"]
    if change.kind == "case" and "status" in given and change.action != "create":
        found.update(_case_status(str(given["status"])))
    return found


def alert_status_of(*, read: bool, imported: bool) -> str:
    return alert_status(Alert(case_id=1 if imported else None, read=read))


def _case_status(status: str) -> dict[str, Any]:
    if status in ("New", "InProgress"):
        return {"status": "Open"}
    known = ("TruePositive", "FalsePositive", "Indeterminate", "Duplicated", "Other")
    return {"status": "Resolved", "resolutionStatus": status if status in known else "Other"}


def grouped(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One group per request, in the order of their first change: its main change, and how many of each kind there were."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        groups.setdefault(record["requestId"] or record["id"], []).append(record)
    return [_group(members) for members in groups.values()]


def _group(members: Sequence[dict[str, Any]]) -> dict[str, Any]:
    base = next((one for one in members if one["base"]), members[0])
    summary: dict[str, dict[str, int]] = {}
    for one in members:
        if one is not base:
            counts = summary.setdefault(one["objectType"], {})
            counts[one["operation"]] = counts.get(one["operation"], 0) + 1
    return {"_type": "audit", "base": base, "summary": summary}
