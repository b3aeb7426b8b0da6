"""Fetching what a message only names: from the neighbour that owns it, with the service key, checked against its hash."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx

from hive.attachments.files import keep
from hive.platform import Hive
from waggle.blobs import Blob
from waggle.messaging import Poison, Retry
from waggle.security.outbound import guarded_client

TIMEOUT = 30.0
MAX_DATA = 64 << 20


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _key_for(hive: Hive, url: str) -> str:
    """The key for a neighbour's URL. Raises Poison for an address that the operator did not name: it is never called."""
    key = hive.settings.neighbour_keys.get(_origin(url))
    if key is None:
        raise Poison(f"{_origin(url)} is no neighbour of this service (HIVE_NEIGHBOUR_KEYS)")
    return key.get_secret_value()


async def _stream(hive: Hive, url: str, limit: int) -> AsyncIterator[bytes]:
    headers = {"Authorization": f"Bearer {_key_for(hive, url)}"}
    guard = hive.outbound.trusting()  # neighbours come from the operator's settings
    size = 0
    try:
        async with guarded_client(guard, timeout=TIMEOUT) as client, client.stream("GET", url, headers=headers) as response:
            if response.status_code == 404:
                raise Poison(f"{url} is gone")
            response.raise_for_status()
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > limit:
                    raise Poison(f"{url} holds more than the {limit} bytes it was said to")
                yield chunk
    except httpx.HTTPError as error:
        raise Retry from error


async def fetch_data(hive: Hive, url: str, *, sha256: str, size: int) -> bytes:
    """A message's large data. Raises Poison if it is not what was announced, Retry if the neighbour does not answer."""
    if size > MAX_DATA:
        raise Poison(f"{size} bytes of data are over the limit of {MAX_DATA}")
    body = b"".join([chunk async for chunk in _stream(hive, url, size)])
    if hashlib.sha256(body).hexdigest() != sha256:
        raise Poison(f"{url} does not have the announced SHA-256")
    return body


async def fetch_file(hive: Hive, url: str, *, sha256: str, size: int) -> Blob:
    """A file, streamed into the blob store; its row is there afterwards."""
    if size > hive.settings.max_attachment:
        raise Poison(f"a file of {size} bytes is over the limit of {hive.settings.max_attachment}")
    blob = await keep(hive.blobs, hive.database, lambda: _stream(hive, url, size))
    if blob.sha256 != sha256:
        raise Poison(f"{url} does not have the announced SHA-256")
    return blob
