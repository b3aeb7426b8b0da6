"""Classic routes of case templates (contracts hive-v0 §2.6)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from hive.acting import Acting, Member
from hive.answers import answer
from hive.catalogue import Catalogue
from hive.classic import fields, showing
from hive.classic.marks import MayAlert, classic_body
from hive.classic.outputs import template_out
from hive.classic.preparing import prepared
from hive.classic.reading import Body, reference
from hive.classic.search import searchable
from hive.classic.tasks import ORDER_LIMIT, TASK_STATUSES
from hive.identity.permissions import Permission
from hive.templates import service
from hive.templates.models import CaseTemplate
from waggle.web.fields import read_fields

TEXTS = (("displayName", "display_name", 128), ("titlePrefix", "title_prefix", 64), ("description", "description", 1_048_576),
         ("summary", "summary", 1_048_576))  # fmt: skip


def stored_tasks(body: Body) -> list[dict[str, Any]]:
    """Tasks as a template keeps them: only what was said."""
    return [_stored(Body(one)) for one in body.objects("tasks")]


def _stored(body: Body) -> dict[str, Any]:
    status = body.text("status")
    found = {
        "title": body.need("title", limit=128), "group": body.text("group", limit=64) or "default",
        "description": body.text("description"), "flag": body.flag("flag"),
        "order": body.number("order", low=-ORDER_LIMIT, high=ORDER_LIMIT), "assignee": body.text("owner", limit=128) or None,
        "status": status if status in TASK_STATUSES else None,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def stored_fields(given: dict[str, Any], catalogue: Catalogue) -> list[dict[str, Any]]:
    return [
        {"name": one.definition.name, "type": one.definition.type, "value": one.value, "order": one.order}
        for one in fields.values_of(given, catalogue)
    ]


def columns_of(body: Body, catalogue: Catalogue) -> dict[str, Any]:
    """The columns a body speaks of."""
    columns: dict[str, Any] = {column: body.text(name, limit=limit) for name, column, limit in TEXTS if body.has(name)}
    tlp, _ = body.tlp()
    plain = (
        ("name", "name", body.text("name", limit=128)), ("severity", "severity", body.severity()), ("tlp", "tlp", tlp),
        ("pap", "pap", body.pap()), ("flag", "flag", body.flag("flag")), ("tags", "tags", body.texts("tags")),
    )  # fmt: skip
    columns |= {column: value for name, column, value in plain if body.has(name) and value is not None}
    if body.has("tasks"):
        columns["tasks"] = stored_tasks(body)
    if body.mapping("customFields") is not None:
        columns["custom_fields"] = stored_fields(fields.named(body), catalogue)
    if columns.get("display_name", "") is None:
        del columns["display_name"]
    return columns


def routes(router: APIRouter) -> None:
    searchable(router, "/case/template", "caseTemplate", showing.templates)

    @router.post("/case/template", status_code=201, openapi_extra=classic_body())
    async def create(request: Request, acting: MayAlert) -> Response:
        body = await _body(request, acting)
        name = body.need("name", limit=128)
        catalogue = await prepared(acting, fields=fields.named(body))
        template = CaseTemplate(**{"tags": [], "tasks": [], "custom_fields": [], "flag": False, **columns_of(body, catalogue)})
        template.display_name = template.display_name or name
        async with acting.begin() as session:
            return answer(template_out(await service.create(session, acting.caller, template)), 201)

    @router.get("/case/template/{template_id}")
    async def get(template_id: str, acting: Member) -> Response:
        async with acting.read() as session:
            return answer(template_out(await service.find(session, reference(template_id))))

    @router.patch("/case/template/{template_id}", openapi_extra=classic_body())
    async def update(template_id: str, request: Request, acting: MayAlert) -> Response:
        body = await _body(request, acting)
        catalogue = await prepared(acting, fields=fields.named(body))
        async with acting.begin() as session:
            template = await service.find(session, reference(template_id))
            await service.change(session, acting.caller, template, columns_of(body, catalogue))
            return answer(template_out(template))

    @router.delete("/case/template/{template_id}")
    async def delete(template_id: str, acting: MayAlert) -> Response:
        acting.caller.check(Permission.CASE_TEMPLATE)
        async with acting.begin() as session:
            await service.remove(session, acting.caller, await service.find(session, reference(template_id)))
        return Response(status_code=200)


async def _body(request: Request, acting: Acting) -> Body:
    acting.caller.check(Permission.CASE_TEMPLATE)
    async with read_fields(request, json_by_default=True) as given:
        return Body(given.values)
