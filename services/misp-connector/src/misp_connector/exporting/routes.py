"""`/api/instances/{name}/exports`: which cases went there, and which are on their way."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import text

from misp_connector.access.guards import Reader
from misp_connector.instances import service
from misp_connector.runtime import runtime_of
from waggle.db import Scope
from waggle.web import request_id

router = APIRouter(prefix="/api", tags=["exports"])
_LIST = text(
    "SELECT organisation, case_id, state, event_uuid, event_id, strategy, published, requested_at, requested_by, finished_at,"
    " attempts, last_error, CAST(extract(epoch FROM next_at) * 1000 AS bigint) AS next_try FROM exports"
    " WHERE instance_id = :instance AND (CAST(:state AS text) IS NULL OR state = :state)"
    " ORDER BY requested_at DESC, id LIMIT :limit OFFSET :offset"
)


class ExportOutput(BaseModel):
    """The export of one case."""

    organisation: str
    case_id: str
    state: str = Field(description="waiting, done or failed (for good)")
    event_uuid: str | None = Field(description="null before the first try")
    event_id: str | None
    strategy: str | None = Field(description="create, edit or extend")
    published: bool
    requested_at: int = Field(description="ms")
    requested_by: str | None
    finished_at: int | None = Field(description="ms")
    attempts: int = Field(description="failed tries of the newest request")
    last_error: str | None
    next_try: int | None = Field(description="ms; null when nothing is to be done")


@router.get("/instances/{name}/exports")
async def list_exports(
    request: Request,
    caller: Reader,
    name: Annotated[str, Path(max_length=64)],
    state: Literal["waiting", "done", "failed"] | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> list[ExportOutput]:
    """Newest request first."""
    async with runtime_of(request).database.begin(Scope(request_id=request_id())) as session:
        instance, _ = await service.get_instance(session, name=name)
        values = {"instance": instance.id, "state": state, "limit": limit, "offset": offset}
        rows = (await session.execute(_LIST, values)).mappings()
        return [
            ExportOutput.model_validate({**row, "event_uuid": str(row["event_uuid"]) if row["event_uuid"] else None})
            for row in rows
        ]
