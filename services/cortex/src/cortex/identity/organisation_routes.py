"""`/api/organization…`: contracts/cortex.md §2.9."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from cortex.access import engine_of, require
from cortex.acting import Actor
from cortex.http import SEARCH, Search, body, described, listed, nothing, shown
from cortex.identity import service
from cortex.identity.models import Organisation
from cortex.identity.schemas import NewOrganisation, OrganisationChanges, ShownOrganisation, show_organisation
from cortex.identity.search import find_organisations
from waggle.errors import NotFound
from waggle.query import SearchError
from waggle.web.answers import JsonResponse
from waggle.web.paging import Page

router = APIRouter(prefix="/api/organization", tags=["organization"])
Superadmin = Annotated[Actor, require("superadmin")]
Administrator = Annotated[Actor, require("orgadmin", "superadmin")]


class OrganisationSearch(Search):
    nstats: bool = False


class Statistics(Search):
    """Only `count` has a client (cortex4py's `count()`)."""

    stats: list[dict[str, Any]] | None = None


STATISTICS_PARAMETER = {"parameters": [{"name": "nstats", "in": "query", "schema": {"type": "boolean"}}]}


async def _shown(session: AsyncSession, organisation: Organisation, *, nstats: bool) -> ShownOrganisation:
    stats = await service.organisation_statistics(session, name=organisation.id) if nstats else None
    return show_organisation(organisation, stats)


@router.get("", openapi_extra=STATISTICS_PARAMETER, responses={200: {"model": list[ShownOrganisation]}})
@router.post("/_search", openapi_extra=SEARCH, responses={200: {"model": list[ShownOrganisation]}})
async def search_organisations(
    request: Request, actor: Superadmin, given: Annotated[OrganisationSearch, body(OrganisationSearch)]
) -> Response:
    """The organisations that match."""
    async with engine_of(request).database.begin(actor.scope) as session:
        found, total = await find_organisations(session, query=given.query, page=given.page, order=given.order)
        return listed([await _shown(session, o, nstats=given.nstats) for o in found], total)


@router.post("/_stats", openapi_extra=described(Statistics), responses={200: {"model": dict[str, Any]}})
async def statistics(request: Request, actor: Superadmin, given: Annotated[Statistics, body(Statistics)]) -> Response:
    """How many organisations match."""
    answer: dict[str, Any] = {}
    async with engine_of(request).database.begin(actor.scope) as session:
        for wanted in given.stats or []:
            if wanted.get("_agg") != "count":
                raise SearchError("the aggregation count is the only one there is")
            query = {"_and": [given.query or {}, wanted.get("_query") or {}]}
            _, answer[str(wanted.get("_name") or "count")] = await find_organisations(
                session, query=query, page=Page(0, 1), order=()
            )
    return JsonResponse(answer)


@router.post("", status_code=201, openapi_extra=described(NewOrganisation), responses={201: {"model": ShownOrganisation}})
async def create_organisation(
    request: Request, actor: Superadmin, given: Annotated[NewOrganisation, body(NewOrganisation)]
) -> Response:
    async with engine_of(request).changing(actor.scope) as session:
        made = await service.create_organisation(
            session, actor, name=given.name, description=given.description, status=given.status
        )
        return shown(show_organisation(made), 201)


@router.get("/{organisation}", openapi_extra=STATISTICS_PARAMETER, responses={200: {"model": ShownOrganisation}})
async def get_organisation(
    request: Request, actor: Administrator, organisation: str, given: Annotated[OrganisationSearch, body(OrganisationSearch)]
) -> Response:
    if not actor.holds("superadmin") and organisation != actor.organisation:
        raise NotFound(f"organization {organisation} not found")
    async with engine_of(request).database.begin(actor.scope) as session:
        found = await service.get_organisation(session, name=organisation)
        return shown(await _shown(session, found, nstats=given.nstats))


@router.patch("/{organisation}", openapi_extra=described(OrganisationChanges), responses={200: {"model": ShownOrganisation}})
async def update_organisation(
    request: Request, actor: Superadmin, organisation: str, given: Annotated[OrganisationChanges, body(OrganisationChanges)]
) -> Response:
    async with engine_of(request).changing(actor.scope) as session:
        changed = await service.update_organisation(session, actor, name=organisation, changes=given.columns())
        return shown(show_organisation(changed))


@router.delete("/{organisation}", status_code=204)
async def delete_organisation(request: Request, actor: Superadmin, organisation: str) -> Response:
    """Locks it: nobody of it can log in, what it has stays."""
    async with engine_of(request).changing(actor.scope) as session:
        await service.update_organisation(session, actor, name=organisation, changes={"status": "Locked"})
    return nothing()
