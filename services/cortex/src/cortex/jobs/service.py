"""Rules of jobs. The one way to ask a worker for something: REST, the bus and MISP all come here (threats S17)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.acting import Actor
from cortex.jobs import rates, submission
from cortex.jobs.models import Job
from cortex.jobs.requests import RunRequest, cache_tag
from cortex.workers.targets import Target
from waggle.contracts.vocabulary import pap_word, stricter_pap, stricter_tlp, tlp_word
from waggle.errors import NotFound, TooManyRequests
from waggle.ids import now_ms

log = structlog.get_logger(__name__)
TLP_REFUSED = "TLP is higher than allowed."
_ANNOUNCE = text("INSERT INTO announcements (job_id, what) SELECT id, 'ended' FROM jobs WHERE id = :id AND announced")
PAP_REFUSED = "PAP is higher than allowed."


@dataclass(frozen=True, slots=True)
class Run:
    """The job that answers a request; `from_cache`: it was there before."""

    job: Job
    from_cache: bool


async def run(
    connection: asyncpg.Connection,
    actor: Actor,
    *,
    target: Target,
    request: RunRequest,
    default_cache_minutes: int,
    refuse_over_rate: bool = False,
) -> Run:
    """The job for a request: an equal one that is waiting, running or fresh, else a new one.

    A marking over the worker's limit makes a job that has failed already, with cortexutils' text: the worker never sees the
    data. Over the worker's rate the job waits for its turn, or with `refuse_over_rate` raises TooManyRequests. `connection` may
    be in a transaction or not: what is written is one statement. After the commit, wake `dispatch`.
    """
    if request.data_type not in target.data_types:
        log.warning("data_type_not_listed", worker=target.name, data_type=request.data_type)
    refusal = _refusal(target, request)
    minutes = default_cache_minutes if target.cache_minutes is None else target.cache_minutes
    draft = submission.Draft(
        request=request,
        target=target,
        cache_tag=cache_tag(target.id, request),
        reusable=target.kind == "analyzer" and minutes > 0 and refusal is None,
        cache_ms=minutes * 60_000,
        refusal=refusal,
    )
    if target.rate is None or target.rate_unit is None or refusal is not None:
        return Run(*await submission.submit(connection, actor, draft))
    async with connection.transaction():
        limit = rates.Limit(target.base_config, target.rate, rates.UNIT_MS[target.rate_unit])
        return Run(*await _limited(connection, actor, draft, limit, refuse=refuse_over_rate))


async def _limited(
    connection: asyncpg.Connection, actor: Actor, draft: submission.Draft, limit: rates.Limit, *, refuse: bool
) -> tuple[Job, bool]:
    """One request of a bucket at a time: what it counts is what the one before it has written."""
    target = draft.target
    await rates.enter(connection, actor, limit)
    if (found := await submission.reuse(connection, actor, draft)) is not None:
        return found, True
    due = await rates.turn(connection, actor, limit)
    if due > now_ms() and refuse:
        text = f"Rate limit of {target.rate} per {target.rate_unit} reached"
        raise TooManyRequests(f"{text} for the {target.kind} {target.name}. Job cannot be started")
    return await submission.submit(connection, actor, replace(draft, rate_bucket=limit.bucket, due=due))


async def get_job(session: AsyncSession, actor: Actor, *, job_id: str) -> Job:
    """Raises NotFound, also for another organisation's."""
    try:
        found = await session.get(Job, UUID(hex=job_id)) if len(job_id) == 32 else None
    except ValueError:
        found = None
    if found is None or found.org_id != actor.organisation:
        raise NotFound(f"job {job_id} not found")
    return found


async def delete_job(session: AsyncSession, actor: Actor, *, job_id: str) -> None:
    """Marks it Deleted. A running one is killed: after the commit, wake `job_deleted`."""
    job = await get_job(session, actor, job_id=job_id)
    if job.status == "Deleted":
        return
    job.status, job.reusable = "Deleted", False
    job.updated_at, job.updated_by, job.version = now_ms(), actor.login, job.version + 1
    await session.flush()
    for table in ("dispatch", "leases"):
        await session.execute(text(f"DELETE FROM {table} WHERE job_id = :id"), {"id": job.id})
    await session.execute(
        text("INSERT INTO announcements (job_id, what) SELECT id, 'ended' FROM jobs WHERE id = :id AND announced"), {"id": job.id}
    )


async def statuses(session: AsyncSession, actor: Actor, *, job_ids: list[str]) -> dict[str, str]:
    """Status by id; `NotFound` for what is not there or not the caller's."""
    known: dict[str, UUID] = {}
    for job_id in job_ids:
        try:
            known[job_id] = UUID(hex=job_id)
        except ValueError:
            continue
    rows = await session.execute(select(Job.id, Job.status).where(Job.org_id == actor.organisation, Job.id.in_(known.values())))
    found = dict(list(rows.tuples()))
    return {job_id: found.get(known[job_id], "NotFound") if job_id in known else "NotFound" for job_id in job_ids}


def _refusal(target: Target, request: RunRequest) -> str | None:
    """The one place where markings are held against a worker's limits, whichever way the request came (threats S17)."""
    if target.max_tlp is not None and stricter_tlp(request.tlp, tlp_word(target.max_tlp)):
        return TLP_REFUSED
    if target.max_pap is not None and stricter_pap(request.pap, pap_word(target.max_pap)):
        return PAP_REFUSED
    return None
