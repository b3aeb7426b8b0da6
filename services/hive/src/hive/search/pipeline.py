"""The v1 query: a source, then steps to related objects, filters, a sort, a page or a count (hive-v1 §4).

One statement per page. What the caller may see is decided by the organisation in every statement and, behind it, by row-level
security; `X-Total` is counted only when asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts.models import Alert
from hive.analysis.models import Job
from hive.attachments.models import Attachment
from hive.cases.models import Case, CaseShare
from hive.identity.caller import Caller
from hive.identity.models import Organisation, Profile, User
from hive.observables.models import Observable
from hive.search import entities as e
from hive.search.entities import Entity
from hive.search.filters import Field, condition, finder
from hive.search.outputs import show
from hive.tables import number_of
from hive.tasks.models import Log, Task
from hive.templates.models import CaseTemplate
from waggle.errors import BadRequest

MAX_STEPS = 20
MAX_OFFSET = 2**31


@dataclass(frozen=True)
class Found:
    """`total` only where it was asked for; `value` is a list of objects, or a number for a count."""

    value: list[dict[str, Any]] | int
    total: int | None = None


def _named(model: Any, name: Any) -> Callable[[Any], Any]:
    def match(reference: Any) -> Any:
        return or_(model.id == number_of(str(reference)), name == str(reference))

    return match


def _case(reference: Any) -> Any:
    text = str(reference)
    if text.isascii() and text.isdigit():
        return Case.number == int(text) if int(text) < 2**31 else false()
    return Case.id == number_of(text)


def _alert(reference: Any) -> Any:
    kind, _, rest = str(reference).partition(";")
    source, _, source_ref = rest.partition(";")
    by_triple = (Alert.type == kind) & (Alert.source == source) & (Alert.source_ref == source_ref)
    return or_(Alert.id == number_of(str(reference)), by_triple)


def _by_id(model: Any) -> Callable[[Any], Any]:
    return lambda reference: model.id == number_of(str(reference))


@dataclass(frozen=True)
class Source:
    entity: Entity
    mine: Callable[[Caller], Any] | None = None
    get: Callable[[Any], Any] | None = None


def _own(model: Any) -> Callable[[Caller], Any]:
    return lambda caller: model.org_id == caller.org_id


LISTS: dict[str, Source] = {
    "Alert": Source(e.ALERT, _own(Alert), _alert),
    "Case": Source(e.CASE, lambda caller: CaseShare.org_id == caller.org_id, _case),
    "Task": Source(e.TASK, None, _by_id(Task)),
    "Log": Source(e.LOG, None, _by_id(Log)),
    "Observable": Source(e.OBSERVABLE, _own(Observable), _by_id(Observable)),
    "Job": Source(e.JOB, _own(Job), _by_id(Job)),
    "CaseTemplate": Source(e.TEMPLATE, _own(CaseTemplate), _named(CaseTemplate, CaseTemplate.name)),
    "Organisation": Source(e.ORGANISATION, None, _named(Organisation, Organisation.name)),
    "Profile": Source(e.PROFILE, None, _named(Profile, Profile.name)),
    "User": Source(e.USER, None, _named(User, User.login)),
}

# From an entity, by step: what comes next and how its rows hang on those so far (a subselect of ids).
RELATED: dict[tuple[str, str], tuple[Entity, Callable[[Any], Any]]] = {
    ("alert", "observables"): (e.OBSERVABLE, lambda ids: Observable.alert_id.in_(ids)),
    ("alert", "attachments"): (e.ATTACHMENT, lambda ids: Attachment.alert_id.in_(ids)),
    ("alert", "case"): (e.CASE, lambda ids: Case.id.in_(select(Alert.case_id).where(Alert.id.in_(ids)))),
    ("case", "observables"): (e.OBSERVABLE, lambda ids: Observable.case_id.in_(ids)),
    ("case", "tasks"): (e.TASK, lambda ids: Task.case_id.in_(ids)),
    ("case", "alerts"): (e.ALERT, lambda ids: Alert.case_id.in_(ids)),
    ("case", "attachments"): (e.ATTACHMENT, lambda ids: Attachment.case_id.in_(ids) & Attachment.log_id.is_(None)),
    ("task", "logs"): (e.LOG, lambda ids: Log.task_id.in_(ids)),
    ("task", "case"): (e.CASE, lambda ids: Case.id.in_(select(Task.case_id).where(Task.id.in_(ids)))),
    ("log", "attachments"): (e.ATTACHMENT, lambda ids: Attachment.log_id.in_(ids)),
    ("observable", "jobs"): (e.JOB, lambda ids: Job.observable_id.in_(ids)),
    ("observable", "case"): (e.CASE, lambda ids: Case.id.in_(select(Observable.case_id).where(Observable.id.in_(ids)))),
    ("observable", "alert"): (e.ALERT, lambda ids: Alert.id.in_(select(Observable.alert_id).where(Observable.id.in_(ids)))),
    ("job", "observable"): (e.OBSERVABLE, lambda ids: Observable.id.in_(select(Job.observable_id).where(Job.id.in_(ids)))),
}  # fmt: skip


@dataclass
class Plan:
    entity: Entity
    statement: Select[Any]
    order: list[Any] = field(default_factory=list)
    first: int = 0
    size: int | None = None
    with_total: bool = False
    counts: bool = False

    def find(self, name: str) -> Field:
        return finder(self.entity.register, self.entity.custom)(name)


def planned(steps: Any, caller: Caller) -> Plan:
    """Raises BadRequest for what is not a query."""
    if not isinstance(steps, list) or not steps or len(steps) > MAX_STEPS or not all(isinstance(s, dict) for s in steps):
        raise BadRequest(f"a query is a list of 1 to {MAX_STEPS} operations, each an object with _name")
    plan = _source(steps[0], caller)
    for step in steps[1:]:
        if plan.counts or plan.size is not None:
            raise BadRequest("nothing follows a page or a count")
        _step(plan, step)
    return plan


def _source(step: Mapping[str, Any], caller: Caller) -> Plan:
    name = str(step.get("_name"))
    source = LISTS.get(name[4:] if name.startswith("list") else name[3:] if name.startswith("get") else "")
    if source is None:
        raise BadRequest(f"there is no operation {name[:100]} to begin a query with")
    statement = source.entity.start()
    if source.mine is not None:
        statement = statement.where(source.mine(caller))
    if name.startswith("get"):
        if source.get is None or "idOrName" not in step:
            raise BadRequest(f"{name} needs idOrName")
        reference = step["idOrName"]
        if not isinstance(reference, str | int) or isinstance(reference, bool) or "\0" in str(reference):
            raise BadRequest("idOrName is a text or a case number")
        statement = statement.where(source.get(reference))
    return Plan(source.entity, statement)


def _step(plan: Plan, step: Mapping[str, Any]) -> None:
    name = step.get("_name")
    if name == "filter":
        expression = {key: value for key, value in step.items() if key != "_name"}
        plan.statement = plan.statement.where(condition(expression, plan.find))
    elif name == "sort":
        plan.order = _sorted(plan, step.get("_fields"))
    elif name == "page":
        _page(plan, step)
    elif name == "count":
        plan.counts = True
    elif name == "output":
        return
    elif isinstance(name, str) and (plan.entity.name, name) in RELATED:
        entity, hangs = RELATED[(plan.entity.name, name)]
        ids = plan.statement.with_only_columns(plan.entity.model.id)
        plan.entity, plan.statement, plan.order = entity, entity.start().where(hangs(ids)), []
    else:
        raise BadRequest(f"there is no operation {str(name)[:100]} on {plan.entity.name}s")


def _sorted(plan: Plan, given: Any) -> list[Any]:
    if not isinstance(given, list) or len(given) > 10:
        raise BadRequest("_fields is a list of at most 10 fields")
    order: list[Any] = []
    for one in given:
        if isinstance(one, dict) and len(one) == 1:
            ((name, direction),) = one.items()
            if direction not in ("asc", "desc"):
                raise BadRequest("a sort is asc or desc")
            down = direction == "desc"
        elif isinstance(one, str) and one:
            name, down = one.lstrip("+-"), one.startswith("-")
        else:
            raise BadRequest("a sort field is an object with one field or a text")
        order.append(ordering(plan.find(name), down=down))
    return [*order, plan.entity.model.id]


def ordering(found: Field, *, down: bool) -> Any:
    """Objects without the field come last in both directions; markings sort by strictness."""
    column = found.column
    if column is None or found.kind == "list":
        raise BadRequest("the property cannot be sorted by")
    if found.scale:
        column = func.array_position(list(found.scale), column)
    return (column.desc() if down else column.asc()).nulls_last()


def _page(plan: Plan, step: Mapping[str, Any]) -> None:
    first, last = step.get("from", 0), step.get("to")
    for number in (first, last):
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= MAX_OFFSET:
            raise BadRequest("a page has from and to, numbers of 0 or more")
    assert isinstance(last, int)
    plan.first, plan.size = first, max(0, last - first)
    extra = step.get("extraData", [])
    plan.with_total = isinstance(extra, list) and "total" in extra


async def run(session: AsyncSession, caller: Caller, plan: Plan) -> Found:
    if plan.counts:
        return Found(await count(session, plan.statement, plan.entity))
    statement = plan.statement.order_by(*(plan.order or plan.entity.order)).offset(plan.first)
    if plan.size is not None:
        statement = statement.limit(plan.size)
    rows = list(await session.scalars(statement))
    total = await count(session, plan.statement, plan.entity) if plan.with_total else None
    return Found(await show(session, caller, plan.entity, rows), total)


async def count(session: AsyncSession, statement: Select[Any], entity: Entity) -> int:
    ids = statement.with_only_columns(entity.model.id).order_by(None).subquery()
    return int(await session.scalar(select(func.count()).select_from(ids)) or 0)


def projected(objects: Sequence[dict[str, Any]], *, include: Any, exclude: Any) -> list[dict[str, Any]]:
    """`includeFields` keeps only these keys, else `excludeFields` drops those."""
    if isinstance(include, list):
        return [{k: v for k, v in one.items() if k in include} for one in objects]
    if isinstance(exclude, list):
        return [{k: v for k, v in one.items() if k not in exclude} for one in objects]
    return list(objects)
