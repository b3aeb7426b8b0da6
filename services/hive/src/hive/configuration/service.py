"""Reading and writing settings of the caller's organisation or of the caller alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.identity.caller import Caller
from waggle.errors import InvalidFields
from waggle.ids import now_ms

PATH = re.compile(r"[A-Za-z0-9_-]{1,64}(?:[./][A-Za-z0-9_-]{1,64}){0,3}")
MAX_VALUE = 65_536
MAX_PATHS = 1000
READ = text(
    "SELECT path, value, user_id IS NOT NULL AS personal FROM configuration WHERE org_id = :org AND path = ANY(:paths)"
    " AND (user_id IS NULL OR user_id = :user)"
)
LISTED = text(
    "SELECT path, value FROM configuration WHERE org_id = :org"
    " AND CASE WHEN :personal THEN user_id = :user ELSE user_id IS NULL END ORDER BY path"
)
COUNTED = text(
    "SELECT count(*) FROM configuration WHERE org_id = :org AND coalesce(user_id, 0) = coalesce(CAST(:user AS bigint), 0)"
)
WRITE = text(
    "INSERT INTO configuration (org_id, user_id, path, value, updated_at, updated_by)"
    " VALUES (:org, CAST(:user AS bigint), :path, CAST(:value AS jsonb), :now, :login)"
    " ON CONFLICT (org_id, path, coalesce(user_id, 0)) DO UPDATE"
    " SET value = excluded.value, updated_at = :now, updated_by = :login"
)


def checked(path: str) -> str:
    """Raises InvalidFields for what is no path."""
    if not PATH.fullmatch(path):
        raise InvalidFields.invalid("path", "letters, digits, dots, dashes and slashes are needed")
    return path


async def chosen(session: AsyncSession, caller: Caller, path: str) -> Any:
    """The caller's own value, else the organisation's, else None."""
    rows = list(await session.execute(READ, {"org": caller.org_id, "user": caller.user_id, "paths": [path]}))
    own = next((row.value for row in rows if row.personal), None)
    return own if own is not None else next((row.value for row in rows if not row.personal), None)


async def read(session: AsyncSession, caller: Caller, path: str, *, personal: bool) -> Any:
    """The value at a path of the caller, or of the organisation; None where none is set."""
    rows = await session.execute(READ, {"org": caller.org_id, "user": caller.user_id, "paths": [path]})
    return next((row.value for row in rows if row.personal == personal), None)


async def listed(session: AsyncSession, caller: Caller, *, personal: bool) -> Sequence[Any]:
    """Path and value of everything set."""
    return (await session.execute(LISTED, {"org": caller.org_id, "user": caller.user_id, "personal": personal})).all()


async def write(session: AsyncSession, caller: Caller, path: str, value: Any, *, personal: bool) -> None:
    """Sets a value. Raises InvalidFields for one that is too large, or for too many of them."""
    raw = orjson.dumps(value)
    if len(raw) > MAX_VALUE:
        raise InvalidFields.invalid("value", f"at most {MAX_VALUE} bytes of JSON are kept")
    user = caller.user_id if personal else None
    if (await session.scalar(COUNTED, {"org": caller.org_id, "user": user}) or 0) >= MAX_PATHS:
        raise InvalidFields.invalid("path", f"at most {MAX_PATHS} settings are kept")
    await session.execute(
        WRITE,
        {"org": caller.org_id, "user": user, "path": path, "value": raw.decode(), "now": now_ms(), "login": caller.login},
    )
    if not personal:
        root = Root("organisation", caller.org_id)
        details = {"path": path, "value": value}
        await record(session, caller, action="update", kind="config", object_id=caller.org_id, root=root, details=details)
