"""Who may call classic routes, and how their bodies are described: any object, its keys are looked at one by one."""

from __future__ import annotations

from typing import Annotated, Any

from hive.acting import Acting, require

# The permission is checked inside: one classic route stands for several of them (PATCH may mark, change, add observables).
MayAlert = Annotated[Acting, require()]


def classic_body() -> dict[str, Any]:
    schema = {"type": "object", "additionalProperties": True}
    content = {"application/json": {"schema": schema}, "multipart/form-data": {"schema": schema}}
    return {"requestBody": {"required": False, "content": content}}
