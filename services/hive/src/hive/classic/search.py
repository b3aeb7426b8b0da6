"""The v0 search: the same engine with the classic dialect and names (contracts hive-v0 §4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from hive.catalogue import Catalogue
from hive.classic.registers import KINDS, MODEL_KINDS
from hive.identity.caller import Caller
from hive.search.registers import custom_fields
from hive.search.rows import count, page
from waggle.errors import BadRequest
from waggle.query import HIVE_V0, Search, parse_filter, parse_sort
from waggle.query.compiler import Compiler
from waggle.query.statement import Narrowing
from waggle.web.fields import Fields, parse_json
from waggle.web.paging import parse_range


def below(column: str, number: int) -> Narrowing:
    """Only what hangs on one object."""

    def narrow(compiler: Compiler) -> str:
        return f"{compiler.alias}.{column} = {compiler.parameters.bind(number, 'bigint')}"

    return narrow


async def search(
    session: AsyncSession,
    caller: Caller,
    kind: str,
    request: Request,
    fields: Fields,
    catalogue: Catalogue,
    *,
    narrowing: Narrowing | None = None,
) -> tuple[list[Any], int]:
    """The rows of one page and the number of all that match. Raises BadRequest."""
    entity = KINDS[kind]
    if kind in ("alert", "case"):
        entity = replace(entity, custom=custom_fields(kind, catalogue))
    query = fields.values.get("query")
    if isinstance(query, str):
        query = parse_json(query.encode("utf-8", "replace"))
    if query is not None and not isinstance(query, dict):
        raise BadRequest("query is an object")
    asked = fields.values.get("range")
    shown = parse_range(asked if isinstance(asked, str) else None)
    sort = request.query_params.getlist("sort") or fields.values.get("sort")
    wanted = Search(
        entity, parse_filter(query, HIVE_V0), org=caller.org_id, sort=parse_sort(sort), offset=shown.offset, limit=shown.limit,
        coerces=True, ignores_unknown_sort=True, narrowing=narrowing,
    )  # fmt: skip
    rows = await page(session, wanted, kind=MODEL_KINDS[kind])
    return rows, await count(session, wanted)
