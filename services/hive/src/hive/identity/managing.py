"""Managing people: memberships, removal with hand-over, avatars, keys that can be read back, open sessions.

What crosses organisations goes through functions of the database that check the caller themselves (migration 0004).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.identity import service
from hive.identity.caller import Caller
from hive.identity.models import ApiKey, Organisation, Profile, User
from hive.identity.permissions import ADMIN_ORGANISATION, Permission
from hive.tables import touch
from waggle.errors import BadRequest, Forbidden, InvalidFields, NotFound

MAX_AVATAR = 1 << 20
IMAGES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


@dataclass(frozen=True, slots=True)
class Wish:
    """A membership as it shall be."""

    organisation: str
    profile: str
    default: bool


async def organisations_of(session: AsyncSession, user: User) -> Sequence[Any]:
    """Everywhere the user is a member, with the permissions there; more than the caller may be shown."""
    return (await session.execute(text("SELECT * FROM organisations_of(:id)"), {"id": user.id})).all()


async def check_manages(session: AsyncSession, caller: Caller, user: User) -> None:
    """Nobody takes over, locks out or removes somebody with more rights than their own. Raises Forbidden."""
    if user.id == caller.user_id:
        return
    caller.check(Permission.USER)
    if caller.organisation == ADMIN_ORGANISATION or Permission.ORGANISATION in caller.permissions:
        return
    members = await organisations_of(session, user)
    if any(one.org_id != caller.org_id for one in members):
        raise Forbidden("the user also belongs to other organisations; an administrator of the platform can do this")
    if any(not set(one.permissions) <= caller.permissions for one in members):
        raise Forbidden("the user holds more than you do")


async def set_organisations(session: AsyncSession, caller: Caller, user: User, wishes: Sequence[Wish]) -> list[Wish]:
    """Replaces all memberships; the caller manages people in each organisation that changes, or in `admin`.

    Raises BadRequest, Forbidden or NotFound.
    """
    if sum(wish.default for wish in wishes) > 1:
        raise BadRequest("one organisation is the default")
    before = {one.org_id: one for one in await organisations_of(session, user)}
    rows: list[dict[str, Any]] = []
    orgs: list[tuple[Organisation, Profile, bool]] = []
    for position, wish in enumerate(wishes):
        org = await service.organisation(session, wish.organisation)
        profile = await service.profile(session, wish.profile)
        former = before.get(org.id)
        if former is None or former.profile != profile.name:
            await service.check_grant(session, caller, org, profile)
        if any(row["org_id"] == org.id for row in rows):
            raise BadRequest(f"{org.name} is named twice")
        rows.append({"org_id": org.id, "profile_id": profile.id, "position": position})
        orgs.append((org, profile, wish.default))
    await _check_leaving(
        session, caller, user, [one for one in before.values() if all(row["org_id"] != one.org_id for row in rows)]
    )
    await session.execute(
        text("SELECT replace_memberships(:id, CAST(:rows AS jsonb))"), {"id": user.id, "rows": orjson.dumps(rows).decode()}
    )
    user.default_org_id = next((org.id for org, _, default in orgs if default), orgs[0][0].id)
    touch(user, caller.login)
    await session.flush()
    shown = [Wish(org.name, profile.name, default) for org, profile, default in orgs]
    details = {"organisations": [{"organisation": one.organisation, "profile": one.profile} for one in shown]}
    await _record(session, caller, user, "update", details)
    return shown


async def _check_leaving(session: AsyncSession, caller: Caller, user: User, leaving: Sequence[Any]) -> None:
    for one in leaving:
        if not await session.scalar(text("SELECT manages_people_of(:org)"), {"org": one.org_id}):
            raise Forbidden(f"taking the user out of {one.name} needs {Permission.USER} there")
        if one.name == ADMIN_ORGANISATION:
            await _check_last(session, user)


async def _check_last(session: AsyncSession, user: User) -> None:
    if not await session.scalar(text("SELECT another_administrator(:id)"), {"id": user.id}):
        raise BadRequest("the last administrator of the platform stays")


async def lock(session: AsyncSession, caller: Caller, user: User, *, locked: bool) -> None:
    """Ends every session and key at once. Raises BadRequest for oneself and for the last administrator."""
    if user.locked == locked:
        return
    if user.id == caller.user_id:
        raise BadRequest("nobody locks themselves out")
    if locked and any(one.name == ADMIN_ORGANISATION for one in await organisations_of(session, user)):
        await _check_last(session, user)
    user.locked = locked
    user.credentials_epoch += 1
    touch(user, caller.login)
    await session.flush()
    await _record(session, caller, user, "update", {"locked": locked})


async def remove(
    session: AsyncSession, caller: Caller, user: User, *, organisation: Organisation | None, heir: User | None
) -> None:
    """Takes the user out of one organisation, or away altogether; who they were stays in the history by login.

    What was assigned to them goes to `heir` where that user is a member, else to nobody.
    """
    if user.id == caller.user_id:
        raise BadRequest("nobody removes themselves")
    members = await organisations_of(session, user)
    leaving = [one for one in members if organisation is None or one.org_id == organisation.id]
    if organisation is not None and not leaving:
        raise NotFound(f"User {user.login} is no member of {organisation.name}")
    await _check_leaving(session, caller, user, leaving)
    details = {"login": user.login, "organisations": [one.name for one in leaving], "heir": heir.login if heir else None}
    await _record(session, caller, user, "delete", details)
    await session.flush()
    await session.execute(
        text("SELECT remove_user(:id, CAST(:org AS bigint), CAST(:heir AS bigint))"),
        {"id": user.id, "org": organisation.id if organisation else None, "heir": heir.id if heir else None},
    )
    session.expunge(user)


def image(encoded: str) -> tuple[bytes, str]:
    """A picture sent as base64 or as a data URI, and its type by its content. Raises InvalidFields."""
    raw = encoded.partition(",")[2] if encoded.startswith("data:") else encoded
    try:
        content = base64.b64decode(raw, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidFields.invalid("avatar", "base64 is needed") from None
    kind = next((kind for start, kind in IMAGES if content.startswith(start)), None)
    if kind is None and content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        kind = "image/webp"
    if kind is None or len(content) > MAX_AVATAR:
        raise InvalidFields.invalid("avatar", f"a PNG, JPEG, GIF or WebP of at most {MAX_AVATAR >> 10} KiB is needed")
    return content, kind


async def readable_key(session: AsyncSession, user: User) -> bytes:
    """The sealed key that the classic way of making keys keeps. Raises NotFound where there is none to read."""
    statement = select(ApiKey.sealed).where(ApiKey.user_id == user.id, ApiKey.sealed.is_not(None)).order_by(ApiKey.id.desc())
    sealed = await session.scalar(statement.limit(1))
    if sealed is None:
        raise NotFound(f"User {user.login} has no key that can be read")
    return bytes(sealed)


async def sessions_of(session: AsyncSession, user: User) -> Sequence[Any]:
    """The open browser sessions of a user the caller manages."""
    return (await session.execute(text("SELECT * FROM sessions_of(:id)"), {"id": user.id})).all()


async def close_sessions(session: AsyncSession, caller: Caller, user: User, name: str | None) -> None:
    """Closes one session, or all of them. Raises NotFound for one that is not open."""
    values = {"id": user.id, "session": name}
    closed = await session.scalar(text("SELECT close_sessions(:id, CAST(:session AS text))"), values)
    if name is not None and not closed:
        raise NotFound("Session not found")
    await _record(session, caller, user, "update", {"sessions": "closed"})


async def _record(session: AsyncSession, caller: Caller, user: User, action: Any, details: dict[str, Any]) -> None:
    root = Root("user", user.id)
    await record(session, caller, action=action, kind="user", object_id=user.id, root=root, details=details)
