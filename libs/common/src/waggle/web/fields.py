"""Reading a request the way old clients send it: JSON, form, multipart with a `_json` part, or the query string, interchangeably.

Rules of contracts/cortex.md §2.0: the query string overrides the body, a file part overrides the same key of `_json`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from waggle.errors import BadRequest

MAX_PART = 16 << 20
MAX_PARTS = 1000


@dataclass
class Fields:
    """`values` by name as they were sent; `files` by part name, spooled to disk."""

    values: dict[str, Any] = field(default_factory=dict)
    files: dict[str, list[UploadFile]] = field(default_factory=dict)


def parse_json(raw: bytes) -> Any:
    """The value of a JSON text. Raises BadRequest, also for texts nested too deep or not UTF-8."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not valid JSON: {error}") from None


def _json_object(raw: bytes) -> dict[str, Any]:
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise BadRequest("the body must be a JSON object")
    return value


async def _part_text(part: UploadFile | str) -> bytes:
    return part.encode("utf-8", "surrogateescape") if isinstance(part, str) else await part.read(MAX_PART)


async def _from_form(form: FormData, fields: Fields) -> None:
    json_part: dict[str, Any] = {}
    for name, part in form.multi_items():
        if name == "_json":
            json_part = _json_object(await _part_text(part))
        elif isinstance(part, UploadFile):
            fields.files.setdefault(name, []).append(part)
        elif name.startswith("_"):
            raise BadRequest(f"form field {name} is not allowed")
        else:
            _add(fields.values, name, part)
    fields.values = {**fields.values, **json_part}
    for name in fields.files:
        fields.values.pop(name, None)


def _add(values: dict[str, Any], name: str, value: str) -> None:
    if name in values:
        earlier = values[name]
        values[name] = [*earlier, value] if isinstance(earlier, list) else [earlier, value]
    else:
        values[name] = value


@asynccontextmanager
async def read_fields(request: Request, *, json_by_default: bool = False) -> AsyncIterator[Fields]:
    """The request's fields; its uploaded files live until the block ends.

    `json_by_default`: a body without a content type is read as JSON (classic clients send none).
    """
    fields = Fields()
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    form: FormData | None = None
    try:
        if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
            try:
                form = await request.form(max_files=MAX_PARTS, max_fields=MAX_PARTS, max_part_size=MAX_PART)
            except HTTPException as error:
                raise BadRequest(f"the form cannot be read: {error.detail}") from None
            await _from_form(form, fields)
        elif kind in ("application/json", "text/json") or (json_by_default and not kind):
            raw = await request.body()
            if raw.strip():
                fields.values = _json_object(raw)
        query: dict[str, Any] = {}
        for name, value in request.query_params.multi_items():
            _add(query, name, value)
        fields.values.update(query)
        yield fields
    finally:
        if form is not None:
            await form.close()
