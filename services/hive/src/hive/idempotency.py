"""`Idempotency-Key`: a request that a client repeats because it never saw the answer is done once, and answered alike.

The key is written in the same transaction as what the request makes, so that one is never there without the other; a twin that
arrives meanwhile waits for that transaction. Keys belong to one user in one organisation and one route, for a day.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import LargeBinary
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hive.identity.caller import Caller
from waggle.db import Database
from waggle.errors import BadRequest, WaggleError
from waggle.web.errors import answer

HEADER = b"idempotency-key"
IN_SCOPE = "hive.once"
MAX_KEY = 255
MAX_ANSWER = 4 << 20
LOOKS, PAUSE = 20, 0.05
CLAIM = text(
    "INSERT INTO idempotency_keys (org_id, user_id, route, key, request_sha256) VALUES (:org, :user, :route, :key, :sha256)"
    " ON CONFLICT DO NOTHING RETURNING key"
).bindparams(bindparam("sha256", type_=LargeBinary()))
EARLIER = text(
    "SELECT request_sha256, status, answer FROM idempotency_keys"
    " WHERE org_id = :org AND user_id = :user AND route = :route AND key = :key"
)
REMEMBER = """UPDATE idempotency_keys SET status = $5, answer = $6
  WHERE org_id = $1 AND user_id = $2 AND route = $3 AND key = $4"""


class OtherRequest(WaggleError):
    """The key came with another request before."""

    status = 422
    type = "IdempotencyError"


class AnswerLost(WaggleError):
    """Done before; the process ended before it could keep the answer, or the answer was too long."""

    status = 409
    type = "IdempotencyError"


class Repeated(Exception):
    """The request was done before; what it was answered."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__()
        self.status, self.body = status, body


async def on_repeated(_: Request, repeated: Exception) -> Response:
    assert isinstance(repeated, Repeated)
    headers = {"Idempotency-Replayed": "true"}
    return Response(repeated.body or None, repeated.status, headers, media_type="application/json" if repeated.body else None)


@dataclass(slots=True)
class Once:
    """One request with its key. `owner` once it was claimed by this request."""

    route: str
    key: str
    digest: Any = field(default_factory=hashlib.sha256)
    owner: Caller | None = None

    async def claim(self, session: AsyncSession, caller: Caller) -> None:
        """To be called first in the transaction that does the work. Raises Repeated for what was done before."""
        if self.owner is not None:
            return
        mine = {"org": caller.org_id, "user": caller.user_id, "route": self.route, "key": self.key}
        sha256 = self.digest.digest()
        if (await session.execute(CLAIM, {**mine, "sha256": sha256})).first():
            self.owner = caller
            return
        for _ in range(LOOKS):
            earlier = (await session.execute(EARLIER, mine)).one()
            if earlier.request_sha256 != sha256:
                raise OtherRequest("this Idempotency-Key came with another request before; take a new one")
            if earlier.status is not None:
                raise Repeated(earlier.status, earlier.answer)
            await asyncio.sleep(PAUSE)  # committed a moment ago, the answer is on its way
        raise AnswerLost("the request with this Idempotency-Key was done, and its answer is lost; look for what it made")


class IdempotencyKeys:
    """Reads the header, hashes the body as it passes by, and keeps the answer of what was done."""

    def __init__(self, app: ASGIApp, database: Database) -> None:
        self._app = app
        self._database = database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"]) if scope["type"] == "http" and scope["method"] == "POST" else {}
        if HEADER not in headers:
            await self._app(scope, receive, send)
            return
        key = headers[HEADER].decode("latin-1")
        if not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
            wrong = answer(BadRequest(f"an Idempotency-Key has 1 to {MAX_KEY} printable ASCII characters"))
            await wrong(scope, receive, send)
            return
        once = Once(scope["path"], key)
        scope[IN_SCOPE] = once
        # A form is sent with another boundary each time.
        hashed = not headers.get(b"content-type", b"").startswith(b"multipart/")

        async def receiving() -> Message:
            message = await receive()
            if hashed and message["type"] == "http.request":
                once.digest.update(message.get("body", b""))
            return message

        await self._app(scope, receiving, _Keeping(self._database, once, send))


class _Keeping:
    """Holds the end of the answer back until it is stored, for the one request that did the work."""

    def __init__(self, database: Database, once: Once, send: Send) -> None:
        self._database, self._once, self._send = database, once, send
        self._status = 0
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif message["type"] == "http.response.body" and self._once.owner is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body") and len(self._body) <= MAX_ANSWER:
                await self._remember(self._once.owner)
        await self._send(message)

    async def _remember(self, owner: Caller) -> None:
        once = self._once
        await self._database.fetch(
            REMEMBER, owner.org_id, owner.user_id, once.route, once.key, self._status, bytes(self._body), system=True
        )
