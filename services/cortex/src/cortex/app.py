"""Builds the ASGI application: wiring and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from cortex import platform_routes, queues
from cortex.definitions.service import rescan
from cortex.engine import WORKERS, Engine
from cortex.events.machinery import Machinery
from cortex.files import routes as files
from cortex.http import Refusal
from cortex.identity import organisation_routes, session_routes, user_routes
from cortex.jobs import routes as jobs
from cortex.misp import routes as misp
from cortex.settings import Settings
from cortex.stream import routes as stream
from cortex.workers.routes import worker_router
from waggle.messaging import BusSettings, make_bus
from waggle.web import create_app
from waggle.web.app import Check
from waggle.web.queues import install
from waggle.web.ui import mount

KINDS = ("analyzer", "responder")
REFUSED: dict[int | str, dict[str, Any]] = {"4XX": {"model": Refusal, "description": "Refused; the message says why"}}


@lru_cache(1)
def _routes() -> list[BaseRoute]:
    """The routes of every application of this process: what FastAPI makes of their signatures on the first request does not
    depend on the application."""
    api = APIRouter()
    for kind in KINDS:
        api.include_router(worker_router(kind), responses=REFUSED)
        api.include_router(jobs.run_router(kind), responses=REFUSED)
    for router in (
        platform_routes.router,
        session_routes.router,
        user_routes.router,
        organisation_routes.router,
        jobs.router,
        files.router,
        stream.router,
        misp.router,
        queues.router,
    ):
        api.include_router(router, responses=REFUSED)
    return api.routes


def build(settings: Settings, *, bus: BusSettings | None, api_only: bool = False, scan: bool = True) -> FastAPI:
    """The service's HTTP side. Relay, announcer and consumer run on the same loop, unless `api_only`: then the bus is only
    looked at, to show the queues.

    `scan` reads the definitions at start.
    """
    engine = Engine.from_settings(settings)
    machinery = None if api_only else Machinery(engine, bus)
    watched = make_bus(bus) if api_only and bus else None
    checks: dict[str, Check] = {"database": engine.database.check}
    if machinery:
        checks["bus"] = machinery.check

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        engine.listener.hear("job_ended", engine.watcher.ended)
        engine.listener.on(WORKERS, engine.modules.forget)
        if machinery:
            machinery.listen()
        engine.listener.start()
        if scan:
            await rescan(engine)
        if machinery:
            await machinery.start()
        if watched:
            await watched.start()
        yield
        if watched:
            await watched.close()
        if machinery:
            await machinery.stop()
        await engine.close()

    app = create_app(
        title="Cortex",
        version="0.1.0",
        lifespan=lifespan,
        checks=checks,
        max_json=settings.max_json,
        max_attachment=settings.max_attachment,
        pages=settings.pages,
        metrics_token=settings.metrics_token.get_secret_value() if settings.metrics_token else None,
    )
    app.state.engine = engine
    install(app, queues.keeper(engine, machinery.bus if machinery else watched))
    app.router.routes.extend(_routes())
    mount(app)
    return app
