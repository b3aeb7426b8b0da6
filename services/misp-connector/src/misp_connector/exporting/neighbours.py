"""Fetching from hive what its messages name: with the key agreed at set-up, from nobody else, checked against the hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from waggle.security.outbound import OutboundGuard, guarded_client

TIMEOUT = httpx.Timeout(60, connect=5)


class NotFetched(Exception):
    """The text says why; `lasting`: trying again will not help."""

    def __init__(self, message: str, *, lasting: bool) -> None:
        super().__init__(message)
        self.lasting = lasting


class Neighbours:
    """`keys` by origin (`http://hive:9000`). Neighbours come from the operator's settings, so their addresses are trusted."""

    def __init__(self, keys: Mapping[str, SecretStr], guard: OutboundGuard) -> None:
        self._keys = {_origin(url): key for url, key in keys.items()}
        self._guard = guard.trusting()

    async def fetch(self, url: str, *, sha256: str, size: int) -> bytes:
        """The content. Raises NotFetched."""
        key = self._keys.get(_origin(url))
        if key is None:
            raise NotFetched(f"no key for {_origin(url)}: name it in MISP_CONNECTOR_NEIGHBOUR_KEYS", lasting=True)
        headers = {"Authorization": f"Bearer {key.get_secret_value()}"}
        body = bytearray()
        digest = hashlib.sha256()
        try:
            async with (
                guarded_client(self._guard, timeout=TIMEOUT) as client,  # type: ignore[arg-type]  # httpx takes both
                client.stream("GET", url, headers=headers) as answer,
            ):
                if answer.status_code != 200:
                    lasting = answer.status_code in (401, 403, 404)
                    raise NotFetched(f"{_origin(url)} answered {answer.status_code} for {url}", lasting=lasting)
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    digest.update(chunk)
                    if len(body) > size:
                        raise NotFetched(f"{url} holds more than the {size} bytes it was said to", lasting=True)
        except (httpx.HTTPError, OSError) as error:
            raise NotFetched(f"{_origin(url)}: {error or type(error).__name__}", lasting=False) from None
        if digest.hexdigest() != sha256:
            raise NotFetched(f"{url} does not have the announced SHA-256", lasting=True)
        return bytes(body)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
