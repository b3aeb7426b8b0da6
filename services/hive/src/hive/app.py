"""Builds the ASGI application: wiring and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

import hive.alerts.bulk_routes
import hive.alerts.routes
import hive.analysis.action_routes
import hive.analysis.routes
import hive.archives.routes
import hive.attachments.routes
import hive.cases.attachment_routes
import hive.cases.bulk_routes
import hive.cases.link_routes
import hive.cases.routes
import hive.claims
import hive.classic.routes
import hive.comments.routes
import hive.customfields.routes
import hive.identity.routes
import hive.identity.sessions
import hive.identity.user_routes
import hive.misp.export_routes
import hive.misp.offer_routes
import hive.misp.routes
import hive.observables.exchange_routes
import hive.observables.routes
import hive.observables.similarity_routes
import hive.observabletypes.routes
import hive.pages.routes
import hive.procedures.catalog_routes
import hive.procedures.routes
import hive.queues
import hive.search.routes
import hive.sharing.organisation_routes
import hive.sharing.routes
import hive.status
import hive.statuses.routes
import hive.stream.routes
import hive.tags.routes
import hive.tasks.bulk_routes
import hive.tasks.routes
import hive.templates.routes
import hive.timeline.routes
from hive.idempotency import IdempotencyKeys, Repeated, on_repeated
from hive.identity.authentication import SESSION_COOKIE
from hive.platform import build
from hive.search.downloads import Slots
from hive.settings import Settings
from hive.stream.service import Streams
from hive.version import VERSION
from hive.web_bodies import described_models
from hive.work import watching, working
from waggle.messaging import Bus
from waggle.web import create_app, queues, ui

SECURITY = {
    "key": {"type": "http", "scheme": "bearer", "description": "an API key"},
    "basic": {"type": "http", "scheme": "basic", "description": "login and password"},
    "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE, "description": "what a log-in sets"},
}
ROUTERS = [
    hive.status.router,
    hive.identity.sessions.router,
    hive.identity.user_routes.router,
    hive.identity.routes.router,
    hive.search.routes.router,
    hive.alerts.bulk_routes.router,
    hive.alerts.routes.router,
    hive.cases.bulk_routes.router,
    hive.cases.link_routes.router,
    hive.sharing.routes.router,
    hive.sharing.organisation_routes.router,
    hive.cases.attachment_routes.router,
    hive.archives.routes.router,
    hive.cases.routes.router,
    hive.tasks.bulk_routes.router,
    hive.tasks.routes.router,
    hive.observabletypes.routes.router,
    *hive.statuses.routes.routers,
    hive.tags.routes.router,
    hive.comments.routes.router,
    hive.pages.routes.router,
    hive.procedures.catalog_routes.router,
    hive.procedures.routes.router,
    hive.timeline.routes.router,
    hive.observables.routes.router,
    hive.observables.similarity_routes.router,
    hive.observables.exchange_routes.router,
    hive.attachments.routes.router,
    hive.templates.routes.router,
    hive.customfields.routes.router,
    *hive.analysis.routes.routers,
    *hive.analysis.action_routes.routers,
    hive.misp.routes.router,
    hive.misp.export_routes.router,
    hive.misp.offer_routes.router,
    hive.stream.routes.router,
    hive.claims.router,
    hive.queues.router,
    *hive.classic.routes.routers,
]


@lru_cache(1)
def _routes() -> list[BaseRoute]:
    """The routes of every application of this process: what FastAPI makes of their signatures on the first request (some 0.2 s
    of CPU) does not depend on the application."""
    api = APIRouter()
    for router in ROUTERS:
        api.include_router(router)
    return api.routes


def make_app(settings: Settings, bus: Bus | None, *, works: bool = True) -> FastAPI:
    """The application. With `bus` the work beside the API runs on its loop, too, unless it `works` not: then another process
    does (`hive work`), and this one only shows the queues."""
    platform = build(settings)
    streams = Streams(platform)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as running:
            running.push_async_callback(platform.database.close)
            platform.listener.start()
            running.push_async_callback(platform.listener.stop)
            running.push_async_callback(streams.stop)
            if bus is not None:
                await running.enter_async_context(working(platform, bus) if works else watching(bus))
            yield

    token = settings.metrics_token.get_secret_value() if settings.metrics_token else None
    app = create_app(
        title="Waggle hive", version=VERSION, lifespan=lifespan, checks={"database": platform.database.check},
        max_json=settings.max_json, max_attachment=settings.max_attachment, pages=settings.pages, metrics_token=token,
    )  # fmt: skip
    app.state.hive = platform
    app.state.streams = streams
    app.state.downloads = Slots(max(1, settings.database_pool // 2))
    queues.install(app, hive.queues.keeper(platform, bus))
    app.router.routes.extend(_routes())
    ui.mount(app)
    _describe_uploads(app)
    app.add_middleware(IdempotencyKeys, database=platform.database)
    app.add_exception_handler(Repeated, on_repeated)
    app.add_middleware(hive.classic.routes.TrailingSlash)
    app.add_middleware(hive.classic.routes.BasicChallenge)
    return app


def _describe_uploads(app: FastAPI) -> None:
    """The OpenAPI document gains the models of bodies that are read by hand, and the ways to log in; made on first request."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for name, schema in described_models().items():
            schemas.setdefault(name, schema)
        document["components"]["securitySchemes"] = SECURITY
        document["security"] = [{name: []} for name in SECURITY]
        return document

    app.openapi = openapi  # type: ignore[method-assign]
