"""`/api/user…` and the users of organisations: contracts/cortex.md §2.8."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from cortex.access import engine_of, require
from cortex.acting import Actor
from cortex.http import LISTING_PARAMETERS, SEARCH, Listing, Search, body, described, listed, nothing, plain, shown
from cortex.identity import keys, service
from cortex.identity.models import User
from cortex.identity.schemas import ChangedPassword, GivenKey, NewPassword, NewUser, ShownUser, UserChanges, show_user
from cortex.identity.search import find_users
from waggle.errors import NotFound

router = APIRouter(prefix="/api", tags=["user"])
Superadmin = Annotated[Actor, require("superadmin")]
Administrator = Annotated[Actor, require("orgadmin", "superadmin")]
AnyUser = Annotated[Actor, require()]


async def _shown_user(session: AsyncSession, user: User) -> ShownUser:
    return show_user(user, has_key=user.login in await service.keys_of(session, [user.login]))


async def _users(request: Request, actor: Actor, given: Search, organisation: str | None) -> Response:
    async with engine_of(request).database.begin(actor.scope) as session:
        found, total = await find_users(session, organisation=organisation, query=given.query, page=given.page, order=given.order)
        with_key = await service.keys_of(session, [u.login for u in found])
    return listed([show_user(u, has_key=u.login in with_key) for u in found], total)


USER_LIST: dict[int | str, dict[str, Any]] = {200: {"model": list[ShownUser]}}
SHOWN_USER: dict[int | str, dict[str, Any]] = {200: {"model": ShownUser}}


@router.get("/user/current", responses=SHOWN_USER)
async def current_user(request: Request, actor: AnyUser) -> Response:
    """The caller, with the preferences of its pages."""
    async with engine_of(request).database.begin(actor.scope) as session:
        user = await service.get_user(session, actor, login=actor.login)
        answer = await _shown_user(session, user)
    try:
        preferences = orjson.loads(user.preferences)
    except orjson.JSONDecodeError:
        preferences = {}
    answer.preferences = preferences if isinstance(preferences, dict) else {}
    return shown(answer)


@router.get("/user", openapi_extra=LISTING_PARAMETERS, responses=USER_LIST)
@router.get("/organization/user", openapi_extra=LISTING_PARAMETERS, responses=USER_LIST)
async def list_users(request: Request, actor: Superadmin, given: Annotated[Listing, body(Listing)]) -> Response:
    """All users."""
    return await _users(request, actor, Search(range=given.range, sort=given.sort), None)


@router.post("/user/_search", openapi_extra=SEARCH, responses=USER_LIST)
@router.get("/organization/user/_search", openapi_extra=LISTING_PARAMETERS, responses=USER_LIST)
@router.post("/organization/user/_search", openapi_extra=SEARCH, responses=USER_LIST)
async def search_users(request: Request, actor: Superadmin, given: Annotated[Search, body(Search)]) -> Response:
    """The users that match."""
    return await _users(request, actor, given, None)


def _own_or_superadmin(actor: Actor, organisation: str) -> None:
    if not actor.holds("superadmin") and organisation != actor.organisation:
        raise NotFound(f"organization {organisation} not found")


@router.get("/organization/{organisation}/user", openapi_extra=LISTING_PARAMETERS, responses=USER_LIST)
async def list_users_of(
    request: Request, actor: Administrator, organisation: str, given: Annotated[Listing, body(Listing)]
) -> Response:
    """The users of an organisation."""
    _own_or_superadmin(actor, organisation)
    return await _users(request, actor, Search(range=given.range, sort=given.sort), organisation)


@router.post("/organization/{organisation}/user/_search", openapi_extra=SEARCH, responses=USER_LIST)
async def search_users_of(
    request: Request, actor: Administrator, organisation: str, given: Annotated[Search, body(Search)]
) -> Response:
    """The users of an organisation that match."""
    _own_or_superadmin(actor, organisation)
    return await _users(request, actor, given, organisation)


@router.post("/user", status_code=201, openapi_extra=described(NewUser), responses={201: {"model": ShownUser}})
async def create_user(request: Request, actor: Administrator, given: Annotated[NewUser, body(NewUser)]) -> Response:
    engine = engine_of(request)
    password_hash = None if given.password is None else await service.hashed(engine.passwords, given.password)
    async with engine.changing(actor.scope) as session:
        user = await service.create_user(
            session,
            actor,
            login=given.login,
            name=given.name,
            roles=given.roles,
            organisation=given.organization or actor.organisation,
            password_hash=password_hash,
            status=given.status,
            avatar=given.avatar,
            preferences=given.preferences,
        )
    return shown(show_user(user, has_key=False), 201)


@router.get("/user/{login}", responses=SHOWN_USER)
async def get_user(request: Request, actor: Annotated[Actor, require("read", "superadmin")], login: str) -> Response:
    async with engine_of(request).database.begin(actor.scope) as session:
        return shown(await _shown_user(session, await service.get_user(session, actor, login=login)))


@router.patch("/user/{login}", openapi_extra=described(UserChanges), responses=SHOWN_USER)
async def update_user(request: Request, actor: AnyUser, login: str, given: Annotated[UserChanges, body(UserChanges)]) -> Response:
    async with engine_of(request).changing(actor.scope) as session:
        user = await service.update_user(session, actor, login=login, changes=given.columns())
        return shown(await _shown_user(session, user))


@router.delete("/user/{login}", status_code=204)
async def delete_user(request: Request, actor: Administrator, login: str) -> Response:
    """Locks the user; the name stays in the history."""
    async with engine_of(request).changing(actor.scope) as session:
        await service.lock_user(session, actor, login=login)
    return nothing()


@router.post("/user/{login}/password/set", status_code=204, openapi_extra=described(NewPassword))
async def set_password(
    request: Request, actor: Administrator, login: str, given: Annotated[NewPassword, body(NewPassword)]
) -> Response:
    engine = engine_of(request)
    async with engine.changing(actor.scope) as session:
        user = await service.administered_user(session, actor, login=login, or_self=False)
        await service.set_password(session, actor, engine.passwords, user=user, password=given.password)
    return nothing()


@router.post("/user/{login}/password/change", status_code=204, openapi_extra=described(ChangedPassword))
async def change_password(
    request: Request, actor: AnyUser, login: str, given: Annotated[ChangedPassword, body(ChangedPassword)]
) -> Response:
    engine = engine_of(request)
    async with engine.changing(actor.scope) as session:
        await service.change_password(
            session, actor, engine.passwords, login=login, current=given.currentPassword, password=given.password
        )
    return nothing()


@router.get("/user/{login}/key", responses={200: {"content": {"text/plain": {}}}})
async def get_key(request: Request, actor: AnyUser, login: str) -> Response:
    """The key, bare: clients take the body as it is."""
    engine = engine_of(request)
    async with engine.database.begin(actor.scope) as session:
        user = await service.administered_user(session, actor, login=login, or_self=True)
        return plain(await keys.show_key(session, actor, engine.box, user=user))


@router.post("/user/{login}/key/renew", responses={200: {"content": {"text/plain": {}}}})
async def renew_key(request: Request, actor: AnyUser, login: str) -> Response:
    engine = engine_of(request)
    async with engine.changing(actor.scope) as session:
        user = await service.administered_user(session, actor, login=login, or_self=True)
        return plain(await keys.set_key(session, actor, engine.box, user=user))


@router.post("/user/{login}/key/set", openapi_extra=described(GivenKey), responses={200: {"content": {"text/plain": {}}}})
async def set_key(request: Request, actor: Administrator, login: str, given: Annotated[GivenKey, body(GivenKey)]) -> Response:
    engine = engine_of(request)
    async with engine.changing(actor.scope) as session:
        user = await service.administered_user(session, actor, login=login, or_self=False)
        return plain(await keys.set_key(session, actor, engine.box, user=user, key=given.key))


@router.delete("/user/{login}/key", status_code=204)
async def remove_key(request: Request, actor: Administrator, login: str) -> Response:
    async with engine_of(request).changing(actor.scope) as session:
        user = await service.administered_user(session, actor, login=login, or_self=False)
        await keys.remove_key(session, actor, user=user)
    return nothing()
