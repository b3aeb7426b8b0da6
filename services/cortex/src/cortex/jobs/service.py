"""Rules of jobs. The one way to ask a worker for something: REST, the bus and MISP all come here (threats S17)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import structlog
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.acting import Actor
from cortex.jobs.models import Attachment, Job
from cortex.jobs.models import Blob as BlobRow
from cortex.jobs.requests import File, RunRequest, cache_tag
from cortex.workers.models import Worker
from waggle.contracts.vocabulary import pap_word, stricter_pap, stricter_tlp, tlp_word
from waggle.errors import NotFound, TooManyRequests
from waggle.ids import now_ms, uuid7

log = structlog.get_logger(__name__)
TLP_REFUSED = "TLP is higher than allowed."
PAP_REFUSED = "PAP is higher than allowed."
UNIT_MS = {"Second": 1000, "Minute": 60_000, "Hour": 3_600_000, "Day": 86_400_000, "Month": 30 * 86_400_000}

# A reusable job that is too old, ended badly or is to be forced anew makes room; then either this request's job takes the
# place, or it meets the job that holds it: two equal requests at once make one job.
_EXPIRE = text(
    "UPDATE jobs SET reusable = false WHERE org_id = :org AND cache_tag = :tag AND reusable"
    " AND (:force OR status IN ('Failure', 'Deleted') OR start_date < :oldest)"
)
_INSERT = text("""
INSERT INTO jobs (id, org_id, worker_id, worker_name, definition_id, kind, status, data_type, data, attachment_id,
  tlp, pap, message, label, parameters, cache_tag, reusable, end_date, error_message, input, priority, created_at, created_by)
VALUES (:id, :org, :worker_id, :worker_name, :definition_id, :kind, :status, :data_type, :data, :attachment_id,
  :tlp, :pap, :message, :label, CAST(:parameters AS jsonb), :tag, :reusable, :end_date, :error, CAST(:input AS jsonb),
  :priority, :now, :login)
ON CONFLICT (org_id, cache_tag) WHERE reusable DO UPDATE SET cache_tag = EXCLUDED.cache_tag
RETURNING id
""")
_FIND = text("SELECT id FROM jobs WHERE org_id = :org AND cache_tag = :tag AND reusable FOR UPDATE")
_DISPATCH = text(
    "INSERT INTO dispatch (job_id, org_id, worker_id, priority, not_before)"
    " VALUES (:id, :org, :worker, :priority, coalesce(to_timestamp(CAST(:due AS float8)), now()))"
)
_COUNT = text("SELECT count(*) FROM jobs WHERE worker_id = :worker AND created_at > :since")
_TURN = text("""
SELECT greatest(created_at, (extract(epoch FROM not_before) * 1000)::bigint) AS due
FROM jobs LEFT JOIN dispatch ON dispatch.job_id = jobs.id
WHERE jobs.worker_id = :worker ORDER BY due DESC OFFSET :rate - 1 LIMIT 1
""")
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('rate ' || :worker, 0))")


@dataclass(frozen=True, slots=True)
class Run:
    """The job that answers a request; `from_cache`: it was there before."""

    job: Job
    from_cache: bool


async def run(
    session: AsyncSession,
    actor: Actor,
    *,
    worker: Worker,
    request: RunRequest,
    default_cache_minutes: int,
    wait_for_rate: bool = False,
) -> Run:
    """The job for a request: an equal one that is fresh, else a new one.

    A marking over the worker's limit makes a job that has failed already, with cortexutils' text: the worker never sees the
    data. Over the worker's rate: raises TooManyRequests, or with `wait_for_rate` the job waits for its turn. After the commit,
    wake `dispatch`.
    """
    if request.data_type not in worker.data_types:
        log.warning("data_type_not_listed", worker=worker.name, data_type=request.data_type)
    refusal = _refusal(worker, request)
    minutes = default_cache_minutes if worker.cache_minutes is None else worker.cache_minutes
    reusable = worker.kind == "analyzer" and minutes > 0 and refusal is None
    tag = cache_tag(worker.id, request)
    now = now_ms()
    if reusable:
        expiry = {"org": worker.org_id, "tag": tag, "force": request.force, "oldest": now - minutes * 60_000}
        await session.execute(_EXPIRE, expiry)
        if not request.force and (found := await session.scalar(_FIND, {"org": worker.org_id, "tag": tag})):
            return Run(await _load(session, found), from_cache=True)
    due = await _check_rate(session, worker, now, wait=wait_for_rate) if refusal is None else None
    made = uuid7()
    attachment_id = await _attach(session, worker.org_id, request.file) if request.file else None
    values = {
        "id": made, "org": worker.org_id, "worker_id": worker.id, "worker_name": worker.name, "kind": worker.kind,
        "definition_id": worker.definition_id, "status": "Failure" if refusal else "Waiting", "data_type": request.data_type,
        "data": request.data,
        "attachment_id": attachment_id, "tlp": request.tlp, "pap": request.pap, "message": request.message,
        "label": request.label, "parameters": orjson.dumps(request.parameters).decode(), "tag": tag, "reusable": reusable,
        "end_date": now if refusal else None, "error": refusal, "input": _input(request) if refusal else None,
        "priority": request.priority, "now": now, "login": actor.login,
    }  # fmt: skip
    stored = await session.scalar(_INSERT, values)
    if stored != made:
        return Run(await _load(session, stored), from_cache=True)
    if refusal is None:
        job: dict[str, Any] = {"id": made, "org": worker.org_id, "worker": worker.id, "priority": request.priority}
        job["due"] = None if due is None else due / 1000
        await session.execute(_DISPATCH, job)
    else:
        await _log_refusal(session, worker.org_id, made, refusal, now)
    return Run(await _load(session, made), from_cache=False)


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
    await session.execute(text("INSERT INTO announcements (job_id, what) VALUES (:id, 'ended')"), {"id": job.id})


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


def _refusal(worker: Worker, request: RunRequest) -> str | None:
    if worker.max_tlp is not None and stricter_tlp(request.tlp, tlp_word(worker.max_tlp)):
        return TLP_REFUSED
    if worker.max_pap is not None and stricter_pap(request.pap, pap_word(worker.max_pap)):
        return PAP_REFUSED
    return None


def _input(request: RunRequest) -> str:
    """What the worker would have been given, without a configuration."""
    content = {"filename": request.file.name} if request.file else {"data": request.data}
    return orjson.dumps({**content, "dataType": request.data_type, "message": request.message}).decode()


async def _check_rate(session: AsyncSession, worker: Worker, now: int, *, wait: bool) -> int | None:
    """Counts the worker's jobs of the last unit, one request at a time; with `wait` returns when (ms) the next may run."""
    if worker.rate is None or worker.rate_unit is None:
        return None
    await session.execute(_LOCK, {"worker": worker.id})
    if wait and worker.rate:
        last = await session.scalar(_TURN, {"worker": worker.id, "rate": worker.rate})
        return None if last is None or last + UNIT_MS[worker.rate_unit] <= now else int(last) + UNIT_MS[worker.rate_unit]
    count = await session.scalar(_COUNT, {"worker": worker.id, "since": now - UNIT_MS[worker.rate_unit]})
    if (count or 0) >= worker.rate:
        limit = f"Rate limit of {worker.rate} per {worker.rate_unit} reached"
        raise TooManyRequests(f"{limit} for the {worker.kind} {worker.name}. Job cannot be started")
    return None


async def _attach(session: AsyncSession, organisation: str, file: File) -> int:
    blob = file.blob
    hashes = {"sha256": bytes.fromhex(blob.sha256), "sha1": bytes.fromhex(blob.sha1), "md5": bytes.fromhex(blob.md5)}
    await session.execute(insert(BlobRow).values(**hashes, size=blob.size).on_conflict_do_nothing())
    row = insert(Attachment).values(org_id=organisation, sha256=hashes["sha256"], name=file.name, content_type=file.content_type)
    return int((await session.execute(row.returning(Attachment.id))).scalar_one())


async def _log_refusal(session: AsyncSession, organisation: str, job_id: UUID, refusal: str, now: int) -> None:
    await session.execute(
        text("INSERT INTO job_events (org_id, job_id, at, what, detail) VALUES (:org, :job, :at, 'refused', :why)"),
        {"org": organisation, "job": job_id, "at": now, "why": refusal},
    )


async def _load(session: AsyncSession, job_id: UUID) -> Job:
    return (await session.scalars(select(Job).where(Job.id == job_id).execution_options(populate_existing=True))).one()
