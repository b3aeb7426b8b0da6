"""The v1 routes of profiles and of what one organisation keeps about itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from hive.acting import IF_MATCH, Acting, Known, require
from hive.answers import answer, no_content
from hive.identity import profiles, service
from hive.identity.permissions import Permission
from hive.identity.schemas import (
    InputProfile,
    InputUpdateProfile,
    OutputProfile,
    profile_out,
)

router = APIRouter(prefix="/api/v1", tags=["people"])
MayProfile = Annotated[Acting, require(Permission.PROFILE)]


@router.post("/profile", status_code=201, response_model=OutputProfile)
async def create_profile(given: InputProfile, acting: MayProfile) -> Response:
    permissions = profiles.permitted(given.permissions, given.type)
    async with acting.begin() as session:
        row = await profiles.create(session, acting.caller, name=given.name, kind=given.type, permissions=permissions)
        return answer(profile_out(row), 201)


@router.get("/profile/{reference}", response_model=OutputProfile)
async def get_profile(reference: str, acting: Known) -> Response:
    async with acting.read() as session:
        return answer(profile_out(await service.profile(session, reference)))


@router.patch("/profile/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def update_profile(reference: str, given: InputUpdateProfile, acting: MayProfile) -> Response:
    """A custom profile or `analyst`; what it permits is asked anew with every request, so a change works at once."""
    async with acting.begin() as session:
        row = await acting.matched(session, await service.profile(session, reference), profile_out)
        permissions = None if given.permissions is None else profiles.permitted(given.permissions, row.kind)
        await service.change_profile(session, acting.caller, row, name=given.name, permissions=permissions)
    return no_content()


@router.delete("/profile/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def delete_profile(reference: str, acting: MayProfile) -> Response:
    """Refused for a built-in profile and for one that somebody has."""
    async with acting.begin() as session:
        row = await acting.matched(session, await service.profile(session, reference), profile_out)
        await service.remove_profile(session, acting.caller, row)
    return no_content()
