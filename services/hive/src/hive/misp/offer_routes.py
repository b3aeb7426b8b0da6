"""What sources offer on a case: listed, accepted and refused, each by itself."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from hive.acting import Acting, Member, require
from hive.answers import answer
from hive.cases import rights
from hive.cases.lookup import find
from hive.identity.permissions import Permission
from hive.misp.offers import decide, offers_of

MayDecide = Annotated[Acting, require(Permission.OBSERVABLE)]
State = Literal["open", "accepted", "refused", "withdrawn"]
Ids = Annotated[list[str], Field(max_length=1000)]

router = APIRouter(prefix="/api/v1/case", tags=["misp"])


class InputDecisions(BaseModel):
    """Ids of offers, each in one of the two lists."""

    model_config = ConfigDict(extra="forbid")

    accept: Ids = []
    refuse: Ids = []


class OutputOffer(BaseModel):
    """A change at the source that waits for an analyst's word."""

    id: str = Field(alias="_id")
    createdAt: int = Field(alias="_createdAt")
    caseId: str
    alertId: str | None = Field(description="null for what others added to an event that this case was exported as")
    source: str
    kind: Literal["add", "change", "remove"]
    dataType: str
    data: str = Field(description="the value, or the file's name")
    changes: dict[str, Any] = Field(description="add: the observable's fields; change: those that differ, with their new values")
    state: State
    decidedBy: str | None
    decidedAt: int | None


@router.get("/{case}/offers", response_model=list[OutputOffer])
async def list_offers(
    case: str,
    acting: Member,
    state: State | None = "open",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    async with acting.read() as session:
        found = await find(session, case)
        return answer(await offers_of(session, found, state=state, limit=limit, offset=offset))


@router.post("/{case}/offers", response_model=list[OutputOffer])
async def decide_offers(case: str, given: InputDecisions, acting: MayDecide) -> Response:
    """All or none: one that is not open any more refuses the whole request."""
    catalogue = await acting.hive.catalogues.current()
    async with acting.begin() as session:
        found = await find(session, case, for_update=True)
        await rights.check(session, acting.caller, case_id=found.id, org_id=found.org_id, permission=Permission.OBSERVABLE)
        decided = [await decide(session, acting.caller, found, one, "accepted", catalogue) for one in given.accept]
        decided += [await decide(session, acting.caller, found, one, "refused", catalogue) for one in given.refuse]
    return answer(decided)
