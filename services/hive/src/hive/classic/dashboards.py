"""Classic routes of dashboards and of the organisation's pages (contracts hive-v0 §2.12)."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from hive.acting import Member
from hive.answers import answer, no_content
from hive.classic import showing
from hive.classic.marks import MayAlert, classic_body
from hive.classic.outputs import dashboard_out, page_out
from hive.classic.reading import Body, one_of, reference
from hive.classic.search import searchable
from hive.classic.tasks import ORDER_LIMIT
from hive.dashboards import service
from hive.identity.permissions import Permission
from hive.pages import service as pages
from hive.pages.service import PageDraft
from waggle.errors import InvalidFields
from waggle.web.fields import parse_json, read_fields

STATUSES = ("Private", "Shared")
CATEGORY = "default"


def definition_of(body: Body) -> str | None:
    """JSON text, as TheHive 4's pages send it, or the object itself."""
    given = body.values.get("definition")
    if given is None:
        return None
    text = orjson.dumps(given).decode() if isinstance(given, dict) else body.text("definition") or ""
    if not isinstance(parse_json(text.encode("utf-8", "replace")), dict):
        raise InvalidFields.invalid("definition", "the JSON text of an object is needed")
    return text


def routes(router: APIRouter) -> None:
    searchable(router, "/dashboard", "dashboard", showing.dashboards)
    searchable(router, "/page", "page", showing.pages)
    _dashboards(router)
    _pages(router)


def _dashboards(router: APIRouter) -> None:
    @router.post("/dashboard", status_code=201, openapi_extra=classic_body())
    async def create(request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.DASHBOARD)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        title, description = body.need("title", limit=512), body.need("description", limit=65_536)
        definition = definition_of(body)
        if definition is None:
            raise InvalidFields.missing("definition")
        async with acting.begin() as session:
            row = await service.create(
                session, acting.caller, title=title, description=description, definition=definition,
                shared=one_of(body, "status", STATUSES) == "Shared",
            )  # fmt: skip
            return answer(dashboard_out(row, acting.caller), 201)

    @router.get("/dashboard/{dashboard_id}")
    async def get(dashboard_id: str, acting: Member) -> Response:
        async with acting.read() as session:
            return answer(dashboard_out(await service.find(session, reference(dashboard_id)), acting.caller))

    @router.patch("/dashboard/{dashboard_id}", openapi_extra=classic_body())
    async def update(dashboard_id: str, request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.DASHBOARD)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        given: dict[str, Any] = {
            "title": body.text("title", limit=512), "description": body.text("description", limit=65_536),
            "definition": definition_of(body),
        }  # fmt: skip
        if (status := one_of(body, "status", STATUSES)) is not None:
            given["shared"] = status == "Shared"
        async with acting.begin() as session:
            row = await service.find(session, reference(dashboard_id), for_update=True)
            await service.change(session, acting.caller, row, {k: v for k, v in given.items() if v is not None})
            return answer(dashboard_out(row, acting.caller))

    @router.delete("/dashboard/{dashboard_id}", status_code=204)
    async def delete(dashboard_id: str, acting: MayAlert) -> Response:
        acting.caller.check(Permission.DASHBOARD)
        async with acting.begin() as session:
            await service.remove(session, acting.caller, await service.find(session, reference(dashboard_id), for_update=True))
        return no_content()


def _pages(router: APIRouter) -> None:
    @router.post("/page", status_code=201, openapi_extra=classic_body())
    async def create(request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.PAGE_TEMPLATE)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        draft = PageDraft(
            body.need("title", limit=512), body.need("content"), body.text("category", limit=128) or CATEGORY,
            body.number("order", low=-ORDER_LIMIT, high=ORDER_LIMIT) or 0,
        )  # fmt: skip
        async with acting.begin() as session:
            return answer(page_out(await pages.create_template(session, acting.caller, draft)), 201)

    @router.get("/page/{page_id}")
    async def get(page_id: str, acting: Member) -> Response:
        """By id or title."""
        async with acting.read() as session:
            return answer(page_out(await pages.find_template(session, reference(page_id), by_title=True)))

    @router.patch("/page/{page_id}", openapi_extra=classic_body())
    async def update(page_id: str, request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.PAGE_TEMPLATE)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        given: dict[str, Any] = {
            "title": body.text("title", limit=512), "content": body.text("content"),
            "category": body.text("category", limit=128), "ord": body.number("order", low=-ORDER_LIMIT, high=ORDER_LIMIT),
        }  # fmt: skip
        async with acting.begin() as session:
            row = await pages.find_template(session, reference(page_id), for_update=True, by_title=True)
            await pages.change_template(session, acting.caller, row, {k: v for k, v in given.items() if v is not None})
            return answer(page_out(row))

    @router.delete("/page/{page_id}", status_code=204)
    async def delete(page_id: str, acting: MayAlert) -> Response:
        acting.caller.check(Permission.PAGE_TEMPLATE)
        async with acting.begin() as session:
            row = await pages.find_template(session, reference(page_id), for_update=True, by_title=True)
            await pages.remove_template(session, acting.caller, row)
        return no_content()
