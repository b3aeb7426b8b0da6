"""The v0 query pipeline (contracts hive-v0 §4.7): a source, then steps; classic objects, a number, or statistics."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from hive.acting import Acting, Member
from hive.answers import answer
from hive.catalogue import Catalogue
from hive.classic import events, showing
from hive.classic import registers as r
from hive.classic.marks import classic_body
from hive.classic.reading import Body
from hive.classic.registers import MODEL_KINDS
from hive.classic.search import Show, Wanted, entity_of
from hive.identity.caller import Caller
from hive.search import statistics as stats
from hive.search.fields import own
from hive.search.rows import count, page
from hive.tables import number_of
from waggle.errors import BadRequest
from waggle.query import HIVE_V0, Entity, Hop, Search, parse_pipeline
from waggle.query.compiler import Compiler
from waggle.query.statement import Narrowing
from waggle.web.fields import read_fields

Key = Callable[[Compiler, str], str]


def _column(name: str) -> Key:
    return lambda compiler, value: f"{compiler.alias}.{name} = {compiler.parameters.bind(value, 'text')}"


def _case_number(compiler: Compiler, value: str) -> str:
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        return "false"
    return f"{compiler.alias}.number = {compiler.parameters.bind(int(value), 'bigint')}"


SOURCES: dict[str, tuple[Entity, Key | None]] = {
    "Alert": (r.ALERT, None), "Case": (r.CASE, _case_number), "Task": (r.TASK, None), "Log": (r.LOG, None),
    "Observable": (own(r.OBSERVABLE), None), "Job": (own(r.JOB), None), "CaseTemplate": (r.TEMPLATE, _column("name")),
    "User": (r.USER, _column("login")), "CustomField": (r.CUSTOM_FIELD, _column("name")),
    "ObservableType": (r.OBSERVABLE_TYPE, _column("name")), "Organisation": (r.ORGANISATION, _column("name")),
    "Profile": (r.PROFILE, _column("name")), "Tag": (r.TAG, None), "Action": (r.ACTION, None), "Audit": (r.AUDIT, None),
    "Dashboard": (r.DASHBOARD, None), "Page": (r.PAGE, _column("title")),
}  # fmt: skip
# From a kind, by step: the kind that comes next, and how its rows hang on the ids of those so far.
RELATED: dict[tuple[str, str], tuple[Entity, str]] = {
    ("case", "tasks"): (r.TASK, "{t}.case_id IN ({ids})"),
    ("case", "observables"): (r.OBSERVABLE, "{t}.case_id IN ({ids})"),
    ("case", "alerts"): (r.ALERT, "{t}.case_id IN ({ids})"),
    ("case", "linkedCases"): (
        r.CASE,
        "{t}.id IN (SELECT y.case_id FROM observables x JOIN observables y ON y.org_id = x.org_id AND y.value_key = x.value_key"
        " AND y.data_type = x.data_type AND y.case_id <> x.case_id WHERE x.case_id IN ({ids}) AND NOT x.ignore_similarity"
        " AND NOT y.ignore_similarity)",
    ),
    ("case", "assignableUsers"): (
        r.USER,
        "{t}.id IN (SELECT m.user_id FROM memberships m JOIN profiles p ON p.id = m.profile_id"
        " WHERE m.org_id = (SELECT waggle_org()) AND 'manageTask' = ANY(p.permissions)) AND NOT {t}.locked"
        " AND EXISTS ({ids})",
    ),
    ("case", "organisations"): (
        r.ORGANISATION, "{t}.id IN (SELECT s.org_id FROM case_shares s WHERE s.case_id IN ({ids}))",
    ),
    ("case_task", "case"): (r.CASE, "{t}.id IN (SELECT k.case_id FROM tasks k WHERE k.id IN ({ids}))"),
    ("case_task", "logs"): (r.LOG, "{t}.task_id IN ({ids})"),
    ("case_task_log", "task"): (r.TASK, "{t}.id IN (SELECT l.task_id FROM logs l WHERE l.id IN ({ids}))"),
    ("case_artifact", "case"): (r.CASE, "{t}.id IN (SELECT o.case_id FROM observables o WHERE o.id IN ({ids}))"),
    ("case_artifact", "alert"): (r.ALERT, "{t}.id IN (SELECT o.alert_id FROM observables o WHERE o.id IN ({ids}))"),
    ("case_artifact", "jobs"): (r.JOB, "{t}.observable_id IN ({ids})"),
    ("case_artifact", "similar"): (
        r.OBSERVABLE,
        "{t}.id IN (SELECT y.id FROM observables x JOIN observables y ON y.org_id = x.org_id AND y.value_key = x.value_key"
        " AND y.data_type = x.data_type AND y.parent_id <> x.parent_id WHERE x.id IN ({ids}) AND NOT x.ignore_similarity"
        " AND NOT y.ignore_similarity)",
    ),
    ("case_artifact_job", "observable"): (
        r.OBSERVABLE, "{t}.id IN (SELECT j.observable_id FROM jobs j WHERE j.id IN ({ids}))",
    ),
    ("alert", "cases"): (r.CASE, "{t}.id IN (SELECT a.case_id FROM alerts a WHERE a.id IN ({ids}))"),
    ("alert", "case"): (r.CASE, "{t}.id IN (SELECT a.case_id FROM alerts a WHERE a.id IN ({ids}))"),
    ("alert", "observables"): (r.OBSERVABLE, "{t}.alert_id IN ({ids})"),
    ("case", "audits"): (r.AUDIT, "{t}.root_id IN ({ids})"),
    **{
        (kind, "actions"): (r.ACTION, "{t}.object_id IN ({ids})")
        for kind in ("alert", "case", "case_task", "case_task_log", "case_artifact")
    },
}  # fmt: skip
# Steps that only say how objects are shown.
SHOWING = ("output", "richPage", "withObservables")
SHOWS: dict[str, Show] = {
    "alert": showing.alerts, "case": showing.cases, "case_task": showing.tasks, "case_task_log": showing.logs,
    "case_artifact": showing.observables, "case_artifact_job": showing.jobs, "caseTemplate": showing.templates,
    "user": showing.users, "customField": showing.custom_fields, "observableType": showing.observable_types,
    "organisation": showing.organisations, "profile": showing.profiles, "tag": showing.tags, "action": showing.actions,
    "audit": events.audits, "dashboard": showing.dashboards, "page": showing.pages,
}  # fmt: skip


def _source(hop: Hop) -> tuple[Entity, Narrowing | None]:
    listing = hop.name.startswith("list")
    found = SOURCES.get(hop.name[4:] if listing else hop.name.removeprefix("get"))
    if found is None or not hop.name.startswith(("list", "get")):
        raise BadRequest(f"there is no operation {hop.name[:100]} to begin a query with")
    entity, key = found
    if listing:
        return entity, None
    reference = hop.given.get("idOrName")
    if isinstance(reference, bool) or not isinstance(reference, str | int) or "\0" in str(reference):
        raise BadRequest(f"{hop.name} needs idOrName, an id, a name or a case number")
    wanted = str(reference).encode("utf-8", "replace").decode()

    def narrow(compiler: Compiler) -> str:
        number = number_of(wanted)
        if number is not None:
            return f"{compiler.alias}.id = {compiler.parameters.bind(number, 'bigint')}"
        return key(compiler, wanted) if key else "false"

    return entity, narrow


def _related(entity: Entity, narrowing: Narrowing | None, before: Hop, hop: Hop, caller: Caller) -> tuple[Entity, Narrowing]:
    """The next kind, narrowed to what hangs on the objects so far."""
    found = RELATED.get((entity.kind, hop.name))
    if found is None:
        raise BadRequest(f"there is no operation {hop.name[:100]} on {entity.kind}")
    following, hangs = found

    def narrow(compiler: Compiler) -> str:
        alias = compiler.parameters.alias()
        inner = Compiler(entity, alias, compiler.parameters, caller.org_id, coerces=True)
        conditions = [*inner.scope(), inner.condition(before.query), *([narrowing(inner)] if narrowing else [])]
        those = f"SELECT {alias}.id FROM {entity.table} {alias} WHERE {' AND '.join(conditions) or 'true'}"
        return f"({hangs})".replace("{t}", compiler.alias).replace("{ids}", those)

    return following, narrow


async def run(acting: Acting, steps: Any, catalogue: Catalogue) -> Any:
    """The answer of a pipeline, and how many objects there are before the page where that was asked for."""
    pipeline = parse_pipeline(steps, HIVE_V0)
    hops = [hop for n, hop in enumerate(pipeline.hops) if n == 0 or hop.name not in SHOWING]
    aggregation = hops.pop().given if len(hops) > 1 and hops[-1].name == "aggregation" else None
    entity, narrowing = _source(hops[0])
    for before, hop in itertools.pairwise(hops):
        if before.page is not None:
            raise BadRequest("a page ends the query")
        entity, narrowing = _related(_customised(entity, catalogue), narrowing, before, hop, acting.caller)
    last, caller = hops[-1], acting.caller
    entity = _customised(entity, catalogue)
    async with acting.read() as session:
        if aggregation is not None:
            return await stats.run(
                session, entity, last.query, aggregation, org=caller.org_id, dialect=HIVE_V0, narrowing=narrowing
            )
        shown = last.page
        search = Search(
            entity, last.query, org=caller.org_id, sort=last.sort, narrowing=narrowing, coerces=True, ignores_unknown_sort=True,
            offset=shown.start if shown else 0, limit=shown.end - shown.start if shown else None,
        )  # fmt: skip
        if pipeline.counts:
            return await count(session, search)
        rows = await page(session, search, kind=MODEL_KINDS[entity.kind])
        return await SHOWS[entity.kind](session, acting, rows, _wanted(pipeline.hops[-1].paging))


def _customised(entity: Entity, catalogue: Catalogue) -> Entity:
    return entity_of(entity.kind, catalogue) if entity.kind in ("alert", "case") else entity


def _wanted(paging: dict[str, Any]) -> Wanted:
    body = Body(paging)
    parents = body.values.get("withParents")
    levels = int(parents) if isinstance(parents, bool) else body.number("withParents", low=0, high=1000) or 0
    return Wanted(levels, body.flag("withStats") or False)


def routes(router: APIRouter) -> None:
    @router.post("/query", openapi_extra=classic_body())
    async def query(request: Request, acting: Member) -> Response:
        async with read_fields(request, json_by_default=True) as fields:
            steps = fields.values.get("query")
        return answer(await run(acting, steps, await acting.hive.catalogues.current()))
