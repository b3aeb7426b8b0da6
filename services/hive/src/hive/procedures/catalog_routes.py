"""The v1 routes of catalogues of techniques, and how they are filled (hive-v1 §2.16)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from hive.acting import IF_MATCH, Acting, Known, require
from hive.answers import answer, no_content
from hive.edits import plain_columns
from hive.identity.permissions import Permission
from hive.markings import Input, Text
from hive.procedures import catalogs
from hive.procedures.bundle import MAX_BUNDLE
from hive.procedures.catalog_schemas import OutputCatalog, catalog_out
from hive.procedures.schemas import pattern_out
from hive.procedures.service import find_pattern
from hive.web_bodies import parse_model, upload_schema
from waggle.errors import BadRequest
from waggle.web.fields import read_fields

router = APIRouter(prefix="/api/v1", tags=["procedure"])
MayPattern = Annotated[Acting, require(Permission.PATTERN)]
Reference = Annotated[str, Path(description="id or name")]
Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f]+$")]


class InputCatalog(Input):
    name: Name
    description: Text = ""
    variant: Name | None = None


class InputUpdateCatalog(Input):
    name: Name | None = None
    description: Text | None = None
    variant: Name | None = None


class InputImportAttack(Input):
    """A bundle by `url` or as the part `file`; with neither, the edition that comes with the product."""

    catalog: Name
    url: Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^https?://")] | None = None
    variant: Name | None = None


class FailedPattern(TypedDict):
    pattern: str
    error: str


class PatternsImported(TypedDict):
    imported: int
    errors: list[FailedPattern]


@router.post("/catalog", status_code=201, response_model=OutputCatalog)
async def create(given: InputCatalog, acting: MayPattern) -> Response:
    async with acting.begin() as session:
        made = await catalogs.create(
            session, acting.caller, name=given.name, description=given.description, variant=given.variant
        )
        return answer(catalog_out(made), 201)


@router.get("/catalog/{reference}", response_model=OutputCatalog)
async def get(reference: Reference, acting: Known) -> Response:
    async with acting.read() as session:
        return answer(catalog_out(await catalogs.find(session, reference)))


@router.patch("/catalog/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def update(reference: Reference, given: InputUpdateCatalog, acting: MayPattern) -> Response:
    columns = plain_columns(given.given(), merged=frozenset(), clearable=frozenset({"variant"}))
    async with acting.begin() as session:
        row = await acting.matched(session, await catalogs.find(session, reference, for_update=True), catalog_out)
        await catalogs.change(session, acting.caller, row, columns)
    return no_content()


@router.delete("/catalog/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def delete(reference: Reference, acting: MayPattern) -> Response:
    """The catalogue with its techniques, none of which is in use."""
    async with acting.begin() as session:
        row = await acting.matched(session, await catalogs.find(session, reference, for_update=True), catalog_out)
        await catalogs.remove(session, acting.caller, row)
    return no_content()


@router.delete("/pattern/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def delete_pattern(reference: Annotated[str, Path(description="id or T1059.006")], acting: MayPattern) -> Response:
    async with acting.begin() as session:
        row = await acting.matched(session, await find_pattern(session, reference), pattern_out)
        await catalogs.remove_pattern(session, acting.caller, row)
    return no_content()


@router.post(
    "/pattern/import/attack", status_code=201, response_model=PatternsImported, openapi_extra=upload_schema(InputImportAttack),
    responses={207: {"model": PatternsImported, "description": "some techniques could not be imported"}},
)  # fmt: skip
async def import_attack(request: Request, acting: MayPattern) -> Response:
    """Techniques of a MITRE ATT&CK bundle (STIX 2) into a catalogue: new ones are entered, known ones renewed."""
    async with read_fields(request, json_by_default=True) as fields:
        given = parse_model(InputImportAttack, fields.values)
        parts = fields.files.get("file", [])
        content = await parts[0].read(MAX_BUNDLE + 1) if parts else None
    if content is not None and len(content) > MAX_BUNDLE:
        raise BadRequest(f"a bundle has at most {MAX_BUNDLE >> 20} MiB")
    async with acting.read() as session:
        await catalogs.find(session, given.catalog)
    if content is None and given.url is not None:
        content = await catalogs.content_of(acting.hive, given.url)
    techniques = await catalogs.read(content)
    async with acting.begin() as session:
        catalog = await catalogs.find(session, given.catalog, for_update=True)
        if given.variant is not None:
            await catalogs.change(session, acting.caller, catalog, {"variant": given.variant})
        imported, errors = await catalogs.fill(session, acting.caller, catalog, techniques)
    shown: dict[str, Any] = {"imported": imported, "errors": errors}
    return answer(shown, 207 if errors else 201)
