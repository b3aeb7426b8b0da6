"""A case's exports as people see them: where it went, what was held back, and what became of each observable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.acting import Acting
from hive.observables.models import Observable
from hive.tables import number_of, text_id
from waggle.errors import BadRequest

OPEN = ("requested", "running")
LOOK_SECONDS = 0.2
LIST = text("SELECT * FROM case_exports WHERE case_id = :case ORDER BY instance")
ONE = text("SELECT * FROM case_exports WHERE id = :id")


class InputExport(BaseModel):
    """What an export may say beside the case and the server."""

    model_config = ConfigDict(extra="forbid")

    publish: bool | None = Field(None, description="publish the event; absent: as the server is set")


class OutputExportedObservable(BaseModel):
    observableId: str
    result: str = Field(description="created, updated, unchanged, rejected, skipped or held")
    reason: str | None


class OutputExport(BaseModel):
    """The export of a case to one MISP server."""

    instance: str
    state: str = Field(description="requested, running, done, partial (something was rejected or held back) or failed")
    eventUuid: str
    eventId: str | None
    strategy: str | None = Field(description="create, edit (the event the case came from) or extend (an event of its own)")
    published: bool
    requestedBy: str
    requestedAt: int
    finishedAt: int | None
    error: str | None
    retrying: bool = Field(description="it failed for now; the connector tries again by itself")
    warnings: list[str]
    held: list[str] = Field(description="observables that did not leave; their results give the reason")
    results: list[OutputExportedObservable]


def export_out(row: Any) -> dict[str, Any]:
    result = row.result or {}
    return {
        "instance": row.instance, "state": row.state, "eventUuid": str(result.get("event_uuid") or row.event_uuid),
        "eventId": row.event_id, "strategy": result.get("strategy"), "published": bool(result.get("published")),
        "requestedBy": row.requested_by, "requestedAt": row.requested_at, "finishedAt": row.finished_at,
        "error": result.get("error") if row.state == "failed" else None,
        "retrying": row.state == "failed" and bool(result.get("retryable")),
        "warnings": result.get("warnings") or [], "held": result.get("held") or [],
        "results": [
            {"observableId": one["observable_id"], "result": one["result"], "reason": one.get("reason")}
            for one in result.get("results") or []
        ],
    }  # fmt: skip


async def exports_of(session: AsyncSession, case_id: int) -> list[dict[str, Any]]:
    return [export_out(row) for row in await session.execute(LIST, {"case": case_id})]


async def awaited(acting: Acting, record_id: int, *, seconds: float) -> Any:
    """The record once the connector has answered, or as it stands when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        async with acting.read() as session:
            row = (await session.execute(ONE, {"id": record_id})).one()
        if row.state not in OPEN or time.monotonic() >= deadline:
            return row
        await asyncio.sleep(LOOK_SECONDS)


async def classic_answer(session: AsyncSession, row: Any) -> tuple[Any, int]:
    """TheHive 3's answer: 201 with what was exported, 207 where something was refused or held back, 400 where all failed;

    202 while the connector has not answered.
    """
    shown = export_out(row)
    if row.state in OPEN:
        return shown, 202
    if row.state == "failed":
        raise BadRequest(f"the export to {row.instance} failed: {shown['error']}")
    entries = await _entries(session, shown["results"])
    good = [one for one in entries if one["result"] in ("created", "updated", "unchanged")]
    bad = [
        {"object": one, "type": "MispError", "message": one["reason"] or one["result"]}
        for one in entries if one["result"] in ("rejected", "held")
    ]  # fmt: skip
    return ({"success": good, "failure": bad}, 207) if bad else (good, 201)


async def _entries(session: AsyncSession, results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    ids = [number for one in results if (number := number_of(one["observableId"])) is not None]
    rows = {text_id(one.id): one for one in await session.scalars(select(Observable).where(Observable.id.in_(ids)))}
    return [
        {
            "id": one["observableId"], "_id": one["observableId"], "dataType": rows[one["observableId"]].data_type,
            "data": rows[one["observableId"]].data or rows[one["observableId"]].file_name,
            "result": one["result"], "reason": one["reason"],
        }
        for one in results if one["observableId"] in rows
    ]  # fmt: skip
