"""The v1 routes of organisations: their details, links, avatars and files of their own."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from sqlalchemy import select
from starlette.responses import Response

from hive.acting import IF_MATCH, Acting, Known, require
from hive.answers import DOWNLOAD_HEADERS, answer, no_content
from hive.attachments import service as attachments
from hive.attachments.models import Attachment
from hive.attachments.schemas import OutputAttachments, attachment_out
from hive.audit.service import Root, record
from hive.edits import plain_columns
from hive.identity import service
from hive.identity.permissions import Permission
from hive.identity.schemas import InputOrganisation, InputUpdateOrganisation, OutputOrganisation, organisation_out
from hive.observables.uploads import stored_parts
from hive.sharing import organisations
from hive.sharing.avatars import stored_avatar
from hive.sharing.schemas import InputLink, InputLinks, OutputLink, link_out
from hive.web_bodies import can_rename, files_schema
from waggle.errors import NotFound
from waggle.web.fields import read_fields

router = APIRouter(prefix="/api/v1", tags=["organisation"])
Reference = Annotated[str, Path(description="id or name")]
MayOrganise = Annotated[Acting, require(Permission.ORGANISATION)]
MayConfigure = Annotated[Acting, require(Permission.CONFIG)]
IMAGE: dict[int | str, dict[str, Any]] = {200: {"description": "the picture", "content": {"image/png": {}, "image/jpeg": {}}}}


@router.post("/organisation", status_code=201, response_model=OutputOrganisation)
async def create(given: InputOrganisation, acting: MayOrganise) -> Response:
    async with acting.begin() as session:
        row = await service.create_organisation(session, acting.caller, **given.model_dump())
        return answer(organisation_out(row), 201)


@router.get("/organisation/{reference}", response_model=OutputOrganisation)
async def get(reference: Reference, acting: Known) -> Response:
    """One's own organisation, one linked with it, or any for an administrator of the platform."""
    async with acting.read() as session:
        return answer(organisation_out(await organisations.visible(session, reference)))


@router.patch("/organisation/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def update(reference: Reference, given: InputUpdateOrganisation, acting: MayOrganise) -> Response:
    columns = plain_columns(given.given(), merged=frozenset({"avatar"}), clearable=frozenset())
    if "avatar" in given.given():
        columns |= await stored_avatar(acting.hive, given.avatar)
    async with acting.begin() as session:
        row = await acting.matched(session, await service.organisation(session, reference), organisation_out)
        await organisations.change(session, acting.caller, row, columns)
    return no_content()


@router.get("/organisation/{reference}/avatar/{sha256}", responses=IMAGE)
async def avatar(reference: Reference, sha256: str, acting: Known) -> Response:
    async with acting.read() as session:
        row = await organisations.visible(session, reference)
    if row.avatar_sha256 is None or row.avatar_sha256.hex() != sha256:
        raise NotFound("there is no such picture")
    content = b"".join([chunk async for chunk in acting.hive.blobs.open(sha256)])
    return Response(content, media_type=row.avatar_type, headers=DOWNLOAD_HEADERS)


@router.get("/organisation/{reference}/links", response_model=list[OutputLink])
async def list_links(reference: Reference, acting: Known) -> Response:
    async with acting.read() as session:
        row = await organisations.visible(session, reference)
        return answer([link_out(one) for one in await organisations.links(session, row)])


@router.put("/organisation/{reference}/links", status_code=201)
async def set_links(reference: Reference, given: InputLinks, acting: MayOrganise) -> Response:
    """These links and no others."""
    async with acting.begin() as session:
        row = await service.organisation(session, reference)
        wanted = [
            (await service.organisation(session, one.to_organisation), one.link_type, one.other_link_type) for one in given.links
        ]
        await organisations.set_links(session, acting.caller, row, wanted)
    return Response(status_code=201)


@router.put("/organisation/{reference}/link/{other}", status_code=201)
async def link(reference: Reference, other: Reference, acting: MayOrganise, given: InputLink | None = None) -> Response:
    given = given or InputLink()
    async with acting.begin() as session:
        await organisations.link(
            session, acting.caller, await service.organisation(session, reference), await service.organisation(session, other),
            link_type=given.link_type, other_link_type=given.other_link_type,
        )  # fmt: skip
    return Response(status_code=201)


@router.delete("/organisation/{reference}/link/{other}", status_code=204)
async def unlink(reference: Reference, other: Reference, acting: MayOrganise) -> Response:
    """What is shared already stays shared."""
    async with acting.begin() as session:
        one, two = await service.organisation(session, reference), await service.organisation(session, other)
        await organisations.unlink(session, acting.caller, one, two)
    return no_content()


@router.post("/attachment", status_code=201, response_model=OutputAttachments, openapi_extra=files_schema())
async def add_attachments(request: Request, acting: MayConfigure) -> Response:
    """Files of the organisation itself."""
    async with read_fields(request) as fields:
        rename = can_rename(fields.values, default=False)
        files = await stored_parts(acting, fields.files.get("attachments", []))
    caller = acting.caller
    async with acting.begin() as session:
        own = select(Attachment.name).where(
            Attachment.org_id == caller.org_id, Attachment.alert_id.is_(None), Attachment.case_id.is_(None)
        )
        files = attachments.named(files, list(await session.scalars(own)), can_rename=rename)
        added = await attachments.add(session, caller, files, org_id=caller.org_id)
        details = {"attachments": [one.name for one in added]}
        root = Root("organisation", caller.org_id)
        await record(session, caller, action="update", kind="organisation", object_id=caller.org_id, root=root, details=details)
        return answer({"attachments": [attachment_out(one) for one in added]}, 201)


@router.delete("/attachment/{reference}", status_code=204)
async def delete_attachment(reference: str, acting: MayConfigure) -> Response:
    caller = acting.caller
    async with acting.begin() as session:
        file = await attachments.find(session, reference)
        root = Root("organisation", caller.org_id)
        await attachments.remove(session, caller, file, kind="organisation", object_id=caller.org_id, root=root)
    return no_content()
