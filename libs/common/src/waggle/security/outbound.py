"""Clients whose connections pass the guard (`waggle.security.guard`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from waggle.security.guard import OutboundGuard, OutboundRefused

__all__ = ["GuardedTransport", "OutboundGuard", "OutboundRefused", "guarded_client"]


class GuardedTransport(httpx.AsyncBaseTransport):
    """httpx transport that connects to the address the guard has checked; TLS still verifies the host's name."""

    def __init__(self, guard: OutboundGuard, **options: Any) -> None:
        self._guard = guard
        self._inner = httpx.AsyncHTTPTransport(**options)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        addresses = await self._guard.resolve_async(host, port)
        request.headers.setdefault("Host", request.url.netloc.decode())
        request.extensions = {**request.extensions, "sni_hostname": host}
        return await self._try_each(request, addresses)

    async def _try_each(self, request: httpx.Request, addresses: Sequence[str]) -> httpx.Response:
        original = request.url
        for position, address in enumerate(addresses):
            request.url = original.copy_with(host=address)
            try:
                return await self._inner.handle_async_request(request)
            except httpx.ConnectError:
                if position == len(addresses) - 1:
                    raise
            finally:
                request.url = original
        raise httpx.ConnectError(f"{original.host} has no address", request=request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def guarded_client(guard: OutboundGuard, *, timeout: float = 30, verify: Any = True, **options: Any) -> httpx.AsyncClient:
    """An httpx client all of whose connections, redirects included, pass the guard."""
    return httpx.AsyncClient(transport=GuardedTransport(guard, verify=verify), timeout=timeout, **options)
