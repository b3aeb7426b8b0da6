"""Classic routes of organisations, their links, profiles, permissions and tags (contracts hive-v0 §2.12)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from hive.acting import Known, Member
from hive.answers import answer, no_content
from hive.classic import showing
from hive.classic.marks import Anybody, classic_body
from hive.classic.outputs import organisation_out, profile_out, tag_out
from hive.classic.reading import Body, one_of, reference
from hive.classic.search import searchable
from hive.identity import profiles, service
from hive.identity.permissions import Permission
from hive.sharing import organisations
from hive.sharing.profiles import SHARING_PROFILES
from hive.tags import service as tags
from waggle.errors import InvalidFields
from waggle.web.fields import read_fields

MAX_LINKS = 1000
KINDS = ("Organisation", "Admin", "External")


def routes(router: APIRouter) -> None:
    searchable(router, "/organisation", "organisation", showing.organisations, visitors=True)
    searchable(router, "/profile", "profile", showing.profiles, visitors=True)
    searchable(router, "/tag", "tag", showing.tags)
    _organisations(router)
    _links(router)
    _profiles(router)

    @router.get("/permission")
    async def permissions(acting: Known) -> Response:
        return answer([{"name": str(one), "label": str(one)} for one in Permission])

    @router.get("/tag/{tag_id}")
    async def get_tag(tag_id: str, acting: Member) -> Response:
        async with acting.read() as session:
            return answer(tag_out(await tags.find(session, reference(tag_id))))


def _named(body: Body) -> str:
    name = body.need("name", limit=64)
    if not name.strip():
        raise InvalidFields.invalid("name", "a name is needed")
    return name


def _organisations(router: APIRouter) -> None:
    @router.post("/organisation", status_code=201, openapi_extra=classic_body())
    async def create(request: Request, acting: Anybody) -> Response:
        acting.caller.check(Permission.ORGANISATION)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        name, description = _named(body), body.need("description", limit=65_536)
        async with acting.begin() as session:
            row = await service.create_organisation(session, acting.caller, name=name, description=description)
            return answer(organisation_out(row), 201)

    @router.get("/organisation/{name}")
    async def get(name: str, acting: Known) -> Response:
        """One's own organisation, one linked with it, or any for the administration."""
        async with acting.read() as session:
            return answer(organisation_out(await organisations.visible(session, reference(name))))

    @router.patch("/organisation/{name}", openapi_extra=classic_body())
    async def update(name: str, request: Request, acting: Anybody) -> Response:
        acting.caller.check(Permission.ORGANISATION)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        columns: dict[str, Any] = {"description": body.text("description", limit=65_536)}
        if body.values.get("name") is not None:
            columns["name"] = _named(body)
        async with acting.begin() as session:
            row = await service.organisation(session, reference(name))
            await organisations.change(session, acting.caller, row, {k: v for k, v in columns.items() if v is not None})
            return answer(organisation_out(row))


def _links(router: APIRouter) -> None:
    @router.get("/organisation/{name}/links")
    async def links(name: str, acting: Known) -> Response:
        async with acting.read() as session:
            row = await organisations.visible(session, reference(name))
            return answer([organisation_out(one.organisation) for one in await organisations.links(session, row)])

    @router.put("/organisation/{name}/links", status_code=201, openapi_extra=classic_body())
    async def set_links(name: str, request: Request, acting: Anybody) -> Response:
        """`{"organisations": [name]}`: links with these and no others. What a kept link shares by itself stays as it is."""
        acting.caller.check(Permission.ORGANISATION)
        async with read_fields(request, json_by_default=True) as fields:
            wanted = Body(fields.values).ids("organisations")[:MAX_LINKS]
        async with acting.begin() as session:
            row = await service.organisation(session, reference(name))
            known = {one.organisation.id: one for one in await organisations.links(session, row)}
            others = [await service.organisation(session, reference(one)) for one in wanted]
            kinds = [(known[o.id].link_type, known[o.id].other_link_type) if o.id in known else _PLAIN for o in others]
            await organisations.set_links(
                session, acting.caller, row, [(o, *kind) for o, kind in zip(others, kinds, strict=True)]
            )
        return Response(status_code=201)

    @router.put("/organisation/{name}/link/{other}", status_code=201, openapi_extra=classic_body())
    async def link(name: str, other: str, request: Request, acting: Anybody) -> Response:
        acting.caller.check(Permission.ORGANISATION)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        kinds = tuple(SHARING_PROFILES)
        async with acting.begin() as session:
            await organisations.link(
                session, acting.caller, await service.organisation(session, reference(name)),
                await service.organisation(session, reference(other)),
                link_type=one_of(body, "linkType", kinds) or "default",
                other_link_type=one_of(body, "otherLinkType", kinds) or "default",
            )  # fmt: skip
        return Response(status_code=201)

    @router.delete("/organisation/{name}/link/{other}", status_code=204)
    async def unlink(name: str, other: str, acting: Anybody) -> Response:
        """What is shared already stays shared."""
        acting.caller.check(Permission.ORGANISATION)
        async with acting.begin() as session:
            one = await service.organisation(session, reference(name))
            await organisations.unlink(session, acting.caller, one, await service.organisation(session, reference(other)))
        return no_content()


_PLAIN = ("default", "default")


def _profiles(router: APIRouter) -> None:
    @router.post("/profile", status_code=201, openapi_extra=classic_body())
    async def create(request: Request, acting: Anybody) -> Response:
        acting.caller.check(Permission.PROFILE)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        name, kind = _named(body), one_of(body, "type", KINDS) or "Organisation"
        permissions = profiles.permitted(body.texts("permissions") or [], kind)
        async with acting.begin() as session:
            row = await profiles.create(session, acting.caller, name=name, kind=kind, permissions=permissions)
            return answer(profile_out(row), 201)

    @router.get("/profile/{name}")
    async def get(name: str, acting: Known) -> Response:
        async with acting.read() as session:
            return answer(profile_out(await service.profile(session, reference(name))))

    @router.patch("/profile/{name}", openapi_extra=classic_body())
    async def update(name: str, request: Request, acting: Anybody) -> Response:
        acting.caller.check(Permission.PROFILE)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        wanted = _named(body) if body.values.get("name") is not None else None
        names = body.texts("permissions")
        async with acting.begin() as session:
            row = await service.profile(session, reference(name))
            permissions = None if names is None else profiles.permitted(names, row.kind)
            await service.change_profile(session, acting.caller, row, name=wanted, permissions=permissions)
            return answer(profile_out(row))

    @router.delete("/profile/{name}", status_code=204)
    async def delete(name: str, acting: Anybody) -> Response:
        acting.caller.check(Permission.PROFILE)
        async with acting.begin() as session:
            await service.remove_profile(session, acting.caller, await service.profile(session, reference(name)))
        return no_content()
