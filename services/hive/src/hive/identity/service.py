"""Organisations, users, memberships, passwords and keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, exists, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.identity.caller import Caller
from hive.identity.models import ApiKey, Membership, Organisation, Profile, User
from hive.identity.permissions import ADMIN_ORGANISATION, BUILT_IN_PROFILES, Permission
from hive.identity.schemas import OutputMembership, OutputUser, updated
from hive.tables import number_of, text_id, touch
from waggle.errors import BadRequest, CreateError, Forbidden, NotFound
from waggle.ids import now_ms
from waggle.security.keys import key_hash, key_prefix, new_key
from waggle.security.passwords import MINIMUM_LENGTH, is_blank

CLASSIC_KEY = "classic"


def check_password(password: str) -> str:
    """Raises BadRequest for a password too short to be one."""
    if is_blank(password) or len(password) < MINIMUM_LENGTH:
        raise BadRequest(f"a password has at least {MINIMUM_LENGTH} characters")
    return password


async def organisation(session: AsyncSession, reference: str) -> Organisation:
    found = await session.scalar(
        select(Organisation).where(
            or_(Organisation.id == number_of(reference), func.lower(Organisation.name) == reference.lower())
        )
    )
    if found is None:
        raise NotFound(f"Organisation {reference[:64]} not found")
    return found


async def profile(session: AsyncSession, reference: str) -> Profile:
    found = await session.scalar(select(Profile).where(or_(Profile.id == number_of(reference), Profile.name == reference)))
    if found is None:
        raise NotFound(f"Profile {reference[:64]} not found")
    return found


async def change_profile(
    session: AsyncSession, caller: Caller, row: Profile, *, name: str | None, permissions: list[str] | None
) -> None:
    """Raises BadRequest for a profile that cannot be edited, CreateError for a name that is taken."""
    if not row.editable:
        raise BadRequest(f"the profile {row.name} cannot be changed")
    if name is not None and name != row.name:
        if row.name in BUILT_IN_PROFILES:
            raise BadRequest(f"the profile {row.name} keeps its name")
        if await session.scalar(select(exists().where(Profile.name == name))):
            raise CreateError(f"Profile {name} already exist")
        row.name = name
    if permissions is not None:
        row.permissions = permissions
    touch(row, caller.login)
    await session.flush()
    root = Root("organisation", caller.org_id)
    details = {"name": row.name, "permissions": row.permissions}
    await record(session, caller, action="update", kind="profile", object_id=row.id, root=root, details=details)


async def remove_profile(session: AsyncSession, caller: Caller, row: Profile) -> None:
    """Raises BadRequest for a built-in profile and for one in use."""
    if row.name in BUILT_IN_PROFILES:
        raise BadRequest(f"the profile {row.name} is built in")
    if await session.scalar(text("SELECT profile_used(:id)"), {"id": row.id}):
        raise BadRequest(f"the profile {row.name} is in use")
    root = Root("organisation", caller.org_id)
    await record(session, caller, action="delete", kind="profile", object_id=row.id, root=root, details={"name": row.name})
    await session.delete(row)
    await session.flush()


async def create_organisation(
    session: AsyncSession, caller: Caller, *, name: str, description: str, **columns: Any
) -> Organisation:
    """Raises CreateError for a name that exists (in any case)."""
    if await session.scalar(select(exists().where(func.lower(Organisation.name) == name.lower()))):
        raise CreateError(f"Organisation {name} already exist")
    row = Organisation(name=name, description=description, created_at=now_ms(), created_by=caller.login, **columns)
    session.add(row)
    await session.flush()
    root = Root("organisation", row.id)
    await record(session, caller, action="create", kind="organisation", object_id=row.id, root=root, details={"name": name})
    return row


async def find_user(session: AsyncSession, reference: str, caller: Caller, *, for_update: bool = False) -> User:
    """A user the caller may see: oneself, one of the organisation, anybody for the administration organisation."""
    statement = select(User).where(or_(User.id == number_of(reference), User.login == reference.lower()))
    if for_update:
        statement = statement.with_for_update(of=User).execution_options(populate_existing=True)
    found = await session.scalar(statement)
    if found is not None and found.id != caller.user_id:
        visible = await session.scalar(select(exists().where(Membership.user_id == found.id)))
        if not visible and caller.organisation != ADMIN_ORGANISATION:
            found = None
    if found is None:
        raise NotFound(f"User {reference[:128]} not found")
    return found


async def create_user(
    session: AsyncSession,
    caller: Caller,
    *,
    login: str,
    name: str,
    org: Organisation,
    profile_name: str,
    email: str | None = None,
    kind: str = "Normal",
    password_hash: str | None = None,
) -> User:
    """A user of that login as member of the organisation. Idempotent: an existing user gains the membership, nothing else."""
    wanted = await profile(session, profile_name)
    await check_grant(session, caller, org, wanted)
    login = login.lower()
    user = await session.scalar(select(User).where(User.login == login))
    if user is None:
        user = User(
            login=login, name=name, email=email, kind=kind, password_hash=password_hash, default_org_id=org.id,
            created_at=now_ms(), created_by=caller.login,
        )  # fmt: skip
        session.add(user)
        await session.flush()
        await record(
            session, caller, action="create", kind="user", object_id=user.id, root=Root("user", user.id),
            details={"login": login, "name": name, "organisation": org.name, "profile": wanted.name},
        )  # fmt: skip
    member = await session.scalar(select(Membership).where(Membership.user_id == user.id, Membership.org_id == org.id))
    if member is None:
        session.add(Membership(user_id=user.id, org_id=org.id, profile_id=wanted.id, position=0))
        await session.flush()
    return user


async def check_grant(session: AsyncSession, caller: Caller, org: Organisation, wanted: Profile) -> None:
    """Nobody gives what they do not have (threats S16): administration only from the administration organisation.

    Raises Forbidden; BadRequest for a profile that does not belong there.
    """
    inside_admin = org.name == ADMIN_ORGANISATION
    if inside_admin != (wanted.kind == "Admin"):
        raise BadRequest(f"the profile {wanted.name} does not belong in the organisation {org.name}")
    if caller.organisation == ADMIN_ORGANISATION:
        return
    if caller.visiting and org.id == caller.org_id:
        return
    if org.id == caller.org_id and set(wanted.permissions) <= caller.permissions:
        return
    held = await session.scalar(
        select(Profile.permissions)
        .join(Membership, Membership.profile_id == Profile.id)
        .where(Membership.user_id == caller.user_id, Membership.org_id == org.id)
    )
    if held is None or Permission.USER not in held or not set(wanted.permissions) <= set(held):
        raise Forbidden(f"giving the profile {wanted.name} in {org.name} needs more than you hold there")


async def change_membership(session: AsyncSession, caller: Caller, user: User, org: Organisation, profile_name: str) -> None:
    """Another profile in an organisation the user is a member of. Raises Forbidden, BadRequest or NotFound."""
    caller.check(Permission.USER)
    wanted = await profile(session, profile_name)
    await check_grant(session, caller, org, wanted)
    member = await session.get(Membership, (user.id, org.id))
    if member is None:
        raise NotFound(f"User {user.login} is no member of {org.name}")
    member.profile_id = wanted.id
    await session.flush()


async def set_password(session: AsyncSession, caller: Caller, user: User, password_hash: str) -> None:
    user.password_hash = password_hash
    user.credentials_epoch += 1
    touch(user, caller.login)
    await session.flush()
    root = Root("user", user.id)
    await record(session, caller, action="update", kind="user", object_id=user.id, root=root, details={"password": "changed"})


async def new_api_key(
    session: AsyncSession, caller: Caller, user: User, *, name: str, key: str | None = None, sealed: bytes | None = None
) -> str:
    """A key of the user, returned once. `key` is one given by the operator (a seed); `sealed` only for the classic routes."""
    made = key or new_key()
    await session.execute(delete(ApiKey).where(ApiKey.user_id == user.id, ApiKey.name == name))
    session.add(
        ApiKey(
            user_id=user.id, name=name, prefix=key_prefix(made), hash=key_hash(made), sealed=sealed, created_at=now_ms(),
            created_by=caller.login,
        )
    )  # fmt: skip
    await session.flush()
    root = Root("user", user.id)
    await record(session, caller, action="update", kind="user", object_id=user.id, root=root, details={"key": "renewed"})
    return made


async def remove_api_keys(session: AsyncSession, caller: Caller, user: User) -> None:
    await session.execute(delete(ApiKey).where(ApiKey.user_id == user.id))
    user.credentials_epoch += 1
    touch(user, caller.login)
    await session.flush()
    root = Root("user", user.id)
    await record(session, caller, action="update", kind="user", object_id=user.id, root=root, details={"key": "removed"})


async def users_out(session: AsyncSession, caller: Caller, users: Sequence[User]) -> list[OutputUser]:
    """Users with their organisations; profile and permissions are those of the request's organisation if they are in it."""
    ids = [user.id for user in users]
    members: dict[int, list[Any]] = {}
    for row in await session.execute(
        select(Membership.user_id, Organisation.id, Organisation.name, Profile.name, Profile.permissions)
        .join(Organisation, Organisation.id == Membership.org_id)
        .join(Profile, Profile.id == Membership.profile_id)
        .where(Membership.user_id.in_(ids))
        .order_by(Membership.position, Organisation.id)
    ):
        members.setdefault(row[0], []).append(row)
    with_key = set(await session.scalars(select(ApiKey.user_id).where(ApiKey.user_id.in_(ids))))
    return [_user_out(user, members.get(user.id, []), caller, has_key=user.id in with_key) for user in users]


def _user_out(user: User, members: list[Any], caller: Caller, *, has_key: bool) -> OutputUser:
    here = next((m for m in members if m[1] == caller.org_id), None)
    shown = here or next((m for m in members if m[1] == user.default_org_id), None) or (members[0] if members else None)
    default = next((m[2] for m in members if m[1] == user.default_org_id), None)
    organisations: list[OutputMembership] = [
        {"organisationId": text_id(m[1]), "organisation": m[2], "profile": m[3]} for m in members
    ]
    answer: OutputUser = {
        "_id": text_id(user.id), "_type": "User", "_createdBy": user.created_by, "_createdAt": user.created_at,
        "version": user.version, "login": user.login, "name": user.name, "hasKey": has_key,
        "hasPassword": user.password_hash is not None, "hasMFA": False, "locked": user.locked,
        "profile": shown[3] if shown else "", "permissions": sorted(shown[4]) if shown else [],
        "organisation": shown[2] if shown else "", "organisations": organisations, "type": user.kind, "extraData": {},
    }  # fmt: skip
    answer.update(updated(user))  # type: ignore[typeddict-item]
    if user.avatar is not None:
        answer["avatar"] = user.avatar.hex()
    if user.email is not None:
        answer["email"] = user.email
    if default is not None:
        answer["defaultOrganisation"] = default
    return answer
