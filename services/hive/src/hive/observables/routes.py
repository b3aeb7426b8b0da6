"""The v1 routes of observables, of alerts and of cases."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from hive.acting import IF_MATCH, Acting, Member, require
from hive.alerts.lookup import find as find_alert
from hive.answers import answer, no_content
from hive.cases.lookup import find as find_case
from hive.edits import plain_columns
from hive.identity.permissions import Permission
from hive.observables import service
from hive.observables.drafts import ObservableDraft, checked
from hive.observables.inputs import drafts_of
from hive.observables.models import Observable
from hive.observables.schemas import (
    InputObservable,
    InputUpdateObservable,
    InputUpdateObservables,
    OutputObservable,
    PartlyCreated,
    RefusedObservable,
    observable_out,
)
from hive.observables.service import Parent
from hive.observables.uploads import stored_files
from hive.web_bodies import parse_model, upload_schema
from waggle.ids import now_ms
from waggle.web.fields import read_fields

router = APIRouter(prefix="/api/v1", tags=["observable"])
Reference = Annotated[str, Path(description="id (~4096)")]
MayObserve = Annotated[Acting, require(Permission.OBSERVABLE)]
MERGED = frozenset({"add_tags", "remove_tags", "ids"})
SOME_REFUSED: dict[int | str, dict[str, Any]] = {
    207: {"model": PartlyCreated, "description": "some of the values were there already"}
}


def refusal(draft: ObservableDraft) -> RefusedObservable:
    shown = {"dataType": draft.data_type, "data": draft.data}
    if draft.file is not None:
        shown = {"dataType": draft.data_type, "data": draft.file.name}
    return {"type": "CreateError", "message": "Observable already exists", "object": shown}


async def parent_of(session: AsyncSession, kind: str, reference: str) -> Parent:
    if kind == "alert":
        alert = await find_alert(session, reference)
        return Parent("alert", alert.id, alert.org_id)
    case = await find_case(session, reference)
    return Parent("case", case.id, case.org_id)


async def created(request: Request, acting: Acting, kind: str, reference: str) -> Response:
    """201 with the list of what was made; 207 where some values were there already (hive-v1 §5.5)."""
    async with read_fields(request, json_by_default=True) as fields:
        given = parse_model(InputObservable, fields.values)
        files = await stored_files(acting, fields.files, [given])
    catalogue = await acting.hive.catalogues.current(types={given.data_type})
    drafts = [checked(draft, catalogue, now=now_ms()) for draft in drafts_of(given, catalogue, files)]
    async with acting.begin() as session:
        parent = await parent_of(session, kind, reference)
        made, refused = await service.create(session, acting.caller, parent, drafts)
    shown = [observable_out(one) for one in made]
    if refused:
        return answer({"success": shown, "failure": [refusal(draft) for draft in refused]}, 207)
    return answer(shown, 201)


@router.post(
    "/alert/{reference}/observable",
    status_code=201,
    response_model=list[OutputObservable],
    responses=SOME_REFUSED,
    openapi_extra=upload_schema(InputObservable),
)
async def create_in_alert(reference: Reference, request: Request, acting: MayObserve) -> Response:
    return await created(request, acting, "alert", reference)


@router.post(
    "/case/{reference}/observable",
    status_code=201,
    response_model=list[OutputObservable],
    responses=SOME_REFUSED,
    openapi_extra=upload_schema(InputObservable),
)
async def create_in_case(reference: Reference, request: Request, acting: MayObserve) -> Response:
    return await created(request, acting, "case", reference)


@router.get("/observable/{reference}", response_model=OutputObservable)
async def get(reference: Reference, acting: Member) -> Response:
    async with acting.read() as session:
        return answer(observable_out(await service.find(session, reference)))


async def changed(
    acting: Acting, given: InputUpdateObservable, find: Callable[[AsyncSession], Awaitable[list[Observable]]]
) -> None:
    """Applies one description of changes to all that `find` gives, in one transaction."""
    columns = plain_columns(given.given(), merged=MERGED, clearable=frozenset({"message", "sighted_at"}))
    catalogue = await acting.hive.catalogues.current(types={given.data_type} if given.data_type else set())
    async with acting.begin() as session:
        for row in await find(session):
            await service.change(
                session, acting.caller, row, columns, catalogue, add_tags=given.add_tags or [],
                remove_tags=given.remove_tags or [],
            )  # fmt: skip


@router.patch("/observable/_bulk", status_code=204)
async def update_several(given: InputUpdateObservables, acting: MayObserve) -> Response:
    """The same change to every id: all of them or, if one is not there, none."""
    await changed(acting, given, lambda session: service.find_all(session, given.ids))
    return no_content()


@router.patch("/observable/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def update(reference: Reference, given: InputUpdateObservable, acting: MayObserve) -> Response:
    async def found(session: AsyncSession) -> list[Observable]:
        return [await acting.matched(session, await service.find(session, reference, for_update=True), observable_out)]

    await changed(acting, given, found)
    return no_content()


@router.delete("/observable/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def delete(reference: Reference, acting: MayObserve) -> Response:
    async with acting.begin() as session:
        row = await acting.matched(session, await service.find(session, reference, for_update=True), observable_out)
        await service.remove(session, acting.caller, row, gone=dict(observable_out(row)))
    return no_content()
