"""The classic API under its two prefixes, `/api` and `/api/v0`; a trailing slash is accepted everywhere."""

from __future__ import annotations

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hive.answers import answer
from hive.classic import (
    administration,
    alerts,
    artifacts,
    audit,
    cases,
    catalogues,
    config,
    connectors,
    dashboards,
    datastore,
    describe,
    everywhere,
    pipeline,
    shares,
    stream,
    tasks,
    templates,
    users,
)
from hive.classic.outputs import user_out
from hive.classic.search import several
from hive.identity.models import User
from hive.identity.schemas import InputLogin
from hive.identity.service import users_out
from hive.identity.sessions import close, log_in, with_cookie
from waggle.errors import AuthenticationFailed
from waggle.web.access import Public

# Words before ids: `/case/task` is no case, `/case/template/_search` no template.
ROOMS = (
    templates, artifacts, tasks, shares, alerts, cases, catalogues, users, administration, stream, describe, config, datastore,
    pipeline, connectors, dashboards, audit, everywhere,
)  # fmt: skip


class TrailingSlash:
    """`POST /api/alert/` is `POST /api/alert`, without a redirect (thehivebackup)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/api/") and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/")}
        await self._app(scope, receive, send)


class BasicChallenge:
    """A refused log-in by the Basic scheme is told so, unless a page asked (`Referer`): its browser would open a dialog."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if not headers.get("authorization", "").lower().startswith("basic ") or "referer" in headers:
            await self._app(scope, receive, send)
            return

        async def challenging(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 401:
                MutableHeaders(scope=message)["WWW-Authenticate"] = 'Basic realm="thehive"'
            await send(message)

        await self._app(scope, receive, challenging)


def _router(prefix: str, *, shown: bool) -> APIRouter:
    router = APIRouter(prefix=prefix, tags=["classic"], include_in_schema=shown)
    for room in ROOMS:
        room.routes(router)
    several(router)
    if not shown:
        connectors.v0_routes(router)

    @router.post("/login", dependencies=[Public()])
    async def login(given: InputLogin, request: Request) -> Response:
        hive, caller, token = await log_in(request, given)
        async with hive.database.begin(caller.scope()) as session:
            user = await session.scalar(select(User).where(User.id == caller.user_id))
            if user is None:
                raise AuthenticationFailed
            (shown_user,) = await users_out(session, caller, [user])
        return with_cookie(answer(user_out(shown_user)), hive, token)

    @router.get("/logout", dependencies=[Public()])
    @router.post("/logout", dependencies=[Public()])
    async def logout(request: Request) -> Response:
        return await close(request)

    return router


routers = [_router("/api", shown=True), _router("/api/v0", shown=False)]
