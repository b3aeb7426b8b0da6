"""The v1 routes of case archives (contracts hive-v1 §2.2)."""

from __future__ import annotations

import shutil
from typing import Annotated, Any, NotRequired

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response
from typing_extensions import TypedDict

from hive.acting import Acting, Member, require
from hive.answers import DOWNLOAD_HEADERS, answer, disposition
from hive.archives.export import gathered, written
from hive.archives.load import Options, load, opened
from hive.cases.lookup import find
from hive.cases.schemas import InputShare, OutputCase, Rule, case_out
from hive.identity.permissions import Permission
from hive.markings import Input
from hive.observables.schemas import OutputObservable, observable_out
from hive.procedures.schemas import OutputProcedure, procedure_out
from hive.sharing.service import ShareDraft
from hive.web_bodies import parse_model, upload_schema
from waggle.errors import InvalidFields
from waggle.web.fields import read_fields

router = APIRouter(prefix="/api/v1/case", tags=["case archive"])
MayCreate = Annotated[Acting, require(Permission.CASE_CREATE)]
Password = Annotated[str, Field(min_length=1, max_length=512)]


class InputImportCase(Input):
    password: Password
    sharing_parameters: Annotated[list[InputShare], Field(max_length=1000)] | None = None
    task_rule: Rule | None = None
    observable_rule: Rule | None = None


class OutputImportCase(TypedDict):
    case: OutputCase
    observables: NotRequired[list[OutputObservable]]
    procedures: NotRequired[list[OutputProcedure]]
    errors: NotRequired[list[dict[str, Any]]]


@router.get(
    "/{reference}/export",
    responses={200: {"description": "a zip under the password", "content": {"application/zip": {}}}},
)
async def export(
    reference: Annotated[str, Path(description="id or number")],
    acting: Member,
    password: Annotated[str, Query(min_length=1, max_length=512)],
) -> Response:
    """The case with its tasks, logs, observables, procedures, pages, comments and files, as far as the caller sees them."""
    async with acting.read() as session:
        case = await find(session, reference)
        archive = await gathered(session, case)
    path = await written(acting.hive, archive, password=password)
    headers = {**DOWNLOAD_HEADERS, "Content-Disposition": disposition(f"case-{case.number}.thar")}
    cleaning = BackgroundTask(shutil.rmtree, path.parent, ignore_errors=True)
    return FileResponse(path, media_type="application/zip", headers=headers, background=cleaning)


@router.post("/import", response_model=OutputImportCase, openapi_extra=upload_schema(InputImportCase))
async def import_case(request: Request, acting: MayCreate) -> Response:
    """A new case from an archive; what this hive has no type, field or technique for is told in `errors`."""
    async with read_fields(request) as fields:
        given = parse_model(InputImportCase, fields.values)
        parts = fields.files.get("file", [])
        if not parts:
            raise InvalidFields.missing("file")
        archive, files = await opened(acting, parts[0], password=given.password)
    shares = tuple(
        ShareDraft(one.organisation, one.profile, one.task_rule, one.observable_rule) for one in given.sharing_parameters or ()
    )
    catalogue = await acting.hive.catalogues.current(
        types={one.data_type for one in archive.case.observables}, fields={one.name for one in archive.case.custom_fields}
    )
    options = Options(shares, given.task_rule, given.observable_rule)
    async with acting.begin() as session:
        loaded = await load(session, acting, archive, files, options, catalogue)
        shown: OutputImportCase = {"case": case_out(loaded.case, acting.caller)}
        if loaded.observables:
            shown["observables"] = [observable_out(one) for one in loaded.observables]
        if loaded.procedures:
            shown["procedures"] = [procedure_out(one) for one in loaded.procedures]
        if loaded.errors:
            shown["errors"] = loaded.errors
        return answer(shown)
