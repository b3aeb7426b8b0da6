"""From credentials to a caller: API key, Basic, or session cookie; then the organisation of the request.

These look-ups happen before any organisation is known and therefore run as the system role, one statement each.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection

from hive.identity.caller import Caller
from hive.identity.permissions import ADMIN_ORGANISATION, ADMINISTRATION
from hive.tables import number_of
from waggle.db import Database
from waggle.db.notify import Listener
from waggle.db.recent import Recent
from waggle.errors import AuthenticationFailed, TooManyRequests
from waggle.security.keys import key_hash
from waggle.security.passwords import Passwords
from waggle.web import client_address

SESSION_COOKIE = "THEHIVE-SESSION"
ATTEMPTS = 10.0
REFILL_SECONDS = 6.0
CHANNEL = "hive_identity"
"""What PostgreSQL tells changes of rights on (`tell_identity` in the schema)."""

MEMBERSHIPS = """(SELECT coalesce(jsonb_agg(jsonb_build_object('org_id', m.org_id, 'name', o.name, 'locked', o.locked,
    'profile', p.name, 'permissions', p.permissions)
    ORDER BY m.org_id = u.default_org_id DESC NULLS LAST, m.position, m.org_id), '[]')
  FROM memberships m JOIN organisations o ON o.id = m.org_id JOIN profiles p ON p.id = m.profile_id WHERE m.user_id = u.id)"""
USER = f"u.id, u.login, u.name, u.locked, u.password_hash, u.credentials_epoch, {MEMBERSHIPS} AS memberships"
BY_KEY = f"""SELECT {USER}, k.id AS key_id, k.org_id AS key_org,
    (k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute') AS stale
  FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.hash = $1"""
BY_LOGIN = f"""SELECT {USER}, (SELECT least({ATTEMPTS}, a.tokens + extract(epoch FROM now() - a.updated_at) / {REFILL_SECONDS})
    FROM login_attempts a WHERE a.key = $2) AS tokens FROM (SELECT 1) one LEFT JOIN users u ON u.login = $1"""
BY_SESSION = f"""UPDATE sessions s SET seen_at = now(), expires_at = now() + $2::double precision * interval '1 hour' FROM users u
  WHERE s.id_hash = $1 AND s.expires_at > now() AND u.id = s.user_id AND s.credentials_epoch = u.credentials_epoch
  RETURNING {USER}, s.org_id AS session_org"""
SPEND = f"""INSERT INTO login_attempts AS a (key, tokens) SELECT key, {ATTEMPTS} - 1 FROM unnest($1::text[]) AS key
  ON CONFLICT (key) DO UPDATE SET updated_at = now(),
    tokens = greatest(0, least({ATTEMPTS}, a.tokens + extract(epoch FROM now() - a.updated_at) / {REFILL_SECONDS}) - 1)"""


@dataclass(frozen=True, slots=True)
class Membership:
    org_id: int
    name: str
    profile: str
    permissions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Account:
    """A user whose credentials were right, and what they are where. The first membership is the default."""

    user_id: int
    login: str
    name: str
    epoch: int
    memberships: tuple[Membership, ...]
    only_org: int | None = None
    preferred_org: int | None = None
    by_cookie: bool = False


def _account(row: Any, **more: Any) -> Account:
    if row["locked"]:
        raise AuthenticationFailed
    found = row["memberships"]
    members = tuple(
        Membership(m["org_id"], m["name"], m["profile"], frozenset(m["permissions"])) for m in found if not m["locked"]
    )
    return Account(row["id"], row["login"], row["name"], row["credentials_epoch"], members, **more)


class Authenticator:
    """Credentials of a request to an account. Every failure is the same AuthenticationFailed (threats S07)."""

    def __init__(self, database: Database, passwords: Passwords, listener: Listener, *, session_hours: float) -> None:
        self._database = database
        self.recent: Recent[Account] = Recent(listener, CHANNEL)
        self._passwords = passwords
        self.session_hours = session_hours

    async def account(self, connection: HTTPConnection) -> Account:
        scheme, _, credentials = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return await self._by_key(credentials.strip())
        if scheme.lower() == "basic":
            login, password = _basic(credentials.strip())
            return await self.by_password(login, password, address=client_address(connection))
        if scheme:
            raise AuthenticationFailed
        if token := connection.cookies.get(SESSION_COOKIE):
            return await self._by_session(token)
        raise AuthenticationFailed

    async def _by_key(self, key: str) -> Account:
        hashed, generation = key_hash(key), self.recent.generation
        if known := self.recent.get(hashed):
            return known
        rows = await self._database.fetch(BY_KEY, hashed, system=True)
        if not rows:
            raise AuthenticationFailed
        if rows[0]["stale"]:
            await self._database.fetch("UPDATE api_keys SET last_used_at = now() WHERE id = $1", rows[0]["key_id"], system=True)
        account = _account(rows[0], only_org=rows[0]["key_org"])
        self.recent.keep(hashed, account, generation)
        return account

    async def by_password(self, login: str, password: str, *, address: str) -> Account:
        """The account of a login and password. Raises TooManyRequests when the account's failures were too many lately."""
        login = login.strip().lower()
        if "\0" in login:
            raise AuthenticationFailed
        row = (await self._database.fetch(BY_LOGIN, login, f"login:{login}", system=True))[0]
        if row["tokens"] is not None and row["tokens"] < 1:
            raise TooManyRequests("too many failed log-ins; wait a minute", retry_after=int(REFILL_SECONDS))
        epoch = row["credentials_epoch"] or 0
        right = await self._passwords.verify(login=login, epoch=epoch, password=password, hashed=row["password_hash"])
        if not right:
            await self._database.fetch(SPEND, [f"login:{login}"], system=True)
            raise AuthenticationFailed
        return _account(row)

    async def _by_session(self, token: str) -> Account:
        rows = await self._database.fetch(BY_SESSION, key_hash(token), self.session_hours, system=True)
        if not rows:
            raise AuthenticationFailed
        return _account(rows[0], preferred_org=rows[0]["session_org"], by_cookie=True)

    async def open_session(self, caller: Caller, epoch: int, *, address: str, agent: str) -> str:
        """A new session's token, for the cookie; only its hash is kept."""
        token = secrets.token_urlsafe(32)
        await self._database.fetch(
            "INSERT INTO sessions (id_hash, user_id, org_id, credentials_epoch, expires_at, address, agent)"
            " VALUES ($1, $2, $3, $4, now() + $5::double precision * interval '1 hour', $6, $7)",
            key_hash(token), caller.user_id, caller.org_id, epoch, self.session_hours, address, agent[:300], system=True,
        )  # fmt: skip
        return token

    async def close_session(self, token: str) -> None:
        await self._database.fetch("DELETE FROM sessions WHERE id_hash = $1", key_hash(token), system=True)

    async def caller(self, account: Account, organisation: str | None) -> Caller:
        """The account acting in one organisation: the named one, else the session's, the default, the first."""
        member = _chosen(account, organisation)
        visiting = member is None
        if member is None and organisation:
            member = await self._as_administrator(account, organisation)
        if member is None or (account.only_org is not None and member.org_id != account.only_org):
            raise AuthenticationFailed
        return Caller(
            account.user_id, account.login, account.name, member.org_id, member.name, member.profile, member.permissions,
            by_cookie=account.by_cookie, visiting=visiting,
        )  # fmt: skip

    async def _as_administrator(self, account: Account, organisation: str) -> Membership | None:
        """A member of `admin` may act in any organisation with the platform-wide permissions alone (hive-v1 §1.3)."""
        admin = next((m for m in account.memberships if m.name == ADMIN_ORGANISATION), None)
        if admin is None or "\0" in organisation:
            return None
        rows = await self._database.fetch(
            "SELECT id, name FROM organisations WHERE lower(name) = lower($1) OR id = $2",
            organisation, number_of(organisation), system=True,
        )  # fmt: skip
        if not rows:
            return None
        return Membership(rows[0]["id"], rows[0]["name"], admin.profile, admin.permissions & ADMINISTRATION)


def _chosen(account: Account, organisation: str | None) -> Membership | None:
    members = account.memberships
    if organisation:
        number = number_of(organisation)
        return next((m for m in members if m.org_id == number or m.name.lower() == organisation.lower()), None)
    for wanted in (account.only_org, account.preferred_org):
        if wanted is not None:
            return next((m for m in members if m.org_id == wanted), None)
    return members[0] if members else None


def _basic(credentials: str) -> tuple[str, str]:
    """Login and password; clients encode them as UTF-8 or, `requests` does, as Latin-1."""
    try:
        raw = base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        raise AuthenticationFailed from None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    login, separator, password = text.partition(":")
    if not separator:
        raise AuthenticationFailed
    return login, password
