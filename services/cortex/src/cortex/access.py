"""Who may call a route: `Annotated[Actor, require("read")]`. The only place where a request meets a user."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any

from fastapi import Request
from fastapi.params import Depends

from cortex.acting import Actor
from cortex.engine import Engine
from cortex.identity import authentication
from waggle.errors import AuthenticationFailed, Forbidden
from waggle.web import client_address, request_id
from waggle.web.access import Requirement

SESSION_COOKIE = "CORTEX_SESSION"
CSRF_COOKIE = "CORTEX-XSRF-TOKEN"
CSRF_HEADER = "X-CORTEX-XSRF-TOKEN"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
INSUFFICIENT = "Insufficient rights to perform this action"


def engine_of(request: Request) -> Engine:
    engine = request.app.state.engine
    assert isinstance(engine, Engine)
    return engine


def csrf_token(session_token: str) -> str:
    """What a page must echo in a header: it proves that it can read our cookies, and fits this session alone."""
    return hashlib.sha256(f"csrf {session_token}".encode("utf-8", "replace")).hexdigest()


def _check_same_site(request: Request, token: str) -> None:
    """A browser sends the session's cookie along with other sites' requests too (threats S08)."""
    if request.method in SAFE_METHODS or request.headers.get("sec-fetch-site") == "same-origin":
        return
    given = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(given.encode(), csrf_token(token).encode()):
        raise Forbidden(f"{CSRF_HEADER} must echo the cookie {CSRF_COOKIE}", type="Forbidden")


def _basic(authorization: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(authorization.removeprefix("Basic "), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise AuthenticationFailed() from None
    login, _, password = text.partition(":")
    return login, password


async def authenticate(request: Request) -> Actor:
    """The caller: by session cookie, API key, Basic, or as the initial user. Raises AuthenticationFailed."""
    engine = engine_of(request)
    authorization = request.headers.get("authorization", "")
    token = request.cookies.get(SESSION_COOKIE)
    if authorization.startswith("Bearer "):
        return await authentication.by_key(engine.database, engine.accounts, authorization.removeprefix("Bearer "), request_id())
    async with engine.database.system() as session:
        if token and not authorization:
            user = await authentication.by_session(session, token, minutes=engine.settings.session_minutes)
            _check_same_site(request, token)
        elif authorization.startswith("Basic ") and engine.settings.auth_basic:
            login, password = _basic(authorization)
            user = await authentication.by_password(session, engine.passwords, login=login, password=password)
        elif client_address(request) in engine.settings.init_from and await authentication.nobody_is_there(session):
            return authentication.INIT
        else:
            raise AuthenticationFailed()
        return authentication.actor_of(user, request_id())


class _Access(Requirement):
    """Lets a caller in who holds one of the roles; without roles, any user."""

    def __init__(self, roles: tuple[str, ...]) -> None:
        self._roles = roles

    async def __call__(self, request: Request) -> Actor:
        actor = await authenticate(request)
        if self._roles and not actor.holds(*self._roles):
            raise Forbidden(INSUFFICIENT)
        return actor


def require(*roles: str) -> Any:
    """The mark of a route: the caller must hold one of these roles; none named = any user."""
    return Depends(_Access(roles))


class _Neighbour(Requirement):
    """Lets a service of the platform in, by the key it was given."""

    async def __call__(self, request: Request) -> str:
        given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        for service, key in engine_of(request).settings.service_keys.items():
            if hmac.compare_digest(given, key.get_secret_value().encode()):
                return service
        raise AuthenticationFailed()


def neighbour() -> Any:
    """The mark of a route that only the platform's other services call."""
    return Depends(_Neighbour())
