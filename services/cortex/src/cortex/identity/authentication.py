"""Who is calling: keys, passwords, sessions. Runs as the system role: the caller's organisation is not known before.

Every failure looks the same from outside; the time it takes does not tell whether a user exists.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.acting import Actor
from cortex.identity.models import HOME, ROLES, Organisation, Session, User
from waggle.db import Database
from waggle.db.recent import Recent
from waggle.errors import AuthenticationFailed
from waggle.security.keys import key_hash
from waggle.security.passwords import Passwords

RENEW_AFTER = timedelta(seconds=60)
"""A session's expiry is moved at most once in this time, so that not every request writes."""
_BY_KEY = """
SELECT u.login, u.org_id, u.roles, u.name FROM api_keys k JOIN users u ON u.login = k.login
JOIN organisations o ON o.id = u.org_id WHERE k.hash = $1 AND u.status = 'Ok' AND o.status = 'Active'
"""
INIT = Actor(login="init", organisation=HOME, roles=frozenset(ROLES), name="Initial user")


def actor_of(user: User, request_id: str) -> Actor:
    return Actor(login=user.login, organisation=user.org_id, roles=frozenset(user.roles), name=user.name, request_id=request_id)


async def by_key(database: Database, recent: Recent[Actor], key: str, request_id: str) -> Actor:
    """Who an API key belongs to; one statement, or none for a key that was just used. Raises AuthenticationFailed."""
    hashed, generation = key_hash(key), recent.generation
    known = recent.get(hashed)
    if known is None:
        rows = await database.fetch(_BY_KEY, hashed, system=True)
        if not rows:
            raise AuthenticationFailed()
        login, org_id, roles, name = rows[0]
        known = Actor(login=login, organisation=org_id, roles=frozenset(roles), name=name)
        recent.keep(hashed, known, generation)
    return replace(known, request_id=request_id)


async def by_password(session: AsyncSession, passwords: Passwords, *, login: str, password: str) -> User:
    """The user of a login and password. Raises AuthenticationFailed, after the same work whether or not the user exists."""
    query = (
        select(User)
        .join(Organisation, Organisation.id == User.org_id)
        .where(User.login == login, User.status == "Ok", Organisation.status == "Active")
    )
    user = (await session.scalars(query)).one_or_none() if "\0" not in login else None
    right = await passwords.verify(
        login=login,
        epoch=user.credentials_epoch if user else 0,
        password=password,
        hashed=user.password_hash if user else None,
    )
    if not right or user is None:
        raise AuthenticationFailed()
    return user


def _token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


async def open_session(session: AsyncSession, user: User, *, minutes: float) -> str:
    """A new session's token; the table keeps its hash alone. Sessions that are over are swept along."""
    now = datetime.now(UTC)
    await session.execute(delete(Session).where(Session.expires_at < now))
    token = secrets.token_urlsafe(32)
    session.add(
        Session(
            id_hash=_token_hash(token),
            login=user.login,
            credentials_epoch=user.credentials_epoch,
            expires_at=now + timedelta(minutes=minutes),
        )
    )
    return token


async def by_session(session: AsyncSession, token: str, *, minutes: float) -> User:
    """The user of a session, whose life begins anew. A password change or a lock ends it. Raises AuthenticationFailed."""
    now = datetime.now(UTC)
    query = (
        select(Session, User)
        .join(User, User.login == Session.login)
        .join(Organisation, Organisation.id == User.org_id)
        .where(
            Session.id_hash == _token_hash(token),
            Session.expires_at > now,
            Session.credentials_epoch == User.credentials_epoch,
            User.status == "Ok",
            Organisation.status == "Active",
        )
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise AuthenticationFailed()
    found, user = row
    until = now + timedelta(minutes=minutes)
    if until - found.expires_at > RENEW_AFTER:
        found.expires_at = until
    return user


async def session_remaining(session: AsyncSession, token: str) -> float:
    """Seconds until the session ends when nothing happens; 0 when there is none."""
    query = select(Session.expires_at).where(Session.id_hash == _token_hash(token))
    until = await session.scalar(query)
    return 0.0 if until is None else max(0.0, (until - datetime.now(UTC)).total_seconds())


async def close_session(session: AsyncSession, token: str) -> None:
    await session.execute(delete(Session).where(Session.id_hash == _token_hash(token)))


async def nobody_is_there(session: AsyncSession) -> bool:
    """Whether no user exists yet: the only time when the initial user may act."""
    return not await session.scalar(select(func.count()).select_from(User))
