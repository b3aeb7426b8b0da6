"""Log-in and log-out of browsers, by both APIs' paths."""

from __future__ import annotations

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response

from hive.answers import answer
from hive.identity.authentication import SESSION_COOKIE
from hive.identity.caller import Caller
from hive.identity.models import User
from hive.identity.schemas import InputLogin, OutputUser
from hive.identity.service import users_out
from hive.platform import Hive
from waggle.errors import AuthenticationFailed
from waggle.web import client_address
from waggle.web.access import Public

router = APIRouter(tags=["session"])


async def log_in(request: Request, given: InputLogin) -> tuple[Hive, Caller, str]:
    """The caller and the token of a new session. Raises AuthenticationFailed or TooManyRequests."""
    hive: Hive = request.app.state.hive
    address = client_address(request)
    account = await hive.authenticator.by_password(given.user, given.password, address=address)
    caller = await hive.authenticator.caller(account, given.organisation)
    agent = request.headers.get("user-agent", "")
    token = await hive.authenticator.open_session(caller, account.epoch, address=address, agent=agent)
    return hive, caller, token


def with_cookie(response: Response, hive: Hive, token: str) -> Response:
    response.set_cookie(
        SESSION_COOKIE, token, max_age=int(hive.settings.session_hours * 3600), httponly=True, samesite="strict",
        secure=hive.settings.secure_cookies, path="/",
    )  # fmt: skip
    response.headers["Cache-Control"] = "no-store"
    return response


async def close(request: Request) -> Response:
    """Closes the session of the cookie, if there is one; anybody may ask."""
    hive: Hive = request.app.state.hive
    if token := request.cookies.get(SESSION_COOKIE):
        await hive.authenticator.close_session(token)
    response = answer({})
    response.delete_cookie(SESSION_COOKIE, path="/")
    return response


@router.post("/api/v1/login", dependencies=[Public()], response_model=OutputUser)
async def login(given: InputLogin, request: Request) -> Response:
    """Opens a browser session (cookie THEHIVE-SESSION); every failure looks the same."""
    hive, caller, token = await log_in(request, given)
    async with hive.database.begin(caller.scope()) as session:
        user = await session.scalar(select(User).where(User.id == caller.user_id))
        if user is None:
            raise AuthenticationFailed
        (shown,) = await users_out(session, caller, [user])
    return with_cookie(answer(shown), hive, token)


@router.get("/api/v1/logout", dependencies=[Public()], include_in_schema=False)
@router.post("/api/v1/logout", dependencies=[Public()])
async def logout(request: Request) -> Response:
    """Closes the session of the cookie, if there is one."""
    return await close(request)
