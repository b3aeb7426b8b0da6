"""Log-in, log-out and the state of a session: contracts/cortex.md §1.1."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from cortex.access import CSRF_COOKIE, SESSION_COOKIE, csrf_token, engine_of, require
from cortex.acting import Actor
from cortex.http import body, described, shown
from cortex.identity import authentication
from cortex.identity.schemas import LoggedIn, Login, SessionState
from waggle.web.access import Public

router = APIRouter(prefix="/api", tags=["session"])
WARNING_SECONDS = 300


@router.post("/login", dependencies=[Public()], openapi_extra=described(Login), responses={200: {"model": LoggedIn}})
async def login(request: Request, given: Annotated[Login, body(Login)]) -> Response:
    """Opens a session: a cookie, and a second one whose value pages echo in a header."""
    engine = engine_of(request)
    async with engine.database.system() as session:
        user = await authentication.by_password(session, engine.passwords, login=given.user, password=given.password)
        token = await authentication.open_session(session, user, minutes=engine.settings.session_minutes)
    answer = shown(LoggedIn(id=user.login, name=user.name, roles=user.roles))
    secure = engine.settings.secure_cookies
    answer.set_cookie(SESSION_COOKIE, token, httponly=True, secure=secure, samesite="lax")
    answer.set_cookie(CSRF_COOKIE, csrf_token(token), secure=secure, samesite="lax")
    return answer


@router.get("/logout", dependencies=[Public()])
async def logout(request: Request) -> Response:
    """Ends the session, if there is one."""
    if token := request.cookies.get(SESSION_COOKIE):
        async with engine_of(request).database.system() as session:
            await authentication.close_session(session, token)
    answer = Response(status_code=200)
    answer.delete_cookie(SESSION_COOKIE)
    answer.delete_cookie(CSRF_COOKIE)
    return answer


@router.get("/stream/status", responses={200: {"model": SessionState}})
async def session_state(request: Request, actor: Annotated[Actor, require()]) -> Response:
    """How long the session lasts without another request."""
    async with engine_of(request).database.system() as session:
        remaining = await authentication.session_remaining(session, request.cookies.get(SESSION_COOKIE, ""))
    return shown(SessionState(remaining=int(remaining), warning=remaining < WARNING_SECONDS))
