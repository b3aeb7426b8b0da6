"""`/api/job…` and running a worker: contracts/cortex.md §2.5, §2.6."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from cortex.access import engine_of, require
from cortex.acting import Actor
from cortex.engine import Engine
from cortex.http import LISTING_PARAMETERS, SEARCH, Listing, Search, body, described, listed, nothing, shown
from cortex.jobs import duration, reading, service
from cortex.jobs.intake import run_request
from cortex.jobs.models import ENDED
from cortex.jobs.repeating import repeated
from cortex.jobs.reports import artifacts_of, files_of
from cortex.jobs.requests import RunRequest
from cortex.jobs.schemas import JobFilter, JobIds, NewJob, ShownArtifact, ShownJob, artifact_page, show_artifact, show_job
from cortex.jobs.search import find_jobs
from cortex.jobs.why import Why, why
from cortex.workers.targets import find_target
from waggle.waiting import wait_at_most
from waggle.web.answers import JsonResponse
from waggle.web.fields import read_fields
from waggle.web.paging import Page

router = APIRouter(prefix="/api/job", tags=["job"])
Reader = Annotated[Actor, require("read")]
Analyst = Annotated[Actor, require("analyze")]
SHOWN: dict[int | str, dict[str, Any]] = {200: {"model": ShownJob}}
LIST: dict[int | str, dict[str, Any]] = {200: {"model": list[ShownJob]}}
RUN_BODY = described(NewJob)
RUN_BODY["requestBody"]["content"]["multipart/form-data"] = {
    "schema": {
        "type": "object",
        "properties": {"_json": {"type": "string"}, "data": {"type": "string", "format": "binary"}},
    }
}


async def start(engine: Engine, actor: Actor, *, kind: str, worker_id: str, request: RunRequest) -> service.Run:
    """Makes or finds the job, and wakes the runners."""
    async with engine.database.raw() as connection:
        target = await find_target(connection, actor, engine.targets, kind=kind, worker_id=worker_id, name=None)
        run = await service.run(
            connection,
            actor,
            target=target,
            request=request,
            default_cache_minutes=engine.settings.job_cache_minutes,
            refuse_over_rate=engine.settings.rate_limit == "refuse",
        )
    engine.notifier.wake("dispatch")
    return run


def run_router(kind: str) -> APIRouter:
    """`POST /api/<kind>/:id/run`."""
    routes = APIRouter(prefix=f"/api/{kind}", tags=[kind])

    @routes.post("/{worker_id}/run", openapi_extra=RUN_BODY, responses=SHOWN, name=f"run_{kind}")
    async def run_worker(request: Request, actor: Analyst, worker_id: str) -> Response:
        """Runs the worker. The answer is the job, at once; a fresh report of an equal request answers in its place."""
        engine = engine_of(request)
        async with read_fields(request) as fields:
            wanted = await run_request(fields, engine.blobs, kind=kind)
        run = await start(engine, actor, kind=kind, worker_id=worker_id, request=wanted)
        files = {}
        if run.job.attachment_id is not None:
            async with engine.database.begin(actor.scope) as session:
                files = await files_of(session, [run.job.attachment_id])
        return shown(show_job(run.job, files, with_input=actor.holds("orgadmin"), from_cache=run.from_cache))

    return routes


async def _jobs(request: Request, actor: Actor, *, query: Any, page: Page, order: list[str], deleted: bool) -> Response:
    async with engine_of(request).database.begin(actor.scope) as session:
        found, total = await find_jobs(
            session, organisation=actor.organisation, query=query, page=page, order=order, deleted=deleted
        )
        files = await files_of(session, (job.attachment_id for job in found))
    return listed([show_job(job, files, with_input=actor.holds("orgadmin")) for job in found], total)


FILTERS = {"parameters": [{"name": n, "in": "query", "schema": {"type": "string"}} for n in JobFilter.model_fields]}


@router.get("", openapi_extra=FILTERS, responses=LIST)
async def list_jobs(
    request: Request, actor: Reader, given: Annotated[JobFilter, body(JobFilter)], paged: Annotated[Listing, body(Listing)]
) -> Response:
    """Jobs by the filters of old scripts, deleted ones included."""
    return await _jobs(request, actor, query=given.query, page=paged.page, order=paged.order, deleted=True)


@router.post("/_search", openapi_extra=SEARCH, responses=LIST)
async def search_jobs(request: Request, actor: Reader, given: Annotated[Search, body(Search)]) -> Response:
    """The jobs that match."""
    return await _jobs(request, actor, query=given.query, page=given.page, order=given.order, deleted=False)


@router.post("/status", openapi_extra=described(JobIds), responses={200: {"model": dict[str, str]}})
async def job_statuses(request: Request, actor: Reader, given: Annotated[JobIds, body(JobIds)]) -> Response:
    """The status of many jobs at once."""
    async with engine_of(request).database.begin(actor.scope) as session:
        return JsonResponse(await service.statuses(session, actor, job_ids=given.jobIds))


async def _shown(request: Request, actor: Actor, job_id: str, *, with_report: bool) -> ShownJob:
    engine = engine_of(request)
    full = actor.holds("orgadmin")
    async with engine.database.raw() as connection:
        found = await reading.read(connection, actor, job_id=job_id, with_report=with_report)
    report = await reading.report_of(found, engine.blobs, with_input=full) if with_report else None
    return show_job(found.job, found.files, with_input=full, report=report)


@router.get("/{job_id}", responses=SHOWN)
async def get_job(request: Request, actor: Reader, job_id: str) -> Response:
    return shown(await _shown(request, actor, job_id, with_report=False))


@router.get("/{job_id}/report", responses=SHOWN)
async def get_report(request: Request, actor: Reader, job_id: str) -> Response:
    """The job with its report as it stands."""
    return shown(await _shown(request, actor, job_id, with_report=True))


@router.get("/{job_id}/waitreport", responses=SHOWN)
async def wait_for_report(
    request: Request,
    actor: Reader,
    job_id: str,
    at_most: Annotated[str, Query(alias="atMost", description="such as 30seconds, or Inf")] = "1minute",
) -> Response:
    """The job with its report as soon as it ends, or as it stands after `atMost`."""
    engine = engine_of(request)
    limit = min(duration.seconds(at_most), engine.settings.longest_wait_seconds)
    with engine.watcher.watching(reading.parsed_id(job_id)) as ended:
        async with engine.database.raw() as connection:
            found = await reading.read(connection, actor, job_id=job_id, with_report=False)
        if found.job.status not in ENDED and limit:
            await wait_at_most(ended, limit)
    return shown(await _shown(request, actor, job_id, with_report=True))


@router.get("/{job_id}/artifacts", openapi_extra=LISTING_PARAMETERS, responses={200: {"model": list[ShownArtifact]}})
async def get_artifacts(request: Request, actor: Reader, job_id: str, given: Annotated[Listing, body(Listing)]) -> Response:
    """What the report found."""
    async with engine_of(request).database.begin(actor.scope) as session:
        job = await service.get_job(session, actor, job_id=job_id)
        found = await artifacts_of(session, job=job)
        files = await files_of(session, (a.attachment_id for a in found))
    return listed([show_artifact(a, job, files) for a in artifact_page(found, given.order, given.page)], len(found))


@router.get("/{job_id}/why", responses={200: {"model": Why}})
async def explain(request: Request, actor: Reader, job_id: str) -> Response:
    """What the job waits for, how often it was tried, what happened to it and what it printed."""
    async with engine_of(request).database.begin(actor.scope) as session:
        job = await service.get_job(session, actor, job_id=job_id)
        return shown(await why(session, job))


@router.post("/{job_id}/rerun", responses=SHOWN)
async def rerun(request: Request, actor: Analyst, job_id: str) -> Response:
    """Asks the same of the same worker again; the answer is the new job."""
    engine = engine_of(request)
    async with engine.database.begin(actor.scope) as session:
        job = await service.get_job(session, actor, job_id=job_id)
        wanted = await repeated(session, job)
    run = await start(engine, actor, kind=job.kind, worker_id=job.worker_id, request=wanted)
    return shown(await _shown(request, actor, run.job.id.hex, with_report=False))


@router.delete("/{job_id}", status_code=204)
async def delete_job(request: Request, actor: Annotated[Actor, require("analyze", "orgadmin")], job_id: str) -> Response:
    """Marks the job as deleted; a running one is stopped."""
    engine = engine_of(request)
    async with engine.database.begin(actor.scope) as session:
        await service.delete_job(session, actor, job_id=job_id)
    for channel in ("job_deleted", "job_ended", "announcements"):
        engine.notifier.wake(channel)
    return nothing()
