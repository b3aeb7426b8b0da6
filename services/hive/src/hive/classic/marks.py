"""Who may call classic routes, and how their bodies are described: any object, its keys are looked at one by one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends

from hive.acting import Acting, Require, require

# The permission is checked inside: one classic route stands for several of them (PATCH may mark, change, add observables).
MayAlert = Annotated[Acting, require()]
# The same where administrators act who are no members of the organisation.
Anybody = Annotated[Acting, Depends(Require(None, visitors=True))]


def classic_body() -> dict[str, Any]:
    schema = {"type": "object", "additionalProperties": True}
    content = {"application/json": {"schema": schema}, "multipart/form-data": {"schema": schema}}
    return {"requestBody": {"required": False, "content": content}}
