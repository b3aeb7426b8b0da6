"""TheHive 3's search over all kinds of objects (contracts hive-v0 §2): `_type` in the query chooses."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from hive.acting import Acting, Member
from hive.answers import answer
from hive.classic.marks import classic_body
from hive.classic.pipeline import SHOWS
from hive.classic.search import parsed_query, search, wanted, wanted_page
from waggle.errors import BadRequest
from waggle.query import HIVE_V0, parse_filter
from waggle.web.fields import Fields, read_fields
from waggle.web.paging import Page

# What people write; catalogues and history have searches of their own.
KINDS = (
    "case", "alert", "case_task", "case_task_log", "case_artifact", "case_artifact_job", "action", "caseTemplate", "dashboard",
    "page",
)  # fmt: skip


def routes(router: APIRouter) -> None:
    @router.post("/_search", openapi_extra=classic_body())
    async def search_all(request: Request, acting: Member) -> Response:
        async with read_fields(request, json_by_default=True) as fields:
            shown, total = await found(acting, request, fields)
        return answer(shown, total=total)


async def found(acting: Acting, request: Request, fields: Fields) -> tuple[list[dict[str, Any]], int]:
    """One page, kind by kind, and the number of all that match.

    A kind without a property that is asked for has nothing that fits; where no kind has them, BadRequest is raised.
    """
    parse_filter(parsed_query(fields.values.get("query")), HIVE_V0)
    page = wanted_page(fields)
    skip, left, total = page.offset, page.limit, 0
    shown: list[dict[str, Any]] = []
    refused: list[BadRequest] = []
    async with acting.read() as session:
        for kind in KINDS:
            try:
                rows, matching = await search(session, acting, kind, request, fields, within=Page(skip, left))
            except BadRequest as unfit:
                refused.append(unfit)
                continue
            shown += await SHOWS[kind](session, acting, rows, wanted(fields))
            skip, total = max(0, skip - matching), total + matching
            left = None if left is None else left - len(rows)
    if len(refused) == len(KINDS):
        raise refused[0]
    return shown, total
