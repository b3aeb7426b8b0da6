"""Server-sent events: an async iterator of events as one long answer that proxies do not buffer.

Events that many streams get may come encoded already (`ServerEvent.encode`, one or several joined).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.responses import StreamingResponse

KEEP_ALIVE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """`id` is what a browser sends back as Last-Event-ID when it reconnects."""

    data: Any
    event: str | None = None
    id: str | None = None

    def encode(self) -> bytes:
        head = (f"id: {self.id}\n" if self.id else "") + (f"event: {self.event}\n" if self.event else "")
        return head.encode() + b"data: " + orjson.dumps(self.data) + b"\n\n"


async def _with_keep_alive(events: AsyncIterator[ServerEvent] | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A comment line whenever nothing happened for a while, so that dead connections are noticed."""
    yield b": connected\n\n"
    pending: asyncio.Future[ServerEvent | bytes] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({pending}, timeout=KEEP_ALIVE_SECONDS)
            if not done:
                yield b": still here\n\n"
                continue
            try:
                event = pending.result()
            except StopAsyncIteration:
                return
            pending = None
            yield event if isinstance(event, bytes) else event.encode()
    finally:
        if pending is not None:
            pending.cancel()


def event_stream(events: AsyncIterator[ServerEvent] | AsyncIterator[bytes]) -> StreamingResponse:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_with_keep_alive(events), media_type="text/event-stream", headers=headers)
