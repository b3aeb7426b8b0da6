"""Observables as text: plain, CSV, MISP's freetext (hive-v0 §5.7), defanged unless the raw values are wanted; or as STIX."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID, uuid5

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.freetext import defanged
from hive.observables import stix
from hive.observables.models import Observable
from hive.observables.service import Parent
from hive.spreadsheets import harmless

Format = Literal["txt", "csv", "misp", "stix"]
MEDIA_TYPES: dict[Format, str] = {
    "txt": "text/plain; charset=utf-8", "csv": "text/csv; charset=utf-8", "misp": "text/plain; charset=utf-8",
    "stix": "application/stix+json;version=2.1",
}  # fmt: skip
ENDINGS: dict[Format, str] = {"txt": "txt", "csv": "csv", "misp": "txt", "stix": "json"}
AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which observables of an alert or case: empty sequences select all."""

    data_types: Sequence[str] = ()
    ids: Sequence[int] = field(default_factory=list)
    only_iocs: bool = False


async def selected(session: AsyncSession, parent: Parent, chosen: Selection) -> AsyncIterator[Sequence[Observable]]:
    """The observables in the order they were made, a thousand at a time."""
    column = Observable.alert_id if parent.kind == "alert" else Observable.case_id
    statement = select(Observable).where(column == parent.id).order_by(Observable.id).limit(AT_ONCE)
    if chosen.only_iocs:
        statement = statement.where(Observable.ioc)
    if chosen.data_types:
        statement = statement.where(Observable.data_type.in_(chosen.data_types))
    if chosen.ids:
        statement = statement.where(Observable.id.in_(chosen.ids))
    last = 0
    while True:
        rows = list(await session.scalars(statement.where(Observable.id > last)))
        if rows:
            yield rows
        if len(rows) < AT_ONCE:
            return
        last = rows[-1].id
        session.expunge_all()


async def stix_id_of(session: AsyncSession, parent: Parent) -> UUID:
    """The same for the same alert or case, and another one in every installation: two hives number their objects alike."""
    namespace = await session.scalar(text("SELECT export_namespace FROM installation"))
    return uuid5(UUID(str(namespace)), f"stix|{parent.kind}|{parent.id}")


async def written(
    batches: AsyncIterator[Sequence[Observable]], form: Format, *, protect: bool, stix_id: UUID
) -> AsyncIterator[bytes]:
    """The export in chunks. `stix_id`: what the identifiers of a STIX bundle and its indicators follow from."""
    if form == "stix":
        async for chunk in stix.written(batches, stix_id=stix_id):
            yield chunk
        return
    async for rows in batches:
        yield "".join(f"{line(row, form, protect=protect)}\n" for row in rows).encode()


def line(row: Observable, form: Format, *, protect: bool) -> str:
    data_type, value = row.data_type, row.data or ""
    if row.sha256 is not None:
        data_type, value = "file", f"{row.file_name}|{row.sha256.hex()}"
    elif protect:
        value = defanged(data_type, value)
    value = " ".join(value.splitlines())
    if form == "txt":
        return value
    if form == "csv":
        return f"{_cell(data_type)};{_cell(value)}"
    return f"*{'filename|sha256' if row.sha256 is not None else data_type}\t:{value}"


def _cell(text: str) -> str:
    """A CSV cell: quoted where it must be, and never a formula for the spreadsheet that opens it."""
    safe = harmless(text)
    return '"' + safe.replace('"', '""') + '"' if any(c in safe for c in ';"\n') else safe


def file_name(parent: Parent, label: Any, form: Format) -> str:
    return f"{parent.kind}-{label}-observables.{ENDINGS[form]}"
