"""Observables out as text or STIX, in from text or STIX, and what a pasted text holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response, StreamingResponse
from typing_extensions import TypedDict

from hive.acting import Acting, Member, require
from hive.answers import DOWNLOAD_HEADERS, answer, disposition
from hive.freetext import parse
from hive.identity.permissions import Permission
from hive.markings import Input, PapNumber, Tags, TlpNumber, pap_of, tlp_of
from hive.observables import reading, service
from hive.observables.export import MEDIA_TYPES, Format, Selection, file_name, selected, stix_id_of, written
from hive.observables.reading import MAX_TEXT, Source
from hive.observables.routes import SOME_REFUSED, parent_of, refusal
from hive.observables.schemas import OutputObservable, observable_out
from hive.tables import number_of
from hive.web_bodies import parse_model, upload_schema
from waggle.errors import InvalidFields
from waggle.web.fields import read_fields

router = APIRouter(prefix="/api/v1", tags=["observable"])
MayObserve = Annotated[Acting, require(Permission.OBSERVABLE)]
Protect = Annotated[bool, Query(description="defanged: nothing opens by accident (not in STIX, which is for machines)")]
OnlyIocs = Annotated[bool, Query(description="only confirmed indicators")]
Types = Annotated[list[str] | None, Query(alias="dataType", max_length=64, description="only these types")]
Ids = Annotated[list[str] | None, Query(alias="id", max_length=1000, description="only these observables")]
EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/csv": {}, "text/plain": {}, "application/stix+json": {}},
        "description": "one line per observable, or a STIX 2.1 bundle",
    }
}


class InputText(Input):
    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


class InputImport(Input):
    """`text`, or a file in the part `attachment`. The rest is given to every observable; a TLP only where the source has none."""

    format: Source = "freetext"
    text: Annotated[str, Field(max_length=MAX_TEXT)] | None = None
    tlp: TlpNumber | None = None
    pap: PapNumber = 2
    ioc: bool = False
    tags: Tags = Field(default_factory=list)


class FoundValue(TypedDict):
    dataType: str
    data: str
    tags: list[str]
    position: int


async def export_answer(
    acting: Acting, kind: str, reference: str, format: Format, *, protected: bool, chosen: Selection
) -> Response:
    """The download behind the export routes of both APIs, written as it is read."""
    async with acting.read() as session:
        parent = await parent_of(session, kind, reference)
        stix_id = await stix_id_of(session, parent)

    async def content() -> AsyncIterator[bytes]:
        async with acting.read() as session:
            batches = selected(session, parent, chosen)
            async for chunk in written(batches, format, protect=protected, stix_id=stix_id):
                yield chunk

    name = disposition(file_name(parent, reference.removeprefix("~"), format))
    return StreamingResponse(
        content(), headers={**DOWNLOAD_HEADERS, "Content-Disposition": name, "Content-Type": MEDIA_TYPES[format]}
    )


def _selection(types: list[str] | None, ids: list[str] | None, only_iocs: bool) -> Selection:
    numbers = [number for one in ids or [] if (number := number_of(one)) is not None]
    if ids and not numbers:
        raise InvalidFields.invalid("id", "an id is ~ and a number")
    return Selection(types or [], numbers, only_iocs)


@router.get("/case/{reference}/observable/_export", responses=EXPORTED)
async def export_case(
    reference: str, acting: Member, format: Format = "csv", protect: Protect = True, ioc: OnlyIocs = False,
    types: Types = None, ids: Ids = None,
) -> Response:  # fmt: skip
    """The case's observables; `ioc=true` leaves out what is not a confirmed indicator."""
    return await export_answer(acting, "case", reference, format, protected=protect, chosen=_selection(types, ids, ioc))


@router.get("/alert/{reference}/observable/_export", responses=EXPORTED)
async def export_alert(
    reference: str, acting: Member, format: Format = "csv", protect: Protect = True, ioc: OnlyIocs = False,
    types: Types = None, ids: Ids = None,
) -> Response:  # fmt: skip
    """The alert's observables, in the same forms."""
    return await export_answer(acting, "alert", reference, format, protected=protect, chosen=_selection(types, ids, ioc))


@router.post("/freetext", response_model=list[FoundValue])
async def look(given: InputText, acting: Member) -> Response:
    """The observables in a text, typed, refanged, each once; nothing is stored."""
    found = [{"dataType": one.data_type, "data": one.data, "tags": list(one.tags), "position": one.position}
             for one in parse(given.text)]  # fmt: skip
    return answer(found)


async def _imported(request: Request, acting: Acting, kind: str, reference: str) -> Response:
    async with read_fields(request, json_by_default=True) as fields:
        given = parse_model(InputImport, fields.values)
        parts = fields.files.get("attachment", [])
        text = given.text
        if parts:
            text = (await parts[0].read(4 * MAX_TEXT)).decode("utf-8", "replace")
    if text is None:
        raise InvalidFields.missing("text")
    found = reading.read(text.replace("\0", " "), given.format)
    catalogue = await acting.hive.catalogues.current()
    tlp = tlp_of(given.tlp) if given.tlp is not None else None
    drafts, unfit = reading.drafts_of(found, catalogue, tlp=tlp, pap=pap_of(given.pap), ioc=given.ioc, tags=given.tags)
    async with acting.begin() as session:
        parent = await parent_of(session, kind, reference)
        made, known = await service.create(session, acting.caller, parent, drafts)
    failure: list[Any] = [refusal(draft) for draft in known]
    failure += [
        {"type": "AttributeCheckingError", "message": "the value is too long",
         "object": {"dataType": one.data_type, "data": one.data}}
        for one in unfit
    ]  # fmt: skip
    success = [observable_out(one) for one in made]
    return answer({"success": success, "failure": failure}, 207) if failure else answer(success, 201)


@router.post(
    "/case/{reference}/observable/_import", status_code=201, response_model=list[OutputObservable], responses=SOME_REFUSED,
    openapi_extra=upload_schema(InputImport),
)  # fmt: skip
async def import_into_case(reference: str, request: Request, acting: MayObserve) -> Response:
    """Observables from free text, lines, CSV, MISP's freetext form or STIX 2.1; 207 where some were there already."""
    return await _imported(request, acting, "case", reference)


@router.post(
    "/alert/{reference}/observable/_import", status_code=201, response_model=list[OutputObservable], responses=SOME_REFUSED,
    openapi_extra=upload_schema(InputImport),
)  # fmt: skip
async def import_into_alert(reference: str, request: Request, acting: MayObserve) -> Response:
    """The same for an alert."""
    return await _imported(request, acting, "alert", reference)
