"""What is fetched: catalogs (contracts/cortex.md §5.2, §5.3) and the list of a misp-modules server.

They come from the operator's settings, so their hosts are trusted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import httpx

from cortex.definitions.flavor import MAX_CATALOG_BYTES
from waggle.security.outbound import OutboundGuard, OutboundRefused, guarded_client

TIMEOUT = 20.0
Fetched = dict[str, bytes | str]
"""Content by URL; a text is the reason why there is none."""


def is_url(place: str) -> bool:
    return place.startswith(("http://", "https://"))


async def fetch(wanted: Iterable[str]) -> Fetched:
    """What these URLs hold."""
    urls = list(dict.fromkeys(wanted))
    if not urls:
        return {}
    guard = OutboundGuard().trusting()
    async with guarded_client(guard, timeout=TIMEOUT, follow_redirects=True, max_redirects=3) as client:
        return dict(zip(urls, await asyncio.gather(*(_fetch(client, url) for url in urls)), strict=True))


async def _fetch(client: httpx.AsyncClient, url: str) -> bytes | str:
    content = bytearray()
    try:
        async with client.stream("GET", url) as answer:
            if answer.status_code != httpx.codes.OK:
                return f"answers with status {answer.status_code}"
            async for chunk in answer.aiter_bytes():
                content += chunk
                if len(content) > MAX_CATALOG_BYTES:
                    return f"is over {MAX_CATALOG_BYTES >> 20} MiB"
    except (httpx.HTTPError, OutboundRefused, OSError) as error:
        return f"cannot be fetched: {error or type(error).__name__}"
    return bytes(content)
