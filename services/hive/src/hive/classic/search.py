"""The v0 search: the same engine with the classic dialect and names (contracts hive-v0 §4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from hive.acting import Acting, Known, Member
from hive.answers import answer
from hive.catalogue import Catalogue
from hive.classic.marks import classic_body
from hive.classic.reading import Body
from hive.classic.registers import KINDS, MODEL_KINDS
from hive.search import statistics as stats
from hive.search.fields import custom_fields
from hive.search.rows import count, page
from hive.tags import service as tags
from waggle.errors import BadRequest
from waggle.query import HIVE_V0, Entity, Search, parse_filter, parse_sort
from waggle.query.compiler import Compiler
from waggle.query.statement import Narrowing
from waggle.web.fields import Fields, parse_json, read_fields
from waggle.web.paging import Page, parse_range

MAX_KINDS = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list shows beside its objects: `parents` levels of embedded parents, `stats` filled or not."""

    parents: int = 0
    stats: bool = False


Show = Callable[[AsyncSession, Acting, Sequence[Any], Wanted], Awaitable[list[dict[str, Any]]]]


def below(column: str, number: int) -> Narrowing:
    """Only what hangs on one object."""

    def narrow(compiler: Compiler) -> str:
        return f"{compiler.alias}.{column} = {compiler.parameters.bind(number, 'bigint')}"

    return narrow


def entity_of(kind: str, catalogue: Catalogue) -> Entity:
    """The register of a kind, with the custom fields there are now."""
    entity = KINDS[kind]
    return replace(entity, custom=custom_fields(kind, catalogue)) if kind in ("alert", "case") else entity


def wanted(fields: Fields) -> Wanted:
    body = Body(fields.values)
    return Wanted(body.number("nparent", low=0, high=1000) or 0, body.flag("nstats") or False)


def wanted_page(fields: Fields) -> Page:
    asked = fields.values.get("range")
    return parse_range(asked if isinstance(asked, str) else None)


def parsed_query(given: Any) -> Any:
    """A filter, which GET routes take as JSON text. Raises BadRequest."""
    query = parse_json(given.encode("utf-8", "replace")) if isinstance(given, str) else given
    if query is not None and not isinstance(query, dict):
        raise BadRequest("query is an object")
    return query


async def search(
    session: AsyncSession,
    acting: Acting,
    kind: str,
    request: Request,
    fields: Fields,
    *,
    narrowing: Narrowing | None = None,
    within: Page | None = None,
) -> tuple[list[Any], int]:
    """The rows of one page (`within`, else the request's range) and the number of all that match. Raises BadRequest."""
    catalogue = await acting.hive.catalogues.current()
    if kind == "tag":
        await tags.collect(session)
    query = parsed_query(fields.values.get("query"))
    shown = within or wanted_page(fields)
    sort = request.query_params.getlist("sort") or fields.values.get("sort")
    strict = acting.hive.settings.v0_strict4
    found = Search(
        entity_of(kind, catalogue), parse_filter(query, HIVE_V0), org=acting.caller.org_id, sort=parse_sort(sort),
        offset=shown.offset, limit=shown.limit, coerces=not strict, ignores_unknown_sort=not strict, narrowing=narrowing,
    )  # fmt: skip
    rows = await page(session, found, kind=MODEL_KINDS[kind])
    return rows, await count(session, found)


async def listed(
    acting: Acting, kind: str, request: Request, fields: Fields, show: Show, *, narrowing: Narrowing | None = None
) -> Response:
    """A page of a kind with `X-Total`."""
    async with acting.read() as session:
        rows, total = await search(session, acting, kind, request, fields, narrowing=narrowing)
        return answer(await show(session, acting, rows, wanted(fields)), total=total)


async def counted(acting: Acting, kind: str, fields: Fields) -> Response:
    """Statistics of a kind."""
    catalogue = await acting.hive.catalogues.current()
    query, aggregations = parse_filter(parsed_query(fields.values.get("query")), HIVE_V0), fields.values.get("stats")
    async with acting.read() as session:
        org = acting.caller.org_id
        found = await stats.run(session, entity_of(kind, catalogue), query, aggregations, org=org, dialect=HIVE_V0)
    return answer(found)


def searchable(router: APIRouter, path: str, kind: str, show: Show, *, visitors: bool = False, gets: bool = True) -> None:
    """The routes that every kind has: a list (`GET`, unless `gets` is false), its search and its statistics.

    `visitors`: administrators who are no members of the organisation may look, too.
    """
    who: Any = Known if visitors else Member

    async def find(request: Request, acting: Acting) -> Response:
        async with read_fields(request, json_by_default=True) as fields:
            return await listed(acting, kind, request, fields, show)

    async def count_all(request: Request, acting: Acting) -> Response:
        async with read_fields(request, json_by_default=True) as fields:
            return await counted(acting, kind, fields)

    for endpoint in (find, count_all):
        endpoint.__annotations__["acting"] = who
    name = kind.replace("/", "_")
    if gets:
        router.add_api_route(path, find, methods=["GET"], name=f"list_{name}")
    router.add_api_route(f"{path}/_search", find, methods=["POST"], name=f"search_{name}", openapi_extra=classic_body())
    router.add_api_route(f"{path}/_stats", count_all, methods=["POST"], name=f"count_{name}", openapi_extra=classic_body())


def several(router: APIRouter) -> None:
    """Statistics of several kinds at once, their results merged."""

    @router.post("/_stats", openapi_extra=classic_body())
    async def count_kinds(request: Request, acting: Member) -> Response:
        async with read_fields(request, json_by_default=True) as fields:
            wanted_kinds = fields.values.get("stats")
        if (
            not isinstance(wanted_kinds, list)
            or not all(isinstance(one, dict) for one in wanted_kinds)
            or len(wanted_kinds) > MAX_KINDS
        ):
            raise BadRequest(f"stats is a list of at most {MAX_KINDS} objects with model and stats")
        catalogue = await acting.hive.catalogues.current()
        result: dict[str, Any] = {}
        async with acting.read() as session:
            for one in wanted_kinds:
                if one.get("model") not in KINDS:
                    raise BadRequest(f"there is no model {str(one.get('model'))[:50]}")
                query = parse_filter(parsed_query(one.get("query")), HIVE_V0)
                entity, org = entity_of(one["model"], catalogue), acting.caller.org_id
                found = await stats.run(session, entity, query, one.get("stats"), org=org, dialect=HIVE_V0)
                stats.merge(result, found)
        return answer(result)
