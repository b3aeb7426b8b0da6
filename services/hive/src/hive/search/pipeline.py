"""The v1 query: a source, then steps to related objects, filters, a sort, a page or a count (hive-v1 §4).

What the caller may see is decided by the organisation in every statement and, behind it, by row-level security.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from hive.catalogue import Catalogue
from hive.identity.caller import Caller
from hive.search import catalogues as c
from hive.search import fields, people, similar
from hive.search import machinery as m
from hive.search import registers as r
from hive.search.extras import add_extras
from hive.search.outputs import show
from hive.search.relations import MADE, ORDERS, RELATED
from hive.search.rows import count, page
from hive.search.similar import Likeness
from hive.search.statistics import run as aggregate
from hive.tables import number_of
from hive.tags import service as tags
from waggle.errors import BadRequest
from waggle.query import HIVE_V1, Entity, Hop, Search, parse_pipeline
from waggle.query.ast import EVERYTHING
from waggle.query.compiler import Compiler
from waggle.query.statement import Narrowing


@dataclass(frozen=True)
class Found:
    """`total` only where it was asked for; `value` is a list of objects, a number for a count, or an aggregation's results."""

    value: list[dict[str, Any]] | dict[str, Any] | int
    total: int | None = None


@dataclass(frozen=True)
class Source:
    """`key`: the condition for the alternative to the id in `getX`."""

    entity: Entity
    key: Callable[[Compiler, str], str] | None = None


def _by(column: str) -> Callable[[Compiler, str], str]:
    return lambda compiler, name: f"{compiler.alias}.{column} = {compiler.parameters.bind(name, 'text')}"


def _by_login(compiler: Compiler, login: str) -> str:
    return _by("login")(compiler, login.lower())


def _by_number(compiler: Compiler, number: str) -> str:
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        return "false"
    return f"{compiler.alias}.number = {compiler.parameters.bind(int(number), 'bigint')}"


def _by_triple(compiler: Compiler, triple: str) -> str:
    kind, _, rest = triple.partition(";")
    source, _, source_ref = rest.partition(";")
    return " AND ".join(
        _by(column)(compiler, v) for column, v in (("type", kind), ("source", source), ("source_ref", source_ref))
    )


SOURCES: dict[str, Source] = {
    "Alert": Source(r.ALERT, _by_triple),
    "Case": Source(r.CASE, _by_number),
    "Task": Source(r.TASK),
    "Log": Source(r.LOG),
    "Observable": Source(fields.own(r.OBSERVABLE)),
    "Job": Source(fields.own(r.JOB)),
    "Action": Source(fields.own(m.ACTION)),
    "Audit": Source(fields.own(m.AUDIT)),
    "CaseTemplate": Source(r.TEMPLATE, _by("name")),
    "Comment": Source(r.COMMENT),
    "Page": Source(r.PAGE),
    "PageTemplate": Source(r.PAGE_TEMPLATE),
    "Procedure": Source(r.PROCEDURE),
    "Pattern": Source(r.PATTERN, _by("pattern_id")),
    "Catalog": Source(r.CATALOG, _by("name")),
    "CustomEvent": Source(r.CUSTOM_EVENT),
    "Dashboard": Source(m.DASHBOARD),
    "Share": Source(r.SHARE),
    "Organisation": Source(r.ORGANISATION, _by("name")),
    "Profile": Source(r.PROFILE, _by("name")),
    "User": Source(r.USER, _by_login),
    "ObservableType": Source(c.OBSERVABLE_TYPE, _by("name")),
    "CustomField": Source(c.CUSTOM_FIELD, _by("name")),
    "AlertStatus": Source(c.ALERT_STATUS, _by("value")),
    "CaseStatus": Source(c.CASE_STATUS, _by("value")),
    "Tag": Source(c.TAG),
    "Taxonomy": Source(c.TAXONOMY, _by("namespace")),
}
SHOWS_ALL = "output"
COUNTS: dict[str, list[dict[str, Any]]] = {
    "countCase": [{"_name": "listCase"}], "countAlert": [{"_name": "listAlert"}], "countTask": [{"_name": "listTask"}],
    "countUnreadAlert": [{"_name": "listAlert"}, {"_name": "filter", "_eq": {"_field": "read", "_value": False}}],
    "countImportedAlert": [{"_name": "listAlert"}, {"_name": "filter", "_eq": {"_field": "imported", "_value": True}}],
    "countCaseObservable": [{"_name": "listObservable"}, {"_name": "fromCase"}],
    "countAlertObservable": [{"_name": "listObservable"}, {"_name": "fromAlert"}],
}  # fmt: skip
AGGREGATION = "aggregation"


@dataclass(frozen=True)
class Plan:
    search: Search
    counts: bool
    with_total: bool
    extras: tuple[str, ...] = ()
    aggregation: dict[str, Any] | None = None
    likeness: Likeness | None = None

    @property
    def kind(self) -> str:
        return self.search.entity.kind


def spelled_out(steps: Any) -> Any:
    """The older steps that count by themselves, as a list that is counted."""
    if isinstance(steps, list) and len(steps) == 1 and isinstance(steps[0], dict):
        known = COUNTS.get(str(steps[0].get("_name")))
        return [*known, {"_name": "count"}] if known else steps
    return steps


def planned(steps: Any, caller: Caller, catalogue: Catalogue) -> Plan:
    """Raises BadRequest for what is not a query."""
    pipeline = parse_pipeline(spelled_out(steps))
    hops = [hop for position, hop in enumerate(pipeline.hops) if position == 0 or hop.name != SHOWS_ALL]
    aggregation = _aggregation(hops, counts=pipeline.counts)
    likeness = similar.taken_off(hops, counts=pipeline.counts)
    entity, narrowing = _source(hops[0])
    for before, hop in itertools.pairwise(hops):
        if before.page is not None:
            raise BadRequest("a page ends the query")
        entity, narrowing = _related(fields.with_custom_fields(entity, catalogue), narrowing, before, hop, caller)
    if likeness is not None:
        return Plan(
            _one(fields.with_custom_fields(entity, catalogue), hops[-1], narrowing, caller), False, False, likeness=likeness
        )
    last = hops[-1]
    shown = last.page
    order = last.sort or ORDERS.get(entity.kind, MADE if len(hops) > 1 and entity.kind == "observable" else ())
    search = Search(
        fields.with_custom_fields(entity, catalogue), last.query, org=caller.org_id, sort=order, narrowing=narrowing,
        offset=shown.start if shown else 0, limit=shown.end - shown.start if shown else None, oldest_first=True,
    )  # fmt: skip
    total = bool(shown and "total" in shown.extra_data)
    return Plan(search, pipeline.counts, total, shown.extra_data if shown else (), aggregation)


def _one(entity: Entity, hop: Hop, narrowing: Narrowing | None, caller: Caller) -> Search:
    """The object that others are compared with. Raises BadRequest for a kind that has no observables."""
    if entity.kind not in ("alert", "case"):
        raise BadRequest(f"{entity.kind}s are not compared: a case or an alert is")
    return Search(entity, hop.query, org=caller.org_id, narrowing=narrowing, limit=1, oldest_first=True)


def _aggregation(hops: list[Hop], *, counts: bool) -> dict[str, Any] | None:
    """The last step, where it says how the objects are to be counted; it is taken off."""
    if len(hops) < 2 or hops[-1].name != AGGREGATION:
        return None
    last, before = hops.pop(), hops[-1]
    if counts or before.page or last.page or last.sort or last.query != EVERYTHING:
        raise BadRequest("an aggregation ends the query, and no page comes before it")
    return last.given


def _source(hop: Hop) -> tuple[Entity, Narrowing | None]:
    if hop.name in people.SOURCES:
        return people.SOURCES[hop.name]
    if hop.name == "listAuditFromObject":
        number = number_of(str(hop.given.get("id")))
        return m.AUDIT, lambda compiler: "false" if number is None else m.changes_of(compiler, number)
    source = SOURCES.get(hop.name[4:] if hop.name.startswith("list") else hop.name.removeprefix("get"))
    if source is None or not hop.name.startswith(("list", "get")):
        raise BadRequest(f"there is no operation {hop.name[:100]} to begin a query with")
    if hop.name.startswith("list"):
        return source.entity, None
    reference = hop.given.get("idOrName")
    if isinstance(reference, bool) or not isinstance(reference, str | int) or "\0" in str(reference):
        raise BadRequest(f"{hop.name} needs idOrName, an id, a name or a case number")
    return source.entity, _named(source, str(reference))


def _named(source: Source, reference: str) -> Narrowing:
    def narrow(compiler: Compiler) -> str:
        number = number_of(reference)
        if number is not None:
            return f"{compiler.alias}.id = {compiler.parameters.bind(number, 'bigint')}"
        if source.key is None:
            return "false"
        return f"({source.key(compiler, reference.encode('utf-8', 'replace').decode())})"

    return narrow


def _related(entity: Entity, narrowing: Narrowing | None, before: Hop, hop: Hop, caller: Caller) -> tuple[Entity, Narrowing]:
    """The next kind, narrowed to what hangs on the objects so far."""
    if (entity.kind, hop.name) in people.ASSIGNABLE:
        return r.USER, people.assignable
    found = RELATED.get((entity.kind, hop.name)) or people.RELATED.get((entity.kind, hop.name))
    if found is None:
        raise BadRequest(f"there is no operation {hop.name[:100]} on {entity.kind}s")
    following, hangs = found

    def narrow(compiler: Compiler) -> str:
        alias = compiler.parameters.alias()
        inner = Compiler(entity, alias, compiler.parameters, caller.org_id)
        conditions = [*inner.scope(), inner.condition(before.query), *([narrowing(inner)] if narrowing else [])]
        those = f"SELECT {alias}.id FROM {entity.table} {alias} WHERE {' AND '.join(conditions)}"
        return f"({hangs})".replace("{t}", compiler.alias).replace("{ids}", those)

    return following, narrow


async def prepare(session: AsyncSession, plan: Plan) -> None:
    """Free tags are entered when somebody asks for them."""
    if plan.kind == "tag":
        await tags.collect(session)


async def run(session: AsyncSession, caller: Caller, plan: Plan) -> Found:
    await prepare(session, plan)
    search = plan.search
    if plan.aggregation is not None:
        found = await aggregate(
            session, search.entity, search.query, plan.aggregation, org=caller.org_id, dialect=HIVE_V1,
            narrowing=search.narrowing,
        )  # fmt: skip
        return Found(found)
    if plan.likeness is not None:
        return Found(*await similar.found(session, caller, plan.kind, await page(session, search), plan.likeness))
    if plan.counts:
        return Found(await count(session, search))
    rows = await page(session, search)
    total = await count(session, search) if plan.with_total else None
    objects = await show(session, caller, plan.kind, rows)
    await add_extras(session, caller, plan.kind, plan.extras, rows, objects)
    return Found(objects, total)


def projected(objects: Sequence[dict[str, Any]], *, include: Any, exclude: Any) -> list[dict[str, Any]]:
    """`includeFields` keeps only these keys, else `excludeFields` drops those."""
    if isinstance(include, list):
        return [{k: v for k, v in one.items() if k in include} for one in objects]
    if isinstance(exclude, list):
        return [{k: v for k, v in one.items() if k not in exclude} for one in objects]
    return list(objects)
