"""The v1 routes of a case's links and of the cases it shares observables with."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.responses import Response

from hive.acting import Acting, Member, require
from hive.answers import answer, no_content
from hive.cases import links
from hive.cases.linked import linked
from hive.cases.lookup import find
from hive.cases.schemas import OutputCase, case_out
from hive.identity.permissions import Permission
from hive.markings import Input
from hive.observables.schemas import OutputObservable, observable_out

router = APIRouter(prefix="/api/v1/case", tags=["case"])
Reference = Annotated[str, Path(description="id (~4096) or number")]
MayUpdate = Annotated[Acting, require(Permission.CASE_UPDATE)]
LinkType = Annotated[str, Field(min_length=1, max_length=64)]


class InputCaseLink(Input):
    type: LinkType
    case_id: Annotated[str, Field(max_length=64)] | Annotated[int, Field(ge=0, lt=2**31)]


class InputUrlLink(Input):
    type: LinkType
    url: Annotated[str, Field(min_length=1, max_length=2000)]


class LinkedCase(OutputCase):
    linksCount: int
    linkedWith: list[OutputObservable]


@router.get("/link/types", response_model=list[str])
async def link_types(acting: Member) -> Response:
    """The types of links in use."""
    async with acting.read() as session:
        return answer(await links.types_in_use(session))


@router.get("/{reference}/links", response_model=list[LinkedCase])
async def linked_cases(reference: Reference, acting: Member) -> Response:
    """Other cases that share observables with this one."""
    async with acting.read() as session:
        found = await linked(session, await find(session, reference))
        return answer(
            [
                {
                    **case_out(case, acting.caller), "linksCount": len(shared),
                    "linkedWith": [observable_out(one) for one in shared],
                }
                for case, shared in found
            ]
        )  # fmt: skip


async def _link_case(reference: str, given: InputCaseLink, acting: Acting, *, add: bool) -> Response:
    async with acting.begin() as session:
        case, other = await find(session, reference), await find(session, given.case_id)
        await links.link_case(session, acting.caller, case, other, type=given.type, add=add)
    return no_content()


@router.post("/{reference}/link/case/add", status_code=204)
async def link_case(reference: Reference, given: InputCaseLink, acting: MayUpdate) -> Response:
    return await _link_case(reference, given, acting, add=True)


@router.post("/{reference}/link/case/remove", status_code=204)
async def unlink_case(reference: Reference, given: InputCaseLink, acting: MayUpdate) -> Response:
    return await _link_case(reference, given, acting, add=False)


async def _link_url(reference: str, given: InputUrlLink, acting: Acting, *, add: bool) -> Response:
    async with acting.begin() as session:
        case = await find(session, reference)
        await links.link_url(session, acting.caller, case, type=given.type, url=given.url, add=add)
    return no_content()


@router.post("/{reference}/link/external/add", status_code=204)
async def link_url(reference: Reference, given: InputUrlLink, acting: MayUpdate) -> Response:
    return await _link_url(reference, given, acting, add=True)


@router.post("/{reference}/link/external/remove", status_code=204)
async def unlink_url(reference: Reference, given: InputUrlLink, acting: MayUpdate) -> Response:
    return await _link_url(reference, given, acting, add=False)
