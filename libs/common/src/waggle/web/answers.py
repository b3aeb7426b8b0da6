"""A JSON answer encoded by orjson, for routes that return what they have built instead of a model."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response


class JsonResponse(Response):
    """`content` is any JSON value; pydantic models are dumped by alias before they come here.

    Half of a surrogate pair, which a message may repeat from what was asked, is shown as `?`: no UTF-8 text holds it.
    """

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        try:
            return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)
        except orjson.JSONEncodeError:
            return orjson.dumps(_whole(content), option=orjson.OPT_NON_STR_KEYS)


def _whole(content: Any) -> Any:
    if isinstance(content, str):
        return content.encode("utf-8", "replace").decode()
    if isinstance(content, dict):
        return {_whole(name): _whole(value) for name, value in content.items()}
    return [_whole(one) for one in content] if isinstance(content, list) else content
