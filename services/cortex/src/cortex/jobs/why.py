"""Why a job is where it is: what it waits for, how often it was tried, what happened to it, what it printed."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.jobs.models import Job
from waggle.ids import now_ms

_EVENTS = text("SELECT at, what, detail FROM job_events WHERE job_id = :id ORDER BY id")
_LEASE = text("SELECT runner, extract(epoch FROM now() - beat_at) AS silent FROM leases WHERE job_id = :id")
_AHEAD = text("""
SELECT count(*) FROM dispatch d, dispatch mine WHERE mine.job_id = :id AND d.org_id = mine.org_id AND d.not_before <= now()
  AND (d.priority, mine.enqueued_at, mine.job_id) > (mine.priority, d.enqueued_at, d.job_id)
""")


class Event(BaseModel):
    """`what`: refused, started, lost, handed back, expired, sandbox, egress or printed."""

    at: int
    what: str
    detail: str


class Why(BaseModel):
    id: str
    status: str
    workerId: str
    workerName: str
    explanation: str
    attempts: int
    losses: int
    events: list[Event]


async def why(session: AsyncSession, job: Job) -> Why:
    rows = (await session.execute(_EVENTS, {"id": job.id})).all()
    return Why(
        id=job.id.hex,
        status=job.status,
        workerId=job.worker_id,
        workerName=job.worker_name,
        explanation=await _explanation(session, job),
        attempts=job.attempt,
        losses=job.losses,
        events=[Event(at=row.at, what=row.what, detail=row.detail) for row in rows],
    )


async def _explanation(session: AsyncSession, job: Job) -> str:
    values: dict[str, Any] = {"id": job.id}
    if job.status == "Waiting":
        if job.due_at is not None and job.due_at > now_ms():
            return f"Waits for its worker's rate: its turn is in {(job.due_at - now_ms()) / 1000:.0f} s."
        ahead = await session.scalar(_AHEAD, values)
        return f"Waits for a runner: {ahead} jobs of its organisation are before it."
    if job.status == "InProgress":
        lease = (await session.execute(_LEASE, values)).one_or_none()
        if lease is None:
            return "Its runner is writing the result."
        return f"Runs on {lease.runner}, which last beat {lease.silent:.0f} s ago."
    if job.status == "Failure":
        return job.error_message or "Failed without a message."
    return {"Success": "Has ended well.", "Deleted": "Was deleted."}[job.status]
