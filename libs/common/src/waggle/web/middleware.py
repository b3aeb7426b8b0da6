"""One ASGI layer around every request: its id, its size limit, security headers, metrics, and the last line of defence."""

from __future__ import annotations

import time
from typing import Any

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from waggle.errors import TooLarge
from waggle.web import errors
from waggle.web.requests import REQUEST_ID, accepted_request_id

REQUESTS = Counter("waggle_http_requests_total", "Answered requests", ["method", "route", "status"])
SECONDS = Histogram(
    "waggle_http_request_seconds", "Time to the end of the answer", ["route"], buckets=(0.005, 0.02, 0.1, 0.5, 2, 10)
)
MEBIBYTE = 1 << 20

SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
CONTENT_SECURITY_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self';"
    b" connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)


class RequestLayer:
    """`max_json` and `max_attachment` are bytes: the limit of a plain body and of a multipart one."""

    def __init__(self, app: ASGIApp, *, max_json: int, max_attachment: int) -> None:
        self._app = app
        self._max_json = max_json
        self._max_multipart = max_attachment + max_json

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await _Exchange(self, scope, receive, send).run()

    def limit_for(self, headers: dict[bytes, bytes]) -> int:
        multipart = headers.get(b"content-type", b"").lower().startswith(b"multipart/")
        return self._max_multipart if multipart else self._max_json

    async def forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


class _Exchange:
    """One request and its answer."""

    def __init__(self, layer: RequestLayer, scope: Scope, receive: Receive, send: Send) -> None:
        self._layer, self._scope, self._receive, self._send = layer, scope, receive, send
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        self._limit = layer.limit_for(self._headers)
        self._read = 0
        self._status = 0
        self._over = False
        self._id = accepted_request_id(self._headers.get(b"x-request-id"))

    async def run(self) -> None:
        token = REQUEST_ID.set(self._id)
        began = time.perf_counter()
        try:
            self._check_announced_length()
            await self._layer.forward(self._scope, self._receive_limited, self._send_marked)
            if self._over:
                raise self._too_large()
        except TooLarge as error:
            await self._answer(errors.answer(error))
        except Exception as error:
            await self._answer(errors.unexpected(error))
        finally:
            route = getattr(self._scope.get("route"), "path", "other")
            REQUESTS.labels(self._scope["method"], route, str(self._status)).inc()
            SECONDS.labels(route).observe(time.perf_counter() - began)
            REQUEST_ID.reset(token)

    async def _answer(self, response: Any) -> None:
        self._over = False
        if not self._status:
            response.headers["connection"] = "close"
            await response(self._scope, self._receive, self._send_marked)

    def _check_announced_length(self) -> None:
        announced = self._headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) > self._limit:
            raise self._too_large()

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the body is over {self._limit // MEBIBYTE} MiB")

    async def _receive_limited(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            if self._read > self._limit:
                self._over = True
                raise self._too_large()
        return message

    async def _send_marked(self, message: Message) -> None:
        if self._over:  # the framework turns our refusal into one of its own: drop it, `run` gives the answer
            return
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = list(message.get("headers", []))
            present = {name.lower() for name, _ in headers}
            headers += [pair for pair in SECURITY_HEADERS if pair[0] not in present]
            if b"content-security-policy" not in present:
                headers.append((b"content-security-policy", CONTENT_SECURITY_POLICY))
            headers.append((b"x-request-id", self._id.encode()))
            message = {**message, "headers": headers}
        await self._send(message)
