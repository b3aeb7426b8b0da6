"""The v1 routes of users: who they are, where they work, their passwords, keys and sessions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import PlainTextResponse, Response

from hive.acting import IF_MATCH, Acting, Known, require
from hive.answers import answer, file_answer, no_content
from hive.attachments.files import store
from hive.audit.service import Root, record
from hive.identity import managing, service
from hive.identity.managing import Wish
from hive.identity.models import Membership, User
from hive.identity.permissions import Permission
from hive.identity.schemas import (
    InputMemberships,
    InputPassword,
    InputPasswordChange,
    InputUpdateUser,
    InputUser,
    OutputMemberships,
    OutputSession,
    OutputUser,
    session_out,
)
from hive.tables import touch
from waggle.errors import AuthenticationFailed, BadRequest, Forbidden, NotFound
from waggle.security.keys import new_key

router = APIRouter(prefix="/api/v1", tags=["people"])
Reference = Annotated[str, Path(description="id or login")]
MayUser = Annotated[Acting, require(Permission.USER)]
HandOver = Annotated[str | None, Query(alias="handOver", description="id or login of who takes over their open work")]


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


@router.patch("/user/{reference}", status_code=204, openapi_extra=IF_MATCH)
async def update_user(reference: Reference, given: InputUpdateUser, acting: Known) -> Response:
    picture = await stored_picture(acting, given.avatar) if given.avatar else None
    async with acting.begin() as session:
        user = await service.find_user(session, reference, acting.caller, for_update=True)
        _self_or_manager(acting, user)
        await acting.matched(session, user, lambda row: _shown(session, acting, row))
        await _change(session, acting, user, given, picture)
    return no_content()


Picture = tuple[bytes, str]


async def stored_picture(acting: Acting, encoded: str) -> Picture:
    """The hash and type of a picture that is now in the store. Raises InvalidFields."""
    content, kind = managing.image(encoded)
    found = await store(acting.hive.blobs, acting.hive.database, content, name="avatar", content_type=kind)
    return found.sha256, kind


async def _change(session: AsyncSession, acting: Acting, user: User, given: InputUpdateUser, picture: Picture | None) -> None:
    sent = given.given()
    if given.name is not None:
        user.name = given.name
    if "email" in sent:
        user.email = given.email
    if "avatar" in sent:
        user.avatar, user.avatar_type = picture or (None, None)
        sent["avatar"] = user.avatar.hex() if user.avatar else None
    if given.type is not None and given.type != user.kind:
        acting.caller.check(Permission.USER)
        user.kind = given.type
    if given.default_organisation is not None:
        org = await service.organisation(session, given.default_organisation)
        if await session.get(Membership, (user.id, org.id)) is None:
            raise BadRequest("the default organisation is one the user belongs to")
        user.default_org_id = org.id
    if given.locked is not None:
        acting.caller.check(Permission.USER)
        await managing.check_manages(session, acting.caller, user)
        await managing.lock(session, acting.caller, user, locked=given.locked)
    if given.profile is not None:
        org = await service.organisation(session, given.organisation or acting.caller.organisation)
        await service.change_membership(session, acting.caller, user, org, given.profile)
    touch(user, acting.caller.login)
    await session.flush()
    root = Root("user", user.id)
    await record(session, acting.caller, action="update", kind="user", object_id=user.id, root=root, details=sent)


async def _manage_secrets(session: AsyncSession, acting: Acting, reference: str) -> User:
    """The user whose password, keys or sessions the caller may deal with."""
    user = await service.find_user(session, reference, acting.caller, for_update=True)
    await managing.check_manages(session, acting.caller, user)
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


async def renewed_key(session: AsyncSession, acting: Acting, user: User) -> str:
    """A new key in the place of the former; sealed as well where it may be read back."""
    key = new_key()
    sealed = None
    if acting.hive.settings.key_reading:
        sealed = acting.hive.secrets.seal(key.encode(), context=f"api_keys:{user.id}")
    return await service.new_api_key(session, acting.caller, user, name=service.CLASSIC_KEY, key=key, sealed=sealed)


def opened_key(acting: Acting, user: User, sealed: bytes) -> str:
    if not acting.hive.settings.key_reading:
        raise NotFound("keys are shown once, when they are made")
    return acting.hive.secrets.open(sealed, context=f"api_keys:{user.id}").decode()


@router.get("/user/{reference}/key", response_class=PlainTextResponse)
async def get_key(reference: Reference, acting: Known) -> Response:
    """The key that was made here, as long as the deployment keeps keys readable."""
    async with acting.read() as session:
        user = await _manage_secrets(session, acting, reference)
        sealed = await managing.readable_key(session, user)
    response = PlainTextResponse(opened_key(acting, user, sealed))
    response.headers["Cache-Control"] = "no-store"
    return response


@router.post("/user/{reference}/key/renew", response_class=PlainTextResponse)
async def renew_key(reference: Reference, acting: Known) -> Response:
    """A new API key in place of the former one, shown as plain text."""
    async with acting.begin() as session:
        user = await _manage_secrets(session, acting, reference)
        key = await renewed_key(session, acting, user)
    return PlainTextResponse(key)


@router.delete("/user/{reference}/key", status_code=204)
async def remove_key(reference: Reference, acting: Known) -> Response:
    async with acting.begin() as session:
        user = await _manage_secrets(session, acting, reference)
        await service.remove_api_keys(session, acting.caller, user)
    return no_content()


@router.put("/user/{reference}/organisations", response_model=OutputMemberships)
async def set_organisations(reference: Reference, given: InputMemberships, acting: MayUser) -> Response:
    """Replaces all memberships; the answer repeats them in the order sent."""
    wishes = [Wish(one.organisation, one.profile, one.default) for one in given.organisations]
    async with acting.begin() as session:
        user = await service.find_user(session, reference, acting.caller, for_update=True)
        await managing.set_organisations(session, acting.caller, user, wishes)
    shown = [{"organisation": w.organisation, "profile": w.profile, "default": w.default} for w in wishes]
    return answer({"organisations": shown})


@router.delete("/user/{reference}", status_code=204)
async def lock_user(reference: Reference, acting: MayUser) -> Response:
    """Locks; `/force` removes."""
    async with acting.begin() as session:
        user = await _manage_secrets(session, acting, reference)
        await managing.lock(session, acting.caller, user, locked=True)
    return no_content()


@router.delete("/user/{reference}/force", status_code=204, openapi_extra=IF_MATCH)
async def delete_user(
    reference: Reference, acting: MayUser, organisation: str | None = None, hand_over: HandOver = None
) -> Response:
    """Takes a user out of one organisation, and away with the last one; without `organisation` away altogether."""
    async with acting.begin() as session:
        user = await service.find_user(session, reference, acting.caller, for_update=True)
        await acting.matched(session, user, lambda row: _shown(session, acting, row))
        org = await service.organisation(session, organisation) if organisation else None
        heir = await service.find_user(session, hand_over, acting.caller) if hand_over else None
        await managing.remove(session, acting.caller, user, organisation=org, heir=heir)
    return no_content()


@router.get("/user/{reference}/avatar/{sha256}", responses={200: {"content": {"image/*": {}}}})
async def avatar(reference: Reference, sha256: str, acting: Known) -> Response:
    async with acting.read() as session:
        user = await service.find_user(session, reference, acting.caller)
    if user.avatar is None or user.avatar.hex() != sha256:
        raise NotFound("Avatar not found")
    return file_answer(acting.hive.blobs.open(sha256), name="avatar", content_type=user.avatar_type or "")


@router.get("/user/{reference}/session", response_model=list[OutputSession])
async def list_sessions(reference: Reference, acting: Known) -> Response:
    """Where the user is logged in with a browser."""
    async with acting.read() as session:
        user = await _manage_secrets(session, acting, reference)
        return answer([session_out(one) for one in await managing.sessions_of(session, user)])


@router.delete("/user/{reference}/session", status_code=204)
@router.delete("/user/{reference}/session/{session_id}", status_code=204)
async def close_session(reference: Reference, acting: Known, session_id: str = "") -> Response:
    """Logs the user out everywhere, or in one place."""
    async with acting.begin() as session:
        user = await _manage_secrets(session, acting, reference)
        await managing.close_sessions(session, acting.caller, user, session_id or None)
    return no_content()
