"""The v0 search: the same engine with the classic names of kinds and fields (contracts hive-v0 §4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import Select, and_, case, func, or_, true
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from hive.alerts.models import Alert
from hive.analysis.models import Job
from hive.cases.models import Case
from hive.classic.reading import CLASSIC_TLP
from hive.identity.caller import Caller
from hive.observables.models import Observable
from hive.search import entities as e
from hive.search.entities import Entity
from hive.search.filters import Condition, Field, condition, finder
from hive.search.pipeline import LISTS, count, ordering
from hive.tasks.models import Log, Task
from waggle.errors import BadRequest
from waggle.web.fields import Fields
from waggle.web.paging import parse_range


def _classic_tlp(column: Any) -> Field:
    def read(value: Any) -> str:
        number = int(value) if isinstance(value, str) and value.isdigit() else value
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 3:
            raise BadRequest("tlp is a number from 0 to 3")
        return CLASSIC_TLP[number]

    return Field(column, scale=CLASSIC_TLP, read=read)


ALERT_STATUS = case(
    (and_(Alert.case_id.is_not(None), Alert.read), "Imported"), (Alert.case_id.is_not(None), "Updated"), (Alert.read, "Ignored"),
    else_="New",
)  # fmt: skip
CASE_STATUS = case((Case.stage == "Closed", "Resolved"), else_="Open")


def _classic(entity: Entity, more: Mapping[str, Field]) -> Entity:
    register = dict(entity.register)
    for underscored, plain in (
        ("_createdAt", "createdAt"),
        ("_createdBy", "createdBy"),
        ("_updatedAt", "updatedAt"),
        ("_updatedBy", "updatedBy"),
    ):
        register[plain] = register[underscored]
    if "tlp" in register:
        register["tlp"] = _classic_tlp(register["tlp"].column)
    return replace(entity, register={**register, **more})


KINDS: dict[str, Entity] = {
    "alert": _classic(e.ALERT, {"status": Field(ALERT_STATUS)}),
    "case": _classic(
        e.CASE,
        {
            "status": Field(CASE_STATUS), "caseId": Field(Case.number, "number"), "owner": Field(Case.assignee),
            "resolutionStatus": Field(case((Case.stage == "Closed", Case.status), else_=None)),
        },
    ),
    "case_task": _classic(e.TASK, {"owner": Field(Task.assignee)}),
    "case_task_log": _classic(e.LOG, {"startDate": Field(Log.date, "number")}),
    "case_artifact": _classic(e.OBSERVABLE, {}),
    "case_artifact_job": _classic(e.JOB, {}),
    "caseTemplate": _classic(e.TEMPLATE, {}),
}  # fmt: skip
SOURCES = {
    "alert": "Alert",
    "case": "Case",
    "case_artifact": "Observable",
    "case_artifact_job": "Job",
    "caseTemplate": "CaseTemplate",
}
# `_parent`: from a kind, by the parent's kind, the column that holds the parent's id.
PARENTS: dict[tuple[str, str], Any] = {
    ("case_task", "case"): Task.case_id,
    ("case_task_log", "case_task"): Log.task_id,
    ("case_artifact", "case"): Observable.case_id,
    ("case_artifact", "alert"): Observable.alert_id,
    ("case_artifact_job", "case_artifact"): Job.observable_id,
}
ALWAYS_TRUE = frozenset({("caseTemplate", "status"), ("case_task_log", "status")})


def _rewritten(kind: str, expression: Any, depth: int = 0) -> Condition:
    """A classic expression as a condition, with `_parent`, `_type` and tolerated properties seen to first."""
    if not isinstance(expression, dict) or depth > 30:
        raise BadRequest("the query is an object, nested at most 30 deep")
    find = finder(KINDS[kind].register, KINDS[kind].custom)
    parts: list[Condition] = []
    rest: dict[str, Any] = {}
    for name, value in expression.items():
        if name in ("_and", "_or"):
            if not isinstance(value, list):
                raise BadRequest(f"{name} needs a list")
            inner = [_rewritten(kind, one, depth + 1) for one in value]
            parts.append(and_(true(), *inner) if name == "_and" else or_(~true(), *inner))
        elif name == "_not":
            parts.append(~func.coalesce(_rewritten(kind, value, depth + 1), ~true()))
        elif name == "_parent":
            parts.append(_parent(kind, value, depth))
        elif name == "_type":
            parts.append(true() if value == kind else ~true())
        elif (kind, name) in ALWAYS_TRUE:
            parts.append(true())
        else:
            rest[name] = value
    if rest and not ("_field" in rest and (kind, rest["_field"]) in ALWAYS_TRUE):
        parts.append(condition(rest, find))
    return and_(true(), *parts)


def _parent(kind: str, value: Any, depth: int) -> Condition:
    if not isinstance(value, dict) or not isinstance(value.get("_type"), str):
        raise BadRequest("_parent needs _type and _query")
    parent = value["_type"]
    at = PARENTS.get((kind, parent))
    if at is None:
        raise BadRequest(f"a {kind} has no parent of type {parent[:50]}")
    entity = KINDS[parent]
    ids = entity.start().where(_rewritten(parent, value.get("_query") or {}, depth + 1)).with_only_columns(entity.model.id)
    found: Condition = at.in_(ids)
    return found


async def search(
    session: AsyncSession, caller: Caller, kind: str, request: Request, fields: Fields, *, where: Condition | None = None
) -> tuple[list[Any], int]:
    """The rows of one page and the number of all that match. Raises BadRequest."""
    entity = KINDS[kind]
    statement: Select[Any] = entity.start()
    source = LISTS.get(SOURCES.get(kind, ""))
    if where is not None:
        statement = statement.where(where)
    elif source is not None and source.mine is not None:
        statement = statement.where(source.mine(caller))
    query = fields.values.get("query") or {}
    if isinstance(query, str):
        try:
            query = orjson.loads(query)
        except orjson.JSONDecodeError:
            raise BadRequest("query is not valid JSON") from None
    statement = statement.where(_rewritten(kind, query))
    asked = fields.values.get("range")
    page = parse_range(asked if isinstance(asked, str) else None)
    total = await count(session, statement, entity)
    ordered = statement.order_by(*_order(entity, request, fields)).offset(page.offset)
    if page.limit is not None:
        ordered = ordered.limit(page.limit)
    return list(await session.scalars(ordered)), total


def _order(entity: Entity, request: Request, fields: Fields) -> list[Any]:
    """Unknown fields in a sort are ignored; without any, newest first."""
    asked = request.query_params.getlist("sort") or fields.values.get("sort") or []
    listed = asked if isinstance(asked, list) else [asked]
    names = [part.strip() for one in listed if isinstance(one, str) for part in one.split(",")]
    order = []
    for name in names[:10]:
        field = entity.register.get(name.lstrip("+- "))
        if field is not None and field.kind != "list" and field.column is not None:
            order.append(ordering(field, down=name.startswith("-")))
    return [*order, entity.model.id.asc() if order else entity.model.id.desc()]
