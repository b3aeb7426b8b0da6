"""The ASGI application: wiring and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version

from fastapi import FastAPI

from misp_connector import queues
from misp_connector.claims.routes import router as claims
from misp_connector.exporting.routes import router as exports
from misp_connector.instances.routes import router as instances
from misp_connector.mapping.routes import router as mapping
from misp_connector.polling.routes import router as events
from misp_connector.receivers.routes import router as receivers
from misp_connector.runtime import running
from misp_connector.settings import Settings
from waggle.messaging import Bus
from waggle.web import create_app
from waggle.web.queues import install


def make_app(settings: Settings, *, bus: Callable[[], Bus | None] | None, works: bool = True) -> FastAPI:
    """`bus` makes the bus, on which the process also works, unless it `works` not; None: it answers requests only."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(settings, bus=bus() if bus else None, works=works) as runtime:
            app.state.runtime = runtime
            install(app, queues.keeper(runtime))
            yield

    async def database_answers() -> None:
        await app.state.runtime.database.check()

    async def bus_answers() -> None:
        await app.state.runtime.check_bus()

    async def work_goes_on() -> None:
        await app.state.runtime.check_work()

    app = create_app(
        title="Waggle MISP connector",
        version=version("waggle-misp-connector"),
        lifespan=lifespan,
        checks={"database": database_answers, "bus": bus_answers, "work": work_goes_on},
        max_json=16 << 20,
        max_attachment=0,
        metrics_token=settings.metrics_token.get_secret_value() if settings.metrics_token else None,
    )
    for router in (instances, events, exports, receivers, claims, mapping, queues.router):
        app.include_router(router)
    return app
