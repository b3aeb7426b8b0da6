"""API keys: one per user, looked up by hash. A sealed copy exists because `GET /api/user/:id/key` shows the key again."""

from __future__ import annotations

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cortex import audit
from cortex.acting import Actor
from cortex.identity.models import ApiKey, User
from waggle.errors import BadRequest, InvalidFields
from waggle.ids import now_ms
from waggle.security.keys import key_hash, new_key
from waggle.security.secretbox import SecretBox

SHORTEST_KEY = 32


async def set_key(session: AsyncSession, actor: Actor, box: SecretBox, *, user: User, key: str | None = None) -> str:
    """Gives the user this key, or a new one; the old one stops working. Returns it."""
    if key is not None and (len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable() or " " in key):
        raise InvalidFields.invalid("key", f"at least {SHORTEST_KEY} printable ASCII characters without blanks are needed")
    chosen = key or new_key()
    await session.execute(delete(ApiKey).where(ApiKey.login == user.login))
    row = ApiKey(
        login=user.login,
        org_id=user.org_id,
        hash=key_hash(chosen),
        sealed=box.seal(chosen.encode(), context=f"api_key:{user.login}"),
        created_at=now_ms(),
        created_by=actor.login,
    )
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:  # another user's: saying so would confirm a guess
        raise BadRequest("This key cannot be used; choose another") from None
    await audit.record(session, actor, "update", "user", user.login, {"key": "changed"})
    return chosen


async def show_key(session: AsyncSession, actor: Actor, box: SecretBox, *, user: User) -> str:
    """The user's key; the reading is audited. Raises BadRequest where there is none."""
    row = await session.get(ApiKey, user.login)
    if row is None:
        raise BadRequest(f"User {user.login} hasn't key")
    await audit.record(session, actor, "update", "user", user.login, {"key": "shown"})
    return box.open(row.sealed, context=f"api_key:{user.login}").decode()


async def remove_key(session: AsyncSession, actor: Actor, *, user: User) -> None:
    await session.execute(delete(ApiKey).where(ApiKey.login == user.login))
    await audit.record(session, actor, "delete", "user", user.login, {"key": "removed"})
