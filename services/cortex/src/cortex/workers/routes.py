"""Analyzers and responders: the same routes twice (contracts/cortex.md §2.3, §2.4, §2.7)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import Response

from cortex.access import engine_of, require
from cortex.acting import Actor
from cortex.definitions.schemas import ShownDefinition, show_definition
from cortex.definitions.service import get_definition, list_definitions, rescan
from cortex.engine import Engine
from cortex.http import LISTING_PARAMETERS, SEARCH, Listing, Search, body, described, listed, nothing, shown
from cortex.workers import service
from cortex.workers.schemas import (
    BaseConfigChanges,
    NewWorker,
    ShownBaseConfig,
    ShownWorker,
    Upgrade,
    WorkerChanges,
    show_base_config,
    show_worker,
)
from cortex.workers.search import find_workers
from waggle.web.paging import Page

Reader = Annotated[Actor, require("read")]
Administrator = Annotated[Actor, require("orgadmin")]
DefinitionReader = Annotated[Actor, require("orgadmin", "superadmin")]
SHOWN: dict[int | str, dict[str, Any]] = {200: {"model": ShownWorker}}
LIST: dict[int | str, dict[str, Any]] = {200: {"model": list[ShownWorker]}}
BASE_CONFIG: dict[int | str, dict[str, Any]] = {200: {"model": ShownBaseConfig}}


async def _workers(request: Request, actor: Actor, kind: str, *, query: Any, page: Page, order: list[str]) -> Response:
    async with engine_of(request).database.begin(actor.scope) as session:
        found, total = await find_workers(
            session, organisation=actor.organisation, kind=kind, query=query, page=page, order=order
        )
    return listed([show_worker(w, with_configuration=actor.holds("orgadmin")) for w in found], total)


def _changed(engine: Engine) -> None:
    """To be called after the commit of a change of workers."""
    engine.notifier.wake("announcements")


def worker_router(kind: str) -> APIRouter:
    """`/api/<kind>…` and the routes of organisations that speak of workers of this kind."""
    router = APIRouter(prefix="/api", tags=[kind])
    _add_reading(router, kind)
    _add_enabling(router, kind)
    _add_definitions(router, kind)
    _add_base_configs(router, kind)
    return router


def _add_reading(router: APIRouter, kind: str) -> None:
    @router.get(f"/{kind}", openapi_extra=LISTING_PARAMETERS, responses=LIST, name=f"list_{kind}s")
    @router.get(f"/organization/{kind}", openapi_extra=LISTING_PARAMETERS, responses=LIST, name=f"list_organization_{kind}s")
    async def list_workers(request: Request, actor: Reader, given: Annotated[Listing, body(Listing)]) -> Response:
        """The enabled workers."""
        return await _workers(request, actor, kind, query=None, page=given.page, order=given.order)

    @router.post(f"/{kind}/_search", openapi_extra=SEARCH, responses=LIST, name=f"search_{kind}s")
    @router.get(f"/organization/{kind}/_search", openapi_extra=LISTING_PARAMETERS, responses=LIST, name=f"find_{kind}s")
    async def search_workers(request: Request, actor: Reader, given: Annotated[Search, body(Search)]) -> Response:
        """The enabled workers that match."""
        return await _workers(request, actor, kind, query=given.query, page=given.page, order=given.order)

    @router.get(f"/{kind}/type/{{data_type}}", responses=LIST, name=f"{kind}s_by_type")
    async def workers_by_type(request: Request, actor: Reader, data_type: str) -> Response:
        """All enabled workers that take a data type."""
        async with engine_of(request).database.begin(actor.scope) as session:
            found = await service.workers_for(session, actor, kind=kind, data_type=data_type)
        return listed([show_worker(w, with_configuration=False) for w in found], len(found))

    @router.get(f"/{kind}/{{worker_id}}", responses=SHOWN, name=f"get_{kind}")
    async def get_worker(request: Request, actor: Reader, worker_id: str) -> Response:
        async with engine_of(request).database.begin(actor.scope) as session:
            worker = await service.get_worker(session, actor, kind=kind, worker_id=worker_id)
        return shown(show_worker(worker, with_configuration=actor.holds("orgadmin")))


def _add_enabling(router: APIRouter, kind: str) -> None:
    @router.post(
        f"/organization/{kind}/{{definition_id}}",
        status_code=201,
        openapi_extra=described(NewWorker),
        responses={201: {"model": ShownWorker}},
        name=f"enable_{kind}",
    )
    async def enable(
        request: Request, actor: Administrator, definition_id: str, given: Annotated[NewWorker, body(NewWorker)]
    ) -> Response:
        """Enables a definition in the caller's organisation."""
        engine = engine_of(request)
        async with engine.changing(actor.scope) as session:
            definition = await get_definition(session, kind=kind, definition_id=definition_id)
            worker = await service.enable(
                session,
                actor,
                engine.box,
                engine.defaults,
                definition=definition,
                name=given.name,
                given=given.configuration,
                limits=given.limits(),
                data_types=given.dataTypeList,
                runner=given.runner,
            )
        _changed(engine)
        return shown(show_worker(worker, with_configuration=False), 201)

    @router.patch(f"/{kind}/{{worker_id}}", openapi_extra=described(WorkerChanges), responses=SHOWN, name=f"update_{kind}")
    async def update(
        request: Request, actor: Administrator, worker_id: str, given: Annotated[WorkerChanges, body(WorkerChanges)]
    ) -> Response:
        engine = engine_of(request)
        async with engine.changing(actor.scope) as session:
            worker = await service.update(
                session,
                actor,
                engine.box,
                kind=kind,
                worker_id=worker_id,
                changes=given.columns(),
                configuration=given.configuration,
            )
        _changed(engine)
        return shown(show_worker(worker, with_configuration=True))

    @router.post(f"/{kind}/{{worker_id}}/upgrade", openapi_extra=described(Upgrade), responses=SHOWN, name=f"upgrade_{kind}")
    async def upgrade(
        request: Request, actor: Administrator, worker_id: str, given: Annotated[Upgrade, body(Upgrade)]
    ) -> Response:
        """Moves the worker to another version of its definition, with its configuration."""
        engine = engine_of(request)
        async with engine.changing(actor.scope) as session:
            worker = await service.upgrade(
                session, actor, engine.box, engine.defaults, kind=kind, worker_id=worker_id, definition_id=given.definitionId
            )
        _changed(engine)
        return shown(show_worker(worker, with_configuration=True))

    @router.delete(f"/{kind}/{{worker_id}}", status_code=204, name=f"disable_{kind}")
    async def disable(request: Request, actor: Administrator, worker_id: str) -> Response:
        """Disables the worker and forgets its configuration; its jobs stay."""
        engine = engine_of(request)
        async with engine.changing(actor.scope) as session:
            await service.disable(session, actor, kind=kind, worker_id=worker_id)
        _changed(engine)
        return nothing()


def _add_definitions(router: APIRouter, kind: str) -> None:
    @router.get(f"/{kind}definition", responses={200: {"model": list[ShownDefinition]}}, name=f"{kind}_definitions")
    async def definitions(request: Request, actor: DefinitionReader) -> Response:
        """What can be enabled."""
        async with engine_of(request).database.begin(actor.scope) as session:
            return listed([show_definition(d) for d in await list_definitions(session, kind=kind)])

    @router.post(f"/{kind}definition/scan", status_code=204, name=f"scan_{kind}_definitions")
    async def scan(request: Request, actor: DefinitionReader) -> Response:
        """Reads the folders again, after the answer."""
        answer = nothing()
        answer.background = BackgroundTask(rescan, engine_of(request))
        return answer


def _add_base_configs(router: APIRouter, kind: str) -> None:
    @router.get(f"/{kind}config", responses={200: {"model": list[ShownBaseConfig]}}, name=f"{kind}_configs")
    async def base_configs(request: Request, actor: Administrator) -> Response:
        """The configuration that definitions share."""
        engine = engine_of(request)
        async with engine.database.begin(actor.scope) as session:
            found = await service.list_base_configs(session, actor, engine.defaults, kind=kind)
        return listed([show_base_config(c) for c in found])

    @router.get(f"/{kind}config/{{name}}", responses=BASE_CONFIG, name=f"get_{kind}_config")
    async def base_config(request: Request, actor: Administrator, name: str) -> Response:
        engine = engine_of(request)
        async with engine.database.begin(actor.scope) as session:
            found = await service.get_base_config(session, actor, engine.defaults, kind=kind, name=name)
        return shown(show_base_config(found))

    @router.patch(
        f"/{kind}config/{{name}}", openapi_extra=described(BaseConfigChanges), responses=BASE_CONFIG, name=f"set_{kind}_config"
    )
    async def set_base_config(
        request: Request, actor: Administrator, name: str, given: Annotated[BaseConfigChanges, body(BaseConfigChanges)]
    ) -> Response:
        engine = engine_of(request)
        async with engine.database.begin(actor.scope) as session:
            changed = await service.set_base_config(
                session, actor, engine.box, engine.defaults, kind=kind, name=name, given=given.config
            )
        return shown(show_base_config(changed))
