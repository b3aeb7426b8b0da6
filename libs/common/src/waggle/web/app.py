"""The application factory: everything a service's HTTP side has before its first route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from waggle.web import errors, ui
from waggle.web.access import Public
from waggle.web.answers import JsonResponse
from waggle.web.metrics import add_metrics
from waggle.web.middleware import RequestLayer

MEBIBYTE = 1 << 20
Check = Callable[[], Awaitable[None]]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Any]]


def create_app(
    *,
    title: str,
    version: str,
    lifespan: Lifespan,
    checks: dict[str, Check] | None = None,
    max_json: int = 16 * MEBIBYTE,
    max_attachment: int = 512 * MEBIBYTE,
    pages: Path | None = None,
    metrics_token: str | None = None,
) -> FastAPI:
    """A FastAPI application with Waggle's errors, limits, headers, `/health` and `/metrics`.

    `checks` are awaited by `/health`; one that raises makes it 503 and names itself. `pages` is the folder of built pages,
    mounted at `/` by `ui.mount` once all routes are there. Sizes are bytes.
    """
    app = FastAPI(
        title=title,
        version=version,
        lifespan=lifespan,
        strict_content_type=False,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(RequestLayer, max_json=max_json, max_attachment=max_attachment)
    errors.install(app)
    _add_health(app, checks or {})
    add_metrics(app, metrics_token)
    app.state.pages = pages
    return app


def _add_health(app: FastAPI, checks: dict[str, Check]) -> None:
    @app.get("/health", dependencies=[Public()], tags=["operation"])
    async def health() -> JsonResponse:
        """200 when everything the service needs answers, else 503 with what does not."""
        found: dict[str, str] = {}
        for name, check in checks.items():
            try:
                await check()
                found[name] = "ok"
            except Exception as error:
                found[name] = f"{type(error).__name__}: no answer"
        healthy = all(state == "ok" for state in found.values())
        return JsonResponse({"status": "ok" if healthy else "degraded", "checks": found}, 200 if healthy else 503)


__all__ = ["create_app", "ui"]
