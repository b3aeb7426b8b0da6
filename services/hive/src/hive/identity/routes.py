"""The v1 routes of profiles and of what one organisation keeps about itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from sqlalchemy import select
from starlette.responses import Response

from hive.acting import Acting, Known, require
from hive.answers import answer, no_content
from hive.audit.service import Root, record
from hive.identity import service
from hive.identity.models import Profile
from hive.identity.permissions import ADMINISTRATION, ORGANISATION_WIDE, Permission, expanded
from hive.identity.schemas import (
    InputProfile,
    InputUpdateProfile,
    OutputProfile,
    profile_out,
)
from waggle.errors import CreateError, InvalidFields
from waggle.ids import now_ms

router = APIRouter(prefix="/api/v1", tags=["people"])
MayProfile = Annotated[Acting, require(Permission.PROFILE)]


@router.post("/profile", status_code=201, response_model=OutputProfile)
async def create_profile(given: InputProfile, acting: MayProfile) -> Response:
    permissions = _permissions(given.permissions, given.type)
    async with acting.begin() as session:
        if await session.scalar(select(Profile.id).where(Profile.name == given.name)):
            raise CreateError(f"Profile {given.name} already exist")
        row = Profile(
            name=given.name, kind=given.type, permissions=permissions, created_at=now_ms(), created_by=acting.caller.login
        )
        session.add(row)
        await session.flush()
        root = Root("organisation", acting.caller.org_id)
        details = {"name": row.name, "permissions": permissions}
        await record(session, acting.caller, action="create", kind="profile", object_id=row.id, root=root, details=details)
        return answer(profile_out(row), 201)


@router.get("/profile/{reference}", response_model=OutputProfile)
async def get_profile(reference: str, acting: Known) -> Response:
    async with acting.read() as session:
        return answer(profile_out(await service.profile(session, reference)))


@router.patch("/profile/{reference}", status_code=204)
async def update_profile(reference: str, given: InputUpdateProfile, acting: MayProfile) -> Response:
    """A custom profile or `analyst`; what it permits is asked anew with every request, so a change works at once."""
    async with acting.begin() as session:
        row = await service.profile(session, reference)
        permissions = None if given.permissions is None else _permissions(given.permissions, row.kind)
        await service.change_profile(session, acting.caller, row, name=given.name, permissions=permissions)
    return no_content()


@router.delete("/profile/{reference}", status_code=204)
async def delete_profile(reference: str, acting: MayProfile) -> Response:
    """Refused for a built-in profile and for one that somebody has."""
    async with acting.begin() as session:
        await service.remove_profile(session, acting.caller, await service.profile(session, reference))
    return no_content()


def _permissions(names: list[str], kind: str) -> list[str]:
    """The permissions of names; those of the platform stay with profiles of the administration (threats S16)."""
    try:
        found = expanded(names)
    except KeyError as unknown:
        raise InvalidFields.invalid("permissions", f"there is no permission {unknown.args[0][:64]}") from None
    allowed = ADMINISTRATION if kind == "Admin" else ORGANISATION_WIDE
    if beyond := sorted(found - allowed):
        raise InvalidFields.invalid("permissions", f"a profile of type {kind} cannot hold {', '.join(beyond)}")
    return sorted(found)
