"""Answers of the APIs: objects already in their final form, If-Match, and file downloads."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import orjson
from starlette.responses import Response, StreamingResponse

from waggle.errors import BadRequest

VERSION = re.compile(r'(?:W/)?"?(\d{1,9})"?')
# A user's file never runs in our origin: it is a download, of no type the browser guesses, in a sandbox (threats S04).
DOWNLOAD_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, no-store",
}


def answer(value: Any, status: int = 200, *, total: int | None = None) -> Response:
    headers = {"X-Total": str(total)} if total is not None else None
    return Response(orjson.dumps(value), status, headers, media_type="application/json")


def no_content() -> Response:
    return Response(status_code=204)


def wanted_version(if_match: str | None) -> int | None:
    """The version of an If-Match header; None where there is none (or `*`)."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = VERSION.fullmatch(if_match.strip())
    if not found:
        raise BadRequest('If-Match holds an object\'s version, such as "3"')
    return int(found[1])


def disposition(name: str) -> str:
    plain = "".join(c if " " <= c < "\x7f" and c not in '"\\' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def file_answer(content: AsyncIterator[bytes], *, name: str, content_type: str, size: int | None = None) -> Response:
    headers = {**DOWNLOAD_HEADERS, "Content-Disposition": disposition(name)}
    if size is not None:
        headers["Content-Length"] = str(size)
    return StreamingResponse(content, media_type=content_type, headers=headers)
