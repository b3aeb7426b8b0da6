"""API keys of the connector: who calls, and what the key allows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from misp_connector.audit.service import record
from waggle.ids import now_ms
from waggle.security.keys import key_hash, key_prefix


class Right(StrEnum):
    """`manage` includes `read`."""

    READ = "read"
    MANAGE = "manage"


@dataclass(frozen=True, slots=True)
class Caller:
    name: str
    rights: frozenset[Right]


_FIND = text("SELECT id, name, rights, last_used_at FROM api_keys WHERE hash = :hash")
_USED = text("UPDATE api_keys SET last_used_at = :now WHERE id = :id")
_SEED = text(
    "INSERT INTO api_keys (name, prefix, hash, rights, created_at) VALUES (:name, :prefix, :hash, :rights, :now)"
    " ON CONFLICT (name) DO UPDATE SET prefix = excluded.prefix, hash = excluded.hash, rights = excluded.rights"
    " WHERE api_keys.hash <> excluded.hash OR api_keys.rights <> excluded.rights RETURNING id"
)


async def find_caller(session: AsyncSession, *, key: str) -> Caller | None:
    """The owner of a key, None for an unknown one. Notes the use, at most once a minute."""
    row = (await session.execute(_FIND, {"hash": key_hash(key)})).one_or_none()
    if row is None:
        return None
    now = now_ms()
    if row.last_used_at is None or now - row.last_used_at > 60_000:
        await session.execute(_USED, {"id": row.id, "now": now})
    return Caller(row.name, frozenset(Right(right) for right in row.rights))


async def seed_key(session: AsyncSession, *, name: str, key: str, rights: Iterable[Right], actor: str) -> None:
    """Makes `key` the key of that name. Doing it again with the same key changes nothing."""
    values = {"name": name, "prefix": key_prefix(key), "hash": key_hash(key), "rights": sorted(rights), "now": now_ms()}
    changed = (await session.execute(_SEED, values)).one_or_none()
    if changed is not None:
        await record(session, action="update", kind="api_key", object_id=name, actor=actor, details={"rights": values["rights"]})
