"""The classic API under its two prefixes, `/api` and `/api/v0`; a trailing slash is accepted everywhere."""

from __future__ import annotations

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from hive.acting import Known, Member
from hive.answers import answer
from hive.attachments import service as attachments
from hive.attachments.routes import FILE, send
from hive.classic import alerts, cases
from hive.identity.models import User
from hive.identity.permissions import Permission
from hive.identity.schemas import InputLogin
from hive.identity.sessions import log_in, with_cookie
from waggle.blobs.store import SHA256
from waggle.errors import AuthenticationFailed, NotFound
from waggle.web.access import Public


class TrailingSlash:
    """`POST /api/alert/` is `POST /api/alert`, without a redirect (thehivebackup)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/api/") and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/")}
        await self._app(scope, receive, send)


def roles_of(permissions: frozenset[str]) -> list[str]:
    """Roles of TheHive 3 that stand for permissions; some clients refuse to work without read and write."""
    roles = ["read"]
    if permissions:
        roles.append("write")
    if permissions & {Permission.USER, Permission.ORGANISATION}:
        roles.append("admin")
    if Permission.ALERT_CREATE in permissions:
        roles.append("alert")
    return roles


def _router(prefix: str, *, shown: bool) -> APIRouter:
    router = APIRouter(prefix=prefix, tags=["classic"], include_in_schema=shown)
    cases.routes(router)
    alerts.routes(router)

    @router.get("/user/current")
    async def current(acting: Known) -> Response:
        caller = acting.caller
        async with acting.read() as session:
            user = await session.scalar(select(User).where(User.id == caller.user_id))
        if user is None:
            raise AuthenticationFailed
        response = answer(
            {
                "_id": user.login, "id": user.login, "_type": "user", "createdBy": user.created_by,
                "createdAt": user.created_at, "login": user.login, "name": user.name, "roles": roles_of(caller.permissions),
                "organisation": caller.organisation, "status": "Locked" if user.locked else "Ok",
            }
        )  # fmt: skip
        response.headers["X-Organisation"] = caller.organisation
        return response

    @router.post("/login", dependencies=[Public()])
    async def login(given: InputLogin, request: Request) -> Response:
        hive, caller, token = await log_in(request, given)
        shown = {"login": caller.login, "id": caller.login, "name": caller.name, "organisation": caller.organisation}
        return with_cookie(answer(shown), hive, token)

    @router.get("/datastore/{sha256}", responses=FILE)
    async def datastore(sha256: str, acting: Member) -> Response:
        if not SHA256.fullmatch(sha256):
            raise NotFound("Attachment not found")
        async with acting.read() as session:
            found = await attachments.download_by_hash(session, sha256)
        return send(acting, found)

    return router


routers = [_router("/api", shown=True), _router("/api/v0", shown=False)]
