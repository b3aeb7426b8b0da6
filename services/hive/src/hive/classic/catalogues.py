"""Classic routes of custom fields, observable types and the legacy lists (contracts hive-v0 §2.5, §2.7, §2.8)."""

from __future__ import annotations

import hashlib
from typing import Any, cast

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response

from hive.acting import Acting, Known
from hive.answers import answer, no_content
from hive.classic import showing
from hive.classic.marks import Anybody, classic_body
from hive.classic.outputs import customfield_out, type_out
from hive.classic.preparing import spelled
from hive.classic.reading import Body, one_of, reference
from hive.classic.search import searchable
from hive.customfields import definitions
from hive.customfields.models import CustomField
from hive.identity.permissions import Permission
from hive.observabletypes import service as observabletypes
from hive.observabletypes.models import ObservableType
from waggle.errors import InvalidFields, NotFound, WaggleError
from waggle.web.fields import read_fields

LISTS = ("list_artifactDataType", "case_metrics", "ui_settings")
TYPES = ("string", "integer", "float", "boolean", "date", "url", "number")
MAX_OPTIONS = 10_000


class Locked(WaggleError):
    """The legacy lists are read-only, apart from custom fields."""

    status = 423
    type = "LockedError"


def options_of(body: Body) -> list[Any]:
    options = body.values.get("options")
    if options is None:
        return []
    if not isinstance(options, list) or len(options) > MAX_OPTIONS or any(isinstance(o, dict | list) for o in options):
        raise InvalidFields.invalid("options", "a list of values is needed")
    return options


def type_of(body: Body) -> str | None:
    """The type; TheHive 3's `number` is what both integers and floats fit in."""
    kind = one_of(body, "type", TYPES)
    return "float" if kind == "number" else kind


async def defined(acting: Acting, body: Body) -> CustomField:
    acting.caller.check(Permission.CUSTOM_FIELD)
    name = body.need("reference", limit=64) if body.has("reference") else body.need("name", limit=64)
    kind = type_of(body)
    if kind is None:
        raise InvalidFields.missing("type")
    async with acting.begin() as session:
        row = await definitions.define(
            session, acting.caller, name=name, display_name=body.text("name", limit=64), type=kind,
            description=body.text("description", limit=65_536) or "", options=options_of(body),
            mandatory=body.flag("mandatory") or False,
        )  # fmt: skip
    acting.hive.catalogues.forget()
    return row


def routes(router: APIRouter) -> None:
    _customfields(router)
    _types(router)
    _lists(router)


def _customfields(router: APIRouter) -> None:
    searchable(router, "/customFields", "customField", showing.custom_fields, visitors=True)

    @router.get("/customField")
    async def list_all(acting: Known) -> Response:
        async with acting.read() as session:
            return answer([customfield_out(row) for row in await session.scalars(select(CustomField).order_by(CustomField.id))])

    @router.post("/customField", status_code=201, openapi_extra=classic_body())
    async def create(request: Request, acting: Anybody) -> Response:
        async with read_fields(request, json_by_default=True) as fields:
            return answer(customfield_out(await defined(acting, Body(fields.values))), 201)

    @router.get("/customField/{field}")
    async def get(field: str, acting: Known) -> Response:
        async with acting.read() as session:
            return answer(customfield_out(await definitions.find(session, reference(field))))

    @router.patch("/customField/{field}", openapi_extra=classic_body())
    async def update(field: str, request: Request, acting: Anybody) -> Response:
        acting.caller.check(Permission.CUSTOM_FIELD)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        given = {
            "display_name": body.text("name", limit=64) or body.text("displayName", limit=64), "type": type_of(body),
            "description": body.text("description", limit=65_536), "mandatory": body.flag("mandatory"),
            "options": options_of(body) if body.has("options") else None,
        }  # fmt: skip
        async with acting.begin() as session:
            row = await definitions.find(session, reference(field), for_update=True)
            await definitions.redefine(session, acting.caller, row, {k: v for k, v in given.items() if v is not None})
            shown = customfield_out(row)
        acting.hive.catalogues.forget()
        return answer(shown)

    @router.delete("/customField/{field}", status_code=204)
    async def delete(field: str, acting: Anybody, force: bool = False) -> Response:
        acting.caller.check(Permission.CUSTOM_FIELD)
        async with acting.begin() as session:
            row = await definitions.find(session, reference(field), for_update=True)
            await definitions.remove(session, acting.caller, row, force=force)
        acting.hive.catalogues.forget()
        return no_content()

    @router.get("/customFields/{field}/use")
    async def use(field: str, acting: Known) -> Response:
        async with acting.read() as session:
            used = await definitions.usage(session, await definitions.find(session, reference(field)))
        return answer({"case": used.cases, "alert": used.alerts, "caseTemplate": used.templates, "total": used.total})


def _types(router: APIRouter) -> None:
    searchable(router, "/observable/type", "observableType", showing.observable_types, visitors=True)

    @router.post("/observable/type", status_code=201, openapi_extra=classic_body())
    async def create(request: Request, acting: Anybody) -> Response:
        acting.caller.check(Permission.OBSERVABLE_TEMPLATE)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        async with acting.begin() as session:
            row = await observabletypes.create(
                session, acting.caller, name=_name(body), is_attachment=body.flag("isAttachment") or False
            )
        acting.hive.catalogues.forget()
        return answer(type_out(row), 201)

    @router.get("/observable/type/{name}")
    async def get(name: str, acting: Known) -> Response:
        async with acting.read() as session:
            return answer(type_out(await observabletypes.find(session, spelled(reference(name)))))

    @router.delete("/observable/type/{name}", status_code=204)
    async def delete(name: str, acting: Anybody) -> Response:
        acting.caller.check(Permission.OBSERVABLE_TEMPLATE)
        async with acting.begin() as session:
            row = await observabletypes.find(session, spelled(reference(name)), for_update=True)
            await observabletypes.remove(session, acting.caller, row)
        acting.hive.catalogues.forget()
        return no_content()


def _name(body: Body) -> str:
    name = body.need("name", limit=64)
    if not name or not name.isprintable():
        raise InvalidFields.invalid("name", "1 to 64 printable characters are needed")
    return name


def _lists(router: APIRouter) -> None:
    @router.get("/list")
    async def names(acting: Known) -> Response:
        return answer(LISTS)

    @router.get("/list/{name}")
    async def content(name: str, acting: Known) -> Response:
        """Old clients read the types (by the MD5 of their names) and the custom fields here; other lists are empty."""
        found: dict[str, Any] = {}
        async with acting.read() as session:
            if name == "list_artifactDataType":
                for one in await session.scalars(select(ObservableType.name).order_by(ObservableType.id)):
                    found[hashlib.md5(one.encode(), usedforsecurity=False).hexdigest()] = one
            elif name == "custom_fields":
                for row in await session.scalars(select(CustomField).order_by(CustomField.id)):
                    shown = customfield_out(row)
                    found[cast(str, shown["id"])] = shown
        return answer(found)

    @router.post("/list/custom_fields/_exists", openapi_extra=classic_body())
    async def exists(request: Request, acting: Known) -> Response:
        """As TheHive 3 answers; TheHive 4's empty reply breaks the clients that ask."""
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        value = body.need("value", limit=128)
        async with acting.read() as session:
            try:
                await definitions.find(session, reference(value))
            except NotFound:
                return answer({"found": False})
        return answer({"found": True})

    @router.post("/list/custom_fields", openapi_extra=classic_body())
    async def create(request: Request, acting: Anybody) -> Response:
        """A custom field the way of TheHive 3: `{"value": {…}}`; answers its id."""
        async with read_fields(request, json_by_default=True) as fields:
            value = Body(fields.values).mapping("value")
        if value is None:
            raise InvalidFields.missing("value")
        return answer(customfield_out(await defined(acting, Body(value)))["id"])

    @router.post("/list/{name}", openapi_extra=classic_body())
    @router.patch("/list/{name}", openapi_extra=classic_body())
    @router.delete("/list/{name}")
    async def refuse(name: str, acting: Anybody) -> Response:
        acting.caller.check(Permission.OBSERVABLE_TEMPLATE)
        raise Locked(f"the list {name[:64]} cannot be changed here")
