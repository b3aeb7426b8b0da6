"""The v1 routes of what alerts and cases have in common."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from hive.acting import Acting, Member, require
from hive.answers import answer
from hive.identity.permissions import Permission
from hive.observables import similarity
from hive.observables.models import Observable
from hive.observables.routes import parent_of
from hive.observables.schemas import MergedObservables, OutputObservable, observable_out
from hive.observables.service import Parent, count_of, find
from hive.tables import text_id
from waggle.errors import NotFound

MayUpdateCase = Annotated[Acting, require(Permission.CASE_UPDATE)]
router = APIRouter(prefix="/api/v1", tags=["observable"])


async def _either(session: AsyncSession, reference: str) -> Parent:
    """An alert or a case, whichever the reference names."""
    for kind in ("alert", "case"):
        try:
            return await parent_of(session, kind, reference)
        except NotFound:
            continue
    raise NotFound(f"there is no alert or case {reference[:200]}")


async def _in_common(acting: Acting, kind: str, reference: str, other: str) -> Response:
    async with acting.read() as session:
        first = await parent_of(session, kind, reference)
        found = await similarity.in_common(session, first, await _either(session, other))
    return answer([observable_out(one) for one in found])


@router.get("/alert/{reference}/similar/{other}/observables", response_model=list[OutputObservable])
async def of_alert(reference: str, other: str, acting: Member) -> Response:
    """The alert's observables that the other alert or case has, too."""
    return await _in_common(acting, "alert", reference, other)


@router.get("/case/{reference}/similar/{other}/observables", response_model=list[OutputObservable])
async def of_case(reference: str, other: str, acting: Member) -> Response:
    """The case's observables that the other alert or case has, too."""
    return await _in_common(acting, "case", reference, other)


@router.get("/observable/{reference}/similar", response_model=list[OutputObservable])
async def of_observable(reference: str, acting: Member) -> Response:
    """The same value or content elsewhere, newest first; with the alert or case it lies in as `extraData.parent`."""
    async with acting.read() as session:
        observable = await find(session, reference)
        found = await similarity.similar(session, acting.caller, observable)
    return answer([_with_parent(one) for one in found])


def _with_parent(one: Observable) -> OutputObservable:
    kind = "case" if one.case_id is not None else "alert"
    return {**observable_out(one), "extraData": {"parent": {"_type": kind.capitalize(), "_id": text_id(one.parent_id)}}}


@router.post("/case/{reference}/observable/_merge", response_model=MergedObservables)
async def merge_similar(reference: str, acting: MayUpdateCase) -> Response:
    """Unites the observables of a case that are the same. The table lets none be twice in one case, so all stay as they are."""
    async with acting.begin() as session:
        parent = await parent_of(session, "case", reference)
        untouched = await count_of(session, parent)
    return answer({"untouched": untouched, "updated": 0, "deleted": 0})
