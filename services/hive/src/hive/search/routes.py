"""The v1 query route."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from hive.acting import Known
from hive.answers import answer
from hive.search.pipeline import Found, planned, projected, run
from waggle.errors import Forbidden

router = APIRouter(prefix="/api/v1", tags=["query"])
OPEN_TO_VISITORS = ("user", "organisation", "profile")


class InputQuery(BaseModel):
    """A pipeline: a source (`listAlert`), then steps, `filter`, `sort`, and a `page`, `count` or `aggregation` at the end."""

    model_config = ConfigDict(extra="forbid")

    query: Annotated[list[dict[str, Any]], Field(max_length=20)]
    include_fields: Annotated[list[str] | None, Field(alias="includeFields")] = None
    exclude_fields: Annotated[list[str] | None, Field(alias="excludeFields")] = None


@router.post(
    "/query",
    responses={
        200: {
            "description": "a list of objects, a number for a count, or the results of an aggregation; X-Total is the number"
            " before paging, where asked for",
            "content": {
                "application/json": {
                    "schema": {"anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "integer"}, {"type": "object"}]}
                }
            },
        }
    },
)
async def query(
    given: InputQuery, acting: Known, name: Annotated[str | None, Query(description="a label for logs")] = None
) -> Response:
    caller = acting.caller
    plan = planned(given.query, caller, await acting.hive.catalogues.current())
    if caller.visiting and plan.kind not in OPEN_TO_VISITORS:
        raise Forbidden("only members of an organisation read its cases and alerts")
    async with acting.read() as session:
        found: Found = await run(session, caller, plan)
    if not isinstance(found.value, list):
        return answer(found.value)
    return answer(projected(found.value, include=given.include_fields, exclude=given.exclude_fields), total=found.total)
