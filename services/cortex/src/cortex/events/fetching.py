"""Fetching what a message only names: from neighbours whose key we hold, and from nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlsplit

import httpx
from pydantic import AnyUrl, SecretStr

from waggle.blobs import Blob, BlobStore

CHUNK = 1 << 20
TIMEOUT = httpx.Timeout(30, connect=5)


class FetchRefused(Exception):
    """Trying again will not help; the text says why."""


class FetchFailed(Exception):
    """The neighbour does not answer as it should; trying again may help."""


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class Neighbours:
    """`keys` by origin (`http://hive:9000`): only there do we ask, and redirects are not followed. `limit` is in bytes."""

    def __init__(self, keys: Mapping[str, SecretStr], *, limit: int) -> None:
        self._keys = {_origin(url): key for url, key in keys.items()}
        self._limit = limit
        self._client = httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def fetch(self, url: AnyUrl, *, sha256: str, size: int, blobs: BlobStore) -> Blob:
        """The content, stored and checked against its hash. Raises FetchRefused and FetchFailed."""
        address = str(url)
        key = self._keys.get(_origin(address))
        if key is None:
            raise FetchRefused(f"no key for {_origin(address)}: name it in CORTEX_NEIGHBOUR_KEYS")
        if size > self._limit:
            raise FetchRefused(f"its {size} bytes are over the limit of {self._limit} (CORTEX_MAX_ATTACHMENT)")
        try:
            headers = {"Authorization": f"Bearer {key.get_secret_value()}"}
            async with self._client.stream("GET", address, headers=headers) as answer:
                if answer.status_code != 200:
                    raise FetchFailed(f"{_origin(address)} answered {answer.status_code}")
                blob = await blobs.put(self._limited(answer))
        except httpx.HTTPError as error:
            raise FetchFailed(f"{_origin(address)}: {error or type(error).__name__}") from None
        if blob.sha256 != sha256:
            raise FetchRefused("the content is not the one that was announced: its hash differs")
        return blob

    async def _limited(self, answer: httpx.Response) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in answer.aiter_bytes(CHUNK):
            read += len(chunk)
            if read > self._limit:
                raise FetchRefused(f"it is over the limit of {self._limit} bytes (CORTEX_MAX_ATTACHMENT)")
            yield chunk
