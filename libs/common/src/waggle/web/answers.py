"""A JSON answer encoded by orjson, for routes that return what they have built instead of a model."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response


class JsonResponse(Response):
    """`content` is any JSON value; pydantic models are dumped by alias before they come here."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)
