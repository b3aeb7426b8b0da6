"""The v1 routes of users and profiles."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import PlainTextResponse, Response

from hive.acting import Acting, Known, require
from hive.answers import answer, no_content
from hive.audit.service import Root, record
from hive.identity import service
from hive.identity.models import Membership, Profile, User
from hive.identity.permissions import Permission, expanded
from hive.identity.schemas import (
    InputPassword,
    InputPasswordChange,
    InputProfile,
    InputUpdateUser,
    InputUser,
    OutputProfile,
    OutputUser,
    profile_out,
)
from hive.tables import touch
from waggle.errors import AuthenticationFailed, BadRequest, CreateError, Forbidden, InvalidFields, NotFound
from waggle.ids import now_ms
from waggle.security.keys import new_key

router = APIRouter(prefix="/api/v1", tags=["people"])
Reference = Annotated[str, Path(description="id or login")]
MayUser = Annotated[Acting, require(Permission.USER)]
MayProfile = Annotated[Acting, require(Permission.PROFILE)]


async def _shown(session: AsyncSession, acting: Acting, user: User) -> OutputUser:
    (one,) = await service.users_out(session, acting.caller, [user])
    return one


def _self_or_manager(acting: Acting, user: User) -> None:
    if user.id != acting.caller.user_id:
        acting.caller.check(Permission.USER)


@router.get("/user/current", response_model=OutputUser)
async def current(acting: Known) -> Response:
    async with acting.read() as session:
        user = await session.scalar(select(User).where(User.id == acting.caller.user_id))
        if user is None:
            raise AuthenticationFailed
        response = answer(await _shown(session, acting, user))
    response.headers["X-Organisation"] = acting.caller.organisation
    return response


@router.post("/user", status_code=201, response_model=OutputUser)
async def create_user(given: InputUser, acting: MayUser) -> Response:
    """Idempotent on the login: an existing user gains the membership and is otherwise left as it is."""
    hashed = None
    if given.password is not None:
        hashed = await acting.hive.passwords.hash(service.check_password(given.password))
    async with acting.begin() as session:
        org = await service.organisation(session, given.organisation or acting.caller.organisation)
        user = await service.create_user(
            session, acting.caller, login=given.login, name=given.name, org=org, profile_name=given.profile, email=given.email,
            kind=given.type, password_hash=hashed,
        )  # fmt: skip
        return answer(await _shown(session, acting, user), 201)


@router.get("/user/{reference}", response_model=OutputUser)
async def get_user(reference: Reference, acting: Known) -> Response:
    async with acting.read() as session:
        user = await service.find_user(session, reference, acting.caller)
        return answer(await _shown(session, acting, user))


@router.patch("/user/{reference}", status_code=204)
async def update_user(reference: Reference, given: InputUpdateUser, acting: Known) -> Response:
    async with acting.begin() as session:
        user = await service.find_user(session, reference, acting.caller, for_update=True)
        _self_or_manager(acting, user)
        await _change(session, acting, user, given)
    return no_content()


async def _change(session: AsyncSession, acting: Acting, user: User, given: InputUpdateUser) -> None:
    sent = given.given()
    if given.name is not None:
        user.name = given.name
    if "email" in sent:
        user.email = given.email
    if given.default_organisation is not None:
        org = await service.organisation(session, given.default_organisation)
        if await session.get(Membership, (user.id, org.id)) is None:
            raise BadRequest("the default organisation is one the user belongs to")
        user.default_org_id = org.id
    if given.locked is not None and given.locked != user.locked:
        acting.caller.check(Permission.USER)
        if user.id == acting.caller.user_id:
            raise BadRequest("nobody locks themselves out")
        user.locked = given.locked
        user.credentials_epoch += 1
    if given.profile is not None:
        await _change_profile(session, acting, user, given.profile, given.organisation)
    touch(user, acting.caller.login)
    await session.flush()
    root = Root("user", user.id)
    await record(session, acting.caller, action="update", kind="user", object_id=user.id, root=root, details=sent)


async def _change_profile(session: AsyncSession, acting: Acting, user: User, profile: str, organisation: str | None) -> None:
    acting.caller.check(Permission.USER)
    org = await service.organisation(session, organisation or acting.caller.organisation)
    wanted = await service.profile(session, profile)
    await service.check_grant(session, acting.caller, org, wanted)
    member = await session.get(Membership, (user.id, org.id))
    if member is None:
        raise NotFound(f"User {user.login} is no member of {org.name}")
    member.profile_id = wanted.id


async def _manage_secrets(session: AsyncSession, acting: Acting, reference: str) -> User:
    """The user whose password or keys the caller may set: nobody takes over somebody with more rights than their own."""
    user = await service.find_user(session, reference, acting.caller, for_update=True)
    if user.id == acting.caller.user_id:
        return user
    acting.caller.check(Permission.USER)
    (shown,) = await service.users_out(session, acting.caller, [user])
    elsewhere = [m for m in shown["organisations"] if m["organisation"] != acting.caller.organisation]
    if Permission.ORGANISATION not in acting.caller.permissions and elsewhere:
        raise Forbidden("the user also belongs to other organisations; an administrator of the platform can do this")
    if Permission.ORGANISATION not in acting.caller.permissions and not set(shown["permissions"]) <= acting.caller.permissions:
        raise Forbidden("the user holds more than you do")
    return user


@router.post("/user/{reference}/password/set", status_code=204)
async def set_password(reference: Reference, given: InputPassword, acting: MayUser) -> Response:
    hashed = await acting.hive.passwords.hash(service.check_password(given.password))
    async with acting.begin() as session:
        user = await _manage_secrets(session, acting, reference)
        await service.set_password(session, acting.caller, user, hashed)
    return no_content()


@router.post("/user/{reference}/password/change", status_code=204)
async def change_password(reference: Reference, given: InputPasswordChange, acting: Known) -> Response:
    """Only of oneself, with the right current password (else 401)."""
    async with acting.begin() as session:
        user = await service.find_user(session, reference, acting.caller, for_update=True)
        if user.id != acting.caller.user_id:
            raise Forbidden("a password is changed by its user; others set a new one")
        right = await acting.hive.passwords.verify(
            login=user.login, epoch=user.credentials_epoch, password=given.current_password, hashed=user.password_hash
        )
        if not right:
            raise AuthenticationFailed
        hashed = await acting.hive.passwords.hash(service.check_password(given.password))
        await service.set_password(session, acting.caller, user, hashed)
    return no_content()


@router.post("/user/{reference}/key/renew", response_class=PlainTextResponse)
async def renew_key(reference: Reference, acting: Known) -> Response:
    """A new API key in place of the former one, shown as plain text."""
    async with acting.begin() as session:
        user = await _manage_secrets(session, acting, reference)
        key = new_key()
        sealed = None
        if acting.hive.settings.key_reading:
            sealed = acting.hive.secrets.seal(key.encode(), context=f"api_keys:{user.id}")
        await service.new_api_key(session, acting.caller, user, name=service.CLASSIC_KEY, key=key, sealed=sealed)
    return PlainTextResponse(key)


@router.delete("/user/{reference}/key", status_code=204)
async def remove_key(reference: Reference, acting: Known) -> Response:
    async with acting.begin() as session:
        user = await _manage_secrets(session, acting, reference)
        await service.remove_api_keys(session, acting.caller, user)
    return no_content()


@router.post("/profile", status_code=201, response_model=OutputProfile)
async def create_profile(given: InputProfile, acting: MayProfile) -> Response:
    try:
        permissions = sorted(expanded(given.permissions))
    except KeyError as unknown:
        raise InvalidFields.invalid("permissions", f"there is no permission {unknown.args[0][:64]}") from None
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
