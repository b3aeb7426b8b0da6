"""The v1 query route."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from hive.acting import Known
from hive.answers import answer
from hive.identity.caller import Caller
from hive.search.describe import OutputModel, described, names
from hive.search.downloads import Format, download
from hive.search.pipeline import Found, Plan, planned, projected, run
from waggle.errors import Forbidden

router = APIRouter(prefix="/api/v1", tags=["query"])
OPEN_TO_VISITORS = ("user", "organisation", "profile")


class InputQuery(BaseModel):
    """A pipeline: a source (`listAlert`), then steps, `filter`, `sort`, and a `page`, `count` or `aggregation` at the end."""

    model_config = ConfigDict(extra="forbid")

    query: Annotated[list[dict[str, Any]], Field(max_length=20)]
    include_fields: Annotated[list[str] | None, Field(alias="includeFields")] = None
    exclude_fields: Annotated[list[str] | None, Field(alias="excludeFields")] = None


def allowed(plan: Plan, caller: Caller) -> Plan:
    """Raises Forbidden."""
    if caller.visiting and plan.kind not in OPEN_TO_VISITORS:
        raise Forbidden("only members of an organisation read its cases and alerts")
    return plan


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
    plan = allowed(planned(given.query, caller, await acting.hive.catalogues.current()), caller)
    async with acting.read() as session:
        found: Found = await run(session, caller, plan)
    if not isinstance(found.value, list):
        return answer(found.value)
    return answer(projected(found.value, include=given.include_fields, exclude=given.exclude_fields), total=found.total)


@router.post(
    "/query/_export",
    responses={200: {"content": {"text/csv": {}, "application/json": {}}, "description": "every object of the list"}},
)
async def export(
    given: InputQuery,
    request: Request,
    acting: Known,
    format: Annotated[Format, Query(description="csv has a column per field, and one per custom field")] = "csv",
) -> Response:
    """The list of a query as a file. Without a page step it is the whole list, however long: the rows are streamed."""
    caller, catalogue = acting.caller, await acting.hive.catalogues.current()
    plan = allowed(planned(given.query, caller, catalogue), caller)
    return await download(
        acting, request.app.state.downloads, plan, catalogue, format, include=given.include_fields, exclude=given.exclude_fields
    )


@router.get("/describe/_all", response_model=dict[str, OutputModel])
async def describe_all(acting: Known) -> Response:
    """Every kind of object: what it can be searched by, with which operators and values."""
    catalogue = await acting.hive.catalogues.current()
    return answer({model: described(model, catalogue) for model in names()})


@router.get("/describe/{model}", response_model=OutputModel)
async def describe(model: str, acting: Known) -> Response:
    """One kind of object."""
    return answer(described(model, await acting.hive.catalogues.current()))
