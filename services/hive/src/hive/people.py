"""`hive user`: people by the command line, as the owner of the tables."""

from __future__ import annotations

import argparse
import getpass
import sys

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.identity.caller import Caller, platform_caller
from hive.identity.models import Membership, Organisation, Profile, User
from hive.identity.permissions import ADMIN_ORGANISATION
from hive.identity.service import check_password, create_user, organisation, set_password
from hive.platform import Hive
from waggle.errors import WaggleError


def _password() -> str:
    """From the terminal without echo, or the first line of standard input; never from the command line."""
    if sys.stdin.isatty():
        return getpass.getpass("password: ")
    return sys.stdin.readline().rstrip("\n")


async def _administrator(session: AsyncSession) -> Caller:
    admin = await organisation(session, ADMIN_ORGANISATION)
    return platform_caller(admin.id, admin.name)


async def administer(hive: Hive, arguments: argparse.Namespace) -> str:
    """Does what was asked and returns what to print. Mistakes end the program with their reason."""
    try:
        async with hive.database.system() as session:
            if arguments.action == "list":
                return await _listed(session)
            if not arguments.login:
                raise SystemExit("a login is needed")
            if arguments.action == "add":
                return await _added(hive, session, arguments)
            return await _changed(hive, session, arguments.login)
    except WaggleError as error:
        raise SystemExit(error.message) from None


async def _listed(session: AsyncSession) -> str:
    rows = await session.execute(
        select(User.login, User.locked, Organisation.name, Profile.name)
        .join(Membership, Membership.user_id == User.id)
        .join(Organisation, Organisation.id == Membership.org_id)
        .join(Profile, Profile.id == Membership.profile_id)
        .order_by(User.login, Organisation.name)
    )
    return "\n".join(f"{login}\t{org}\t{profile}{'	locked' if locked else ''}" for login, locked, org, profile in rows)


async def _added(hive: Hive, session: AsyncSession, arguments: argparse.Namespace) -> str:
    if not arguments.organisation:
        raise SystemExit("--organisation is needed")
    hashed = await hive.passwords.hash(check_password(_password()))
    caller = await _administrator(session)
    org = await organisation(session, arguments.organisation)
    made = await create_user(
        session, caller, login=arguments.login, name=arguments.name or arguments.login, org=org,
        profile_name=arguments.profile, password_hash=hashed,
    )  # fmt: skip
    return f"{made.login} is {arguments.profile} of {org.name}"


async def _changed(hive: Hive, session: AsyncSession, login: str) -> str:
    found = await session.scalar(select(User).where(User.login == login.lower()).with_for_update())
    if found is None:
        raise SystemExit(f"there is no user {login}")
    hashed = await hive.passwords.hash(check_password(_password()))
    await set_password(session, await _administrator(session), found, hashed)
    return f"the password of {found.login} is set; all their sessions are closed"
