"""Catalogues of techniques: made, filled and removed by administrators of the platform."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import orjson
from sqlalchemy import delete, or_, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.identity.caller import Caller
from hive.platform import Hive
from hive.procedures import bundle
from hive.procedures.catalogue import LOAD, shipped_rows
from hive.procedures.models import Catalog, Pattern
from hive.tables import number_of, touch
from waggle.errors import BadRequest, CreateError, NotFound
from waggle.ids import now_ms
from waggle.security.outbound import OutboundRefused, guarded_client

TIMEOUT = 120.0
ELSEWHERE = text("SELECT pattern_id FROM patterns WHERE catalog <> :catalog AND pattern_id = ANY(:ids)")


async def find(session: AsyncSession, reference: str, *, for_update: bool = False) -> Catalog:
    """The catalogue of an id or a name. Raises NotFound."""
    statement = select(Catalog).where(or_(Catalog.id == number_of(reference), Catalog.name == reference))
    if for_update:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    found = await session.scalar(statement)
    if found is None:
        raise NotFound(f"Catalog {reference[:128]} not found")
    return found


async def create(session: AsyncSession, caller: Caller, *, name: str, description: str, variant: str | None) -> Catalog:
    """Raises CreateError for a name that exists."""
    if await session.scalar(select(Catalog.id).where(Catalog.name == name)):
        raise CreateError(f"Catalog {name} already exist")
    catalog = Catalog(
        name=name, description=description, variant=variant, shipped=False, created_at=now_ms(), created_by=caller.login
    )
    session.add(catalog)
    await session.flush()
    await _record(session, caller, "create", "catalog", catalog.id, {"name": name})
    return catalog


async def change(session: AsyncSession, caller: Caller, catalog: Catalog, columns: Mapping[str, Any]) -> None:
    """Raises BadRequest for another name of the one that comes with the product, CreateError for a name that exists."""
    changed = {name: value for name, value in columns.items() if getattr(catalog, name) != value}
    if "name" in changed and catalog.shipped:
        raise BadRequest(f"{catalog.name} comes with the product and keeps its name")
    if "name" in changed and await session.scalar(select(Catalog.id).where(Catalog.name == changed["name"])):
        raise CreateError(f"Catalog {changed['name']} already exist")
    if not changed:
        return
    for name, value in changed.items():
        setattr(catalog, name, value)
    touch(catalog, caller.login)
    await session.flush()
    await _record(session, caller, "update", "catalog", catalog.id, changed)


async def remove(session: AsyncSession, caller: Caller, catalog: Catalog) -> None:
    """With its techniques. Raises BadRequest if one of them is in use, or if it comes with the product."""
    if catalog.shipped:
        raise BadRequest(f"{catalog.name} comes with the product")
    await _record(session, caller, "delete", "catalog", catalog.id, {"name": catalog.name})
    await _deleted(session, delete(Catalog).where(Catalog.id == catalog.id), f"techniques of {catalog.name} are in use")


async def remove_pattern(session: AsyncSession, caller: Caller, pattern: Pattern) -> None:
    """Raises BadRequest if a procedure names it."""
    await _record(session, caller, "delete", "pattern", pattern.id, {"patternId": pattern.pattern_id})
    await _deleted(session, delete(Pattern).where(Pattern.id == pattern.id), f"{pattern.pattern_id} is in use")


async def _deleted(session: AsyncSession, statement: Any, otherwise: str) -> None:
    """Procedures of every organisation count, those the caller does not see, too: the database knows them all."""
    try:
        await session.execute(statement)
    except IntegrityError as error:
        raise BadRequest(otherwise) from error


async def content_of(hive: Hive, url: str) -> bytes:
    """A bundle from where somebody says it is. Raises BadRequest."""
    try:
        async with (
            guarded_client(hive.outbound, timeout=TIMEOUT, follow_redirects=True) as client,
            client.stream("GET", url) as got,
        ):
            if got.status_code != 200:
                raise BadRequest(f"{url} answers {got.status_code}")
            body = bytearray()
            async for chunk in got.aiter_bytes():
                body += chunk
                if len(body) > bundle.MAX_BUNDLE:
                    raise BadRequest(f"a bundle has at most {bundle.MAX_BUNDLE >> 20} MiB")
    except OutboundRefused as refused:
        raise BadRequest(str(refused)) from refused
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise BadRequest(f"{url} cannot be read: {type(error).__name__}") from error
    return bytes(body)


async def read(content: bytes | None) -> bundle.Bundle:
    """The techniques of a bundle, or of the edition that comes with the product. Raises BadRequest."""
    if content is None:
        return bundle.Bundle(orjson.loads(await asyncio.to_thread(shipped_rows)), [])
    return await asyncio.to_thread(bundle.read, content)


async def fill(session: AsyncSession, caller: Caller, catalog: Catalog, given: bundle.Bundle) -> tuple[int, list[dict[str, str]]]:
    """Enters or renews the techniques; how many, and what was not, with the reason. An id belongs to one catalogue alone."""
    ids = [row["pattern_id"] for row in given.rows]
    taken = set(await session.scalars(ELSEWHERE, {"catalog": catalog.name, "ids": ids}))
    rows = [row for row in given.rows if row["pattern_id"] not in taken]
    errors = [*given.errors, *({"pattern": one, "error": "another catalog has it"} for one in ids if one in taken)]
    encoded = orjson.dumps(rows).decode()
    await session.execute(LOAD, {"catalog": catalog.name, "rows": encoded, "now": now_ms(), "login": caller.login})
    await _record(session, caller, "update", "catalog", catalog.id, {"imported": len(rows)})
    return len(rows), errors


async def _record(session: AsyncSession, caller: Caller, action: Any, kind: str, number: int, details: dict[str, Any]) -> None:
    root = Root("organisation", caller.org_id)
    await record(session, caller, action=action, kind=kind, object_id=number, root=root, details=details)
