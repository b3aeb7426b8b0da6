"""A whole list as a file: its rows flow from a cursor of the database, so that memory stays flat however long it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

import orjson
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from hive.acting import Acting
from hive.answers import DOWNLOAD_HEADERS, disposition
from hive.catalogue import Catalogue
from hive.identity.caller import Caller
from hive.search.extras import add_extras
from hive.search.outputs import COLUMNS, show
from hive.search.pipeline import Plan, prepare, projected
from hive.search.rows import flow
from hive.spreadsheets import lines
from waggle.errors import BadRequest, TooManyRequests

Format = Literal["csv", "json"]
MEDIA_TYPES: Final[dict[Format, str]] = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
STALL_SECONDS: Final = 60.0
FIELDS: Final = "customFields"


class Download(StreamingResponse):
    """Ends what makes the content whenever the answer ends: the reader went, or took nothing for a minute."""

    def __init__(self, content: AsyncGenerator[bytes, None], *, name: str, media_type: str) -> None:
        self._content = content
        super().__init__(content, headers={**DOWNLOAD_HEADERS, "Content-Disposition": disposition(name)}, media_type=media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            async with asyncio.timeout(STALL_SECONDS):
                await send(message)

        try:
            await super().__call__(scope, receive, sending)
        finally:
            await self._content.aclose()


class Slots:
    """How many downloads may hold a connection at once: the rest of the pool stays for everybody else."""

    def __init__(self, most: int) -> None:
        self._free = most

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Raises TooManyRequests."""
        if self._free <= 0:
            raise TooManyRequests("as many downloads run as are allowed at once; try again when one has ended")
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


async def download(
    acting: Acting, slots: Slots, plan: Plan, catalogue: Catalogue, form: Format, *, include: Sequence[str] | None, exclude: Any
) -> Download:
    """The answer, once its first rows are there: what is refused or takes too long is told as for any list."""
    if plan.counts or plan.aggregation is not None:
        raise BadRequest("a download is a list: the query ends without a count or an aggregation")
    content = _content(acting, slots, plan, form, _columns(plan.kind, catalogue, include, exclude), include, exclude)
    first = await anext(content)
    return Download(_after(first, content), name=f"{plan.kind.replace(' ', '-')}s.{form}", media_type=MEDIA_TYPES[form])


async def _after(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        yield first
        async for chunk in rest:
            yield chunk
    finally:
        await rest.aclose()


async def _content(
    acting: Acting, slots: Slots, plan: Plan, form: Format, columns: Sequence[str], include: Any, exclude: Any
) -> AsyncGenerator[bytes, None]:
    opening, between, closing = (b"[", b",\n", b"]\n") if form == "json" else (lines([columns]), b"", b"")
    before = opening
    async with slots.one(), acting.read() as session:
        async for objects in _shown(session, acting.caller, plan):
            if form == "json":
                rows = between.join(orjson.dumps(one) for one in projected(objects, include=include, exclude=exclude))
            else:
                rows = lines(_values(one, columns) for one in objects)
            if rows:
                yield before + rows
                before = between
    yield (opening if before is opening else b"") + closing


async def _shown(session: AsyncSession, caller: Caller, plan: Plan) -> AsyncIterator[list[dict[str, Any]]]:
    await prepare(session, plan)
    async for rows in flow(session, plan.search):
        objects = await show(session, caller, plan.kind, rows)
        await add_extras(session, caller, plan.kind, plan.extras, rows, objects)
        yield objects


def _columns(kind: str, catalogue: Catalogue, include: Sequence[str] | None, exclude: Any) -> list[str]:
    """Every field an object of the kind may have, and a column per custom field; or those asked for, in their order."""
    if include is not None:
        return list(include)
    names = [name for name in COLUMNS[kind] if name not in ("extraData", FIELDS)]
    if FIELDS in COLUMNS[kind]:
        names += [f"{FIELDS}.{name}" for name in sorted(catalogue.fields)]
    return [name for name in names if name not in (exclude or ())]


def _values(one: dict[str, Any], columns: Sequence[str]) -> list[Any]:
    custom: dict[str, list[Any]] = {}
    for field in one.get(FIELDS, []):
        custom.setdefault(f"{FIELDS}.{field['name']}", []).append(field["value"])
    single = {name: values[0] if len(values) == 1 else values for name, values in custom.items()}
    return [single[name] if name in single else one.get(name) for name in columns]
