"""The v1 routes of tags and taxonomies (contracts hive-v1 §2.16)."""

from __future__ import annotations

import io
import zipfile
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import ValidationError
from starlette.responses import Response

from hive.acting import IF_MATCH, Acting, Known, Member, require
from hive.answers import answer, no_content
from hive.identity.permissions import Permission
from hive.tags import service
from hive.tags.schemas import (
    FailedImport,
    InputTaxonomy,
    InputUpdateTag,
    OutputTag,
    OutputTaxonomy,
    TaxonomiesImported,
    tag_out,
    taxonomy_out,
)
from waggle.errors import BadRequest, InvalidFields, WaggleError
from waggle.web.fields import parse_json, read_fields

router = APIRouter(prefix="/api/v1", tags=["tag"])
MayTaxonomy = Annotated[Acting, require(Permission.TAXONOMY)]
Reference = Annotated[str, Path(description="id or namespace")]
MAX_ZIP = 32 << 20
MAX_FILE = 16 << 20
MAX_TOTAL = 64 << 20
MAX_FILES = 1000
FORM = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}
UPLOAD = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM}}}}


@router.get("/tag/{reference}", response_model=OutputTag)
async def get_tag(reference: str, acting: Member) -> Response:
    async with acting.read() as session:
        return answer(tag_out(await service.find(session, reference)))


@router.patch("/tag/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def update_tag(reference: str, given: InputUpdateTag, acting: Known) -> Response:
    """Colour and description. Free tags need manageTag, those of a taxonomy manageTaxonomy."""
    sent = given.given()
    if "colour" in sent and given.colour is None:
        raise InvalidFields.invalid("colour", "null is not a value here")
    async with acting.begin() as session:
        tag = await acting.matched(session, await service.find(session, reference, for_update=True), tag_out)
        await service.change(session, acting.caller, tag, {k: v for k, v in sent.items() if k != "predicate" or v is not None})
    return no_content()


@router.delete("/tag/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def delete_tag(reference: str, acting: Member) -> Response:
    async with acting.begin() as session:
        tag = await acting.matched(session, await service.find(session, reference, for_update=True), tag_out)
        await service.remove(session, acting.caller, tag)
    return no_content()


@router.post("/taxonomy", status_code=201, response_model=OutputTaxonomy)
async def create_taxonomy(given: InputTaxonomy, acting: MayTaxonomy) -> Response:
    """A taxonomy in the form of MISP's machinetag.json; it is offered once it is activated."""
    async with acting.begin() as session:
        row = await service.create_taxonomy(session, acting.caller, given)
        tags = await service.tags_of(session, [row])
        return answer(taxonomy_out(row, tags[row.id]), 201)


@router.post(
    "/taxonomy/import-zip", status_code=201, response_model=TaxonomiesImported, openapi_extra=UPLOAD,
    responses={207: {"model": TaxonomiesImported, "description": "some files could not be imported"}},
)  # fmt: skip
async def import_taxonomies(request: Request, acting: MayTaxonomy) -> Response:
    """Every machinetag.json of a zip, such as the archive of the public MISP taxonomies."""
    async with read_fields(request) as fields:
        parts = fields.files.get("file", [])
        if not parts:
            raise InvalidFields.missing("file")
        raw = await parts[0].read(MAX_ZIP + 1)
    if len(raw) > MAX_ZIP:
        raise BadRequest(f"the zip has more than {MAX_ZIP >> 20} MiB")
    imported, errors = 0, list[FailedImport]()
    for name, content in _members(raw):
        try:
            given = InputTaxonomy.model_validate(parse_json(content))
            async with acting.begin() as session:
                await service.create_taxonomy(session, acting.caller, given)
            imported += 1
        except ValidationError as error:
            errors.append({"file": name, "error": f"no taxonomy: {error.error_count()} fields are wrong", "status": 400})
        except WaggleError as error:
            errors.append({"file": name, "error": error.message, "status": error.status})
    return answer({"imported": imported, "errors": errors}, 207 if errors else 201)


def _members(raw: bytes) -> list[tuple[str, bytes]]:
    """The machinetag.json files of a zip, within limits of number and size. Raises BadRequest."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            found = [one for one in archive.infolist() if one.filename.rsplit("/", 1)[-1] == "machinetag.json"]
            sizes = [one.file_size for one in found]
            if len(found) > MAX_FILES or sum(sizes) > MAX_TOTAL or any(size > MAX_FILE for size in sizes):
                raise BadRequest(f"the zip holds more than {MAX_FILES} taxonomies or {MAX_TOTAL >> 20} MiB of them")
            members = []
            for one in found:
                with archive.open(one) as member:
                    members.append((one.filename, member.read(MAX_FILE)))
            return members
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise BadRequest(f"the file is no zip that can be read: {error}") from None


@router.get("/taxonomy/{reference}", response_model=OutputTaxonomy)
async def get_taxonomy(reference: Reference, acting: Known) -> Response:
    async with acting.read() as session:
        row = await service.find_taxonomy(session, reference)
        return answer(taxonomy_out(row, (await service.tags_of(session, [row]))[row.id]))


@router.put("/taxonomy/{reference}/activate", status_code=204)
async def activate(reference: Reference, acting: MayTaxonomy) -> Response:
    return await _enable(acting, reference, enabled=True)


@router.put("/taxonomy/{reference}/deactivate", status_code=204)
async def deactivate(reference: Reference, acting: MayTaxonomy) -> Response:
    return await _enable(acting, reference, enabled=False)


async def _enable(acting: Acting, reference: str, *, enabled: bool) -> Response:
    async with acting.begin() as session:
        row = await service.find_taxonomy(session, reference, for_update=True)
        await service.enable(session, acting.caller, row, enabled=enabled)
    return no_content()


@router.delete("/taxonomy/{reference}", status_code=204)
async def delete_taxonomy(reference: Reference, acting: MayTaxonomy) -> Response:
    async with acting.begin() as session:
        await service.remove_taxonomy(session, acting.caller, await service.find_taxonomy(session, reference, for_update=True))
    return no_content()
