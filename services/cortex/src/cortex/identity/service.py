"""Rules of organisations and users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cortex import audit
from cortex.acting import Actor
from cortex.identity.models import HOME, ROLES, ApiKey, Organisation, User
from waggle.errors import BadRequest, ConflictError, Forbidden, InvalidFields, NotFound
from waggle.ids import now_ms
from waggle.security.passwords import MINIMUM_LENGTH, Passwords, is_blank

NOT_ALLOWED = "You are not authorized to perform this action"
MAX_NAME = 200


# Organisations ----------------------------------------------------------------------------------------------------------


async def get_organisation(session: AsyncSession, *, name: str) -> Organisation:
    """Raises NotFound, also for an organisation the caller may not see."""
    found = await session.get(Organisation, name)
    if found is None:
        raise NotFound(f"organization {name} not found")
    return found


async def create_organisation(
    session: AsyncSession, actor: Actor, *, name: str, description: str, status: str = "Active"
) -> Organisation:
    """Raises ConflictError where the name is taken."""
    _check_name("name", name)
    organisation = Organisation(
        id=name, description=description, status=status, created_at=now_ms(), created_by=actor.login, version=1
    )
    await _insert(session, organisation, f"organization {name} already exists")
    await audit.record(session, actor, "create", "organization", name, {"description": description, "status": status})
    return organisation


async def update_organisation(session: AsyncSession, actor: Actor, *, name: str, changes: dict[str, Any]) -> Organisation:
    """`changes`: description, status. The home of the superadmins stays as it is."""
    if name == HOME:
        raise BadRequest(f"Organization {HOME} can't be updated")
    organisation = await get_organisation(session, name=name)
    await _apply(session, actor, organisation, changes, kind="organization", object_id=name)
    return organisation


async def organisation_statistics(session: AsyncSession, *, name: str) -> dict[str, Any]:
    """Users by status. (Workers of other organisations are not visible here, so they are not counted.)"""
    rows = await session.execute(select(User.status, func.count()).where(User.org_id == name).group_by(User.status))
    users = dict(list(rows.tuples()))
    return {"users": {**users, "total": sum(users.values())}}


# Users ------------------------------------------------------------------------------------------------------------------


async def get_user(session: AsyncSession, actor: Actor, *, login: str) -> User:
    """Raises NotFound, also for a user of another organisation, whom only superadmins see."""
    found = await session.get(User, login)
    if found is None or (found.org_id != actor.organisation and not actor.holds("superadmin")):
        raise NotFound(f"user {login} not found")
    return found


async def keys_of(session: AsyncSession, logins: Sequence[str]) -> set[str]:
    """Which of these users have an API key."""
    return set(await session.scalars(select(ApiKey.login).where(ApiKey.login.in_(logins))))


async def create_user(
    session: AsyncSession,
    actor: Actor,
    *,
    login: str,
    name: str,
    roles: Sequence[str],
    organisation: str,
    password_hash: str | None = None,
    status: str = "Ok",
    avatar: str | None = None,
    preferences: str = "{}",
) -> User:
    """Raises Forbidden for a right the actor does not have to give, ConflictError where the login is taken."""
    _check_name("login", login)
    chosen = checked_roles(roles)
    may_name_roles(actor, roles=chosen, organisation=organisation)
    await _require_active(session, organisation)
    user = User(
        login=login,
        org_id=organisation,
        name=name,
        roles=chosen,
        status=status,
        password_hash=password_hash,
        avatar=avatar,
        preferences=preferences,
        credentials_epoch=0,
        created_at=now_ms(),
        created_by=actor.login,
        version=1,
    )
    await _insert(session, user, f"user {login} already exists")
    await audit.record(session, actor, "create", "user", login, {"roles": chosen, "organization": organisation})
    return user


async def update_user(session: AsyncSession, actor: Actor, *, login: str, changes: dict[str, Any]) -> User:
    """`changes` by column: name, roles, status, org_id, avatar, preferences. Raises Forbidden for what the actor may not."""
    user = await get_user(session, actor, login=login)
    administers = actor.holds("superadmin") or (actor.holds("orgadmin") and user.org_id == actor.organisation)
    if login != actor.login and not administers:
        raise Forbidden(NOT_ALLOWED)
    if login == actor.login and any(changes.get(f, getattr(user, f)) != getattr(user, f) for f in ("org_id", "roles", "status")):
        raise Forbidden(NOT_ALLOWED)
    if not actor.holds("superadmin") and changes.get("org_id", user.org_id) != user.org_id:
        raise Forbidden(NOT_ALLOWED)
    if "roles" in changes:
        changes["roles"] = checked_roles(changes["roles"])
    if login != actor.login and not changes.keys().isdisjoint({"roles", "org_id"}):
        organisation = changes.get("org_id", user.org_id)
        await _require_active(session, organisation)
        may_name_roles(actor, roles=changes.get("roles", user.roles), organisation=organisation)
    if changes.get("status", user.status) != user.status or changes.get("org_id", user.org_id) != user.org_id:
        changes["credentials_epoch"] = user.credentials_epoch + 1
    await _apply(session, actor, user, changes, kind="user", object_id=login)
    if "org_id" in changes and (key := await session.get(ApiKey, login)):
        key.org_id = user.org_id
    return user


async def lock_user(session: AsyncSession, actor: Actor, *, login: str) -> None:
    """What deleting a user means: history keeps its names. Nobody locks himself out."""
    if login == actor.login:
        raise BadRequest("You cannot remove yourself")
    await update_user(session, actor, login=login, changes={"status": "Locked"})


async def administered_user(session: AsyncSession, actor: Actor, *, login: str, or_self: bool) -> User:
    """The user, if the actor may manage its credentials. Raises NotFound for users of other organisations, else Forbidden."""
    user = await get_user(session, actor, login=login)
    if or_self and login == actor.login:
        return user
    if actor.holds("superadmin") or (actor.holds("orgadmin") and user.org_id == actor.organisation):
        if user.org_id == HOME and not actor.holds("superadmin"):
            raise Forbidden(NOT_ALLOWED)
        return user
    raise Forbidden("Insufficient rights to perform this action")


async def set_password(session: AsyncSession, actor: Actor, passwords: Passwords, *, user: User, password: str) -> None:
    """Ends every session of the user."""
    user.password_hash = await hashed(passwords, password)
    user.credentials_epoch += 1
    await audit.record(session, actor, "update", "user", user.login, {"password": "changed"})


async def change_password(
    session: AsyncSession, actor: Actor, passwords: Passwords, *, login: str, current: str, password: str
) -> None:
    """One's own, with the present one. Raises Forbidden where that is wrong."""
    if login != actor.login:
        raise Forbidden("You can't change password of another user")
    user = await get_user(session, actor, login=login)
    right = await passwords.verify(login=login, epoch=user.credentials_epoch, password=current, hashed=user.password_hash)
    if not right:
        raise Forbidden("Authentication failure")
    await set_password(session, actor, passwords, user=user, password=password)


async def hashed(passwords: Passwords, password: str) -> str:
    """The hash of a new password. Raises InvalidFields for one that is too short or blank."""
    if is_blank(password) or len(password) < MINIMUM_LENGTH:
        raise InvalidFields.invalid("password", f"it needs at least {MINIMUM_LENGTH} characters that are not blank")
    return await passwords.hash(password)


# Helpers ----------------------------------------------------------------------------------------------------------------


def checked_roles(roles: Sequence[str]) -> list[str]:
    """Lower-cased and without repeats. Raises InvalidFields for a role that does not exist."""
    chosen = list(dict.fromkeys(role.lower() for role in roles))
    if unknown := [role for role in chosen if role not in ROLES]:
        raise InvalidFields.invalid("roles", f"unknown role {unknown[0]}; there are {', '.join(ROLES)}")
    return chosen


def may_name_roles(actor: Actor, *, roles: Sequence[str], organisation: str) -> None:
    """Whether the actor may give these roles in this organisation (threats S16: nobody gives more than he has).

    Superadmins live in their own organisation and do nothing else there; whoever is in it administers everybody.
    """
    if not actor.holds("superadmin"):
        if organisation != actor.organisation or "superadmin" in roles or organisation == HOME:
            raise Forbidden(NOT_ALLOWED)
    elif organisation == HOME and list(roles) != ["superadmin"]:
        raise BadRequest(f'Users of the organization {HOME} have exactly the roles ["superadmin"]')
    elif organisation != HOME and "superadmin" in roles:
        raise BadRequest(f"superadmin is a role of the organization {HOME} alone")


async def _require_active(session: AsyncSession, name: str) -> None:
    organisation = await session.get(Organisation, name)
    if organisation is None:
        raise BadRequest(f"organization {name} not found")
    if organisation.status != "Active":
        raise BadRequest(f"Organization {name} is locked")


def _check_name(field: str, name: str) -> None:
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable() or "/" in name:
        raise InvalidFields.invalid(field, f"up to {MAX_NAME} printable characters without slashes are needed")


async def _insert(session: AsyncSession, row: Organisation | User, taken: str) -> None:
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise ConflictError(taken, object={}) from None


async def _apply(
    session: AsyncSession, actor: Actor, row: Organisation | User, changes: dict[str, Any], *, kind: str, object_id: str
) -> None:
    changed = {name: value for name, value in changes.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    if changed:
        row.updated_at, row.updated_by, row.version = now_ms(), actor.login, row.version + 1
        await session.flush()
        await audit.record(session, actor, "update", kind, object_id, {k: v for k, v in changed.items() if k != "avatar"})
