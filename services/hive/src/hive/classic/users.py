"""Classic routes of users (contracts hive-v0 §2.9)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import PlainTextResponse, Response

from hive.acting import Acting, Known, Require
from hive.answers import answer, no_content
from hive.classic import showing
from hive.classic.marks import Anybody, classic_body
from hive.classic.reading import Body, one_of, reference
from hive.classic.search import searchable
from hive.identity import managing, service
from hive.identity.models import User
from hive.identity.permissions import ADMIN_ORGANISATION, Permission
from hive.identity.user_routes import opened_key, renewed_key, stored_picture
from hive.tables import touch
from waggle.errors import AuthenticationFailed, Forbidden, InvalidFields
from waggle.web.fields import read_fields


class Current(Require):
    """Known callers. Pages of TheHive log out when the answer to who they are says so."""

    async def __call__(self, request: Request) -> Acting:
        try:
            return await super().__call__(request)
        except AuthenticationFailed as refused:
            raise HTTPException(refused.status, refused.message, headers={"X-Logout": "1"}) from None


Asking = Annotated[Acting, Depends(Current(None, visitors=True))]


def profile_for(roles: list[str], organisation: str) -> str:
    """The profile that roles of TheHive 3 stand for."""
    if "admin" in roles or "org-admin" in roles:
        return "admin" if organisation == ADMIN_ORGANISATION else "org-admin"
    return "analyst" if {"write", "alert"} & set(roles) else "read-only"


def login_of(given: str) -> str:
    """A login; TheHive 3's had no domain, which makes them addresses of this host."""
    login = given.strip().lower()
    if not login or any(c in login for c in " :") or not login.isprintable():
        raise InvalidFields.invalid("login", "a login without blanks is needed")
    return login if "@" in login else f"{login}@thehive.local"


async def _one(session: AsyncSession, acting: Acting, user: User) -> dict[str, Any]:
    return (await showing.users(session, acting, [user]))[0]


def routes(router: APIRouter) -> None:
    searchable(router, "/user", "user", showing.users, visitors=True)
    _users(router)
    _secrets(router)


def _users(router: APIRouter) -> None:
    @router.get("/user/current")
    async def current(acting: Asking) -> Response:
        async with acting.read() as session:
            user = await session.scalar(select(User).where(User.id == acting.caller.user_id))
            if user is None:
                raise AuthenticationFailed
            response = answer(await _one(session, acting, user))
        response.headers["X-Organisation"] = acting.caller.organisation
        return response

    @router.post("/user", status_code=201, openapi_extra=classic_body())
    async def create(request: Request, acting: Anybody) -> Response:
        acting.caller.check(Permission.USER)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        login, name = login_of(body.need("login", limit=100)), body.need("name", limit=128)
        password = body.text("password", limit=1024)
        hashed = await acting.hive.passwords.hash(service.check_password(password)) if password else None
        avatar = body.text("avatar")
        picture = await stored_picture(acting, avatar) if avatar else (None, None)
        roles, profile = body.texts("roles"), body.text("profile", limit=64)
        if roles is None and profile is None:
            raise InvalidFields.missing("roles")
        async with acting.begin() as session:
            org = await service.organisation(session, body.text("organisation", limit=64) or acting.caller.organisation)
            user = await service.create_user(
                session, acting.caller, login=login, name=name or login, org=org,
                profile_name=profile or profile_for(roles or [], org.name), password_hash=hashed,
            )  # fmt: skip
            if picture[0] is not None and user.avatar is None:
                user.avatar, user.avatar_type = picture
                await session.flush()
            return answer(await _one(session, acting, user), 201)

    @router.get("/user/{login}")
    async def get(login: str, acting: Known) -> Response:
        async with acting.read() as session:
            return answer(await _one(session, acting, await service.find_user(session, reference(login), acting.caller)))

    @router.patch("/user/{login}", openapi_extra=classic_body())
    async def update(login: str, request: Request, acting: Anybody) -> Response:
        """Name, avatar; with manageUser also roles (in `organisation`) and status."""
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        avatar = body.text("avatar")
        picture = await stored_picture(acting, avatar) if avatar else None
        async with acting.begin() as session:
            user = await service.find_user(session, reference(login), acting.caller, for_update=True)
            if user.id != acting.caller.user_id:
                acting.caller.check(Permission.USER)
            await _changed(session, acting, user, body, picture)
            return answer(await _one(session, acting, user))

    @router.delete("/user/{login}", status_code=204)
    async def lock(login: str, acting: Anybody) -> Response:
        async with acting.begin() as session:
            await managing.lock(session, acting.caller, await _managed(session, acting, login), locked=True)
        return no_content()

    @router.delete("/user/{login}/force", status_code=204)
    async def delete(login: str, acting: Anybody) -> Response:
        acting.caller.check(Permission.USER)
        async with acting.begin() as session:
            user = await service.find_user(session, reference(login), acting.caller, for_update=True)
            org = None
            if acting.caller.organisation != ADMIN_ORGANISATION:
                org = await service.organisation(session, acting.caller.organisation)
            await managing.remove(session, acting.caller, user, organisation=org, heir=None)
        return no_content()


async def _managed(session: AsyncSession, acting: Acting, login: str) -> User:
    user = await service.find_user(session, reference(login), acting.caller, for_update=True)
    await managing.check_manages(session, acting.caller, user)
    return user


async def _changed(session: AsyncSession, acting: Acting, user: User, body: Body, picture: tuple[bytes, str] | None) -> None:
    name = body.text("name", limit=128)
    if name:
        user.name = name
    if picture is not None:
        user.avatar, user.avatar_type = picture
    status = one_of(body, "status", ("Ok", "Locked"))
    if status is not None and (status == "Locked") != user.locked:
        await managing.check_manages(session, acting.caller, user)
        await managing.lock(session, acting.caller, user, locked=status == "Locked")
    roles = body.texts("roles")
    if roles is not None or body.text("profile", limit=64):
        org = await service.organisation(session, body.text("organisation", limit=64) or acting.caller.organisation)
        wanted = body.text("profile", limit=64) or profile_for(roles or [], org.name)
        await service.change_membership(session, acting.caller, user, org, wanted)
    touch(user, acting.caller.login)
    await session.flush()


def _secrets(router: APIRouter) -> None:
    @router.post("/user/{login}/password/set", status_code=204, openapi_extra=classic_body())
    async def set_password(login: str, request: Request, acting: Anybody) -> Response:
        acting.caller.check(Permission.USER)
        async with read_fields(request, json_by_default=True) as fields:
            password = Body(fields.values).need("password", limit=1024)
        hashed = await acting.hive.passwords.hash(service.check_password(password))
        async with acting.begin() as session:
            await service.set_password(session, acting.caller, await _managed(session, acting, login), hashed)
        return no_content()

    @router.post("/user/{login}/password/change", status_code=204, openapi_extra=classic_body())
    async def change_password(login: str, request: Request, acting: Anybody) -> Response:
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        current, password = body.need("currentPassword", limit=1024), body.need("password", limit=1024)
        async with acting.begin() as session:
            user = await service.find_user(session, reference(login), acting.caller, for_update=True)
            if user.id != acting.caller.user_id:
                raise Forbidden("a password is changed by its user; others set a new one")
            right = await acting.hive.passwords.verify(
                login=user.login, epoch=user.credentials_epoch, password=current, hashed=user.password_hash
            )
            if not right:
                raise AuthenticationFailed
            hashed = await acting.hive.passwords.hash(service.check_password(password))
            await service.set_password(session, acting.caller, user, hashed)
        return no_content()

    @router.get("/user/{login}/key", response_class=PlainTextResponse)
    async def get_key(login: str, acting: Anybody) -> Response:
        async with acting.read() as session:
            user = await _managed(session, acting, login)
            sealed = await managing.readable_key(session, user)
        return PlainTextResponse(opened_key(acting, user, sealed))

    @router.post("/user/{login}/key/renew", response_class=PlainTextResponse)
    async def renew_key(login: str, acting: Anybody) -> Response:
        async with acting.begin() as session:
            return PlainTextResponse(await renewed_key(session, acting, await _managed(session, acting, login)))

    @router.delete("/user/{login}/key", status_code=204)
    async def remove_key(login: str, acting: Anybody) -> Response:
        async with acting.begin() as session:
            await service.remove_api_keys(session, acting.caller, await _managed(session, acting, login))
        return no_content()
