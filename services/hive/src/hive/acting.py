"""The mark on every route that says who may call it, and what the route gets: the caller and a door to the database.

`CanCreate = Annotated[Acting, require(Permission.ALERT_CREATE)]` in a signature is both the check and the value.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends, Request
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession

from hive.answers import wanted_version
from hive.idempotency import IN_SCOPE, Once
from hive.identity.caller import Caller
from hive.identity.permissions import Permission
from hive.platform import Hive
from waggle.db.models import Stamped
from waggle.errors import BadRequest, Forbidden, NotFound, VersionConflict
from waggle.web.access import Requirement

R = TypeVar("R", bound=Stamped)
IF_MATCH: Final[dict[str, Any]] = {
    "parameters": [
        {
            "in": "header", "name": "If-Match", "required": False, "schema": {"type": "string"},
            "description": "the version that the change is meant for; 412 with the object as it is now where it has another",
        }
    ],
    "responses": {"412": {"description": "somebody changed the object meanwhile"}},
}  # fmt: skip
"""`openapi_extra` of routes that call `matched`."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORGEABLE_TYPES = ("text/plain", "application/x-www-form-urlencoded")


@dataclass(frozen=True, slots=True)
class Acting:
    hive: Hive
    caller: Caller
    once: Once | None = None
    if_match: str | None = None

    async def matched(self, session: AsyncSession, row: R, show: Callable[[R], Any]) -> R:
        """The object that is about to change, locked where the request's If-Match names a version of it.

        Raises VersionConflict, with the object as it stands now, where it has another one.
        """
        wanted = wanted_version(self.if_match)
        if wanted is None:
            return row
        try:
            await session.refresh(row, with_for_update=True)
        except InvalidRequestError:
            raise NotFound("it was deleted a moment ago") from None
        if row.version != wanted:
            shown = show(row)
            current = await shown if inspect.isawaitable(shown) else shown
            raise VersionConflict(f"the object is at version {row.version}, not {wanted}", current=current)
        return row

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncSession]:
        """The request's one transaction, in the caller's organisation; live pages and the relay are woken after it.

        Whatever it changed about people and their rights counts from the next request on. A request with an Idempotency-Key
        that was done before ends here.
        """
        async with self.hive.database.begin(self.caller.scope()) as session:
            if self.once is not None:
                await self.once.claim(session, self.caller)
            yield session
        self.hive.authenticator.recent.forget()
        self.hive.wake()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A transaction that only reads."""
        async with self.hive.database.begin(self.caller.scope()) as session:
            yield session


class Require(Requirement):
    """A known caller who holds the permission (None: membership of the organisation is enough)."""

    def __init__(self, permission: Permission | None, *, visitors: bool = False) -> None:
        self.permission = permission
        self.visitors = visitors

    async def __call__(self, request: Request) -> Acting:
        hive: Hive = request.app.state.hive
        account = await hive.authenticator.account(request)
        if account.by_cookie:
            refuse_forgery(request)
        organisation = request.headers.get("x-organisation") or request.cookies.get("X-Organisation")
        caller = await hive.authenticator.caller(account, organisation)
        if self.permission is not None:
            caller.check(self.permission)
        elif caller.visiting and not self.visitors:
            raise Forbidden("only members of an organisation read its cases and alerts")
        return Acting(hive, caller, request.scope.get(IN_SCOPE), request.headers.get("if-match"))


def refuse_forgery(request: Request) -> None:
    """A cookie is sent by the browser whoever made the page: an unsafe request must prove that it is ours (threats S08)."""
    if request.method in SAFE_METHODS:
        return
    if request.headers.get("sec-fetch-site") != "same-origin" and "x-requested-with" not in request.headers:
        raise Forbidden("a browser session needs Sec-Fetch-Site: same-origin or the header X-Requested-With")
    if request.headers.get("content-type", "").lower().startswith(FORGEABLE_TYPES):
        raise BadRequest("a browser session sends JSON or multipart bodies")


def require(permission: Permission | None = None) -> Any:
    return Depends(Require(permission))


Member = Annotated[Acting, require()]
Known = Annotated[Acting, Depends(Require(None, visitors=True))]
