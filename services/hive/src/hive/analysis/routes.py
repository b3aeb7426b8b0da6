"""Analyzers and jobs, under the v1 prefix and under the one that clients still use (hive-v1 §2.13)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from hive.acting import Acting, Member, require
from hive.analysis import service
from hive.analysis.backends import BusBackend, RestBackend
from hive.analysis.models import Job
from hive.analysis.reports import full_report
from hive.analysis.schemas import InputJob, InputJobs, OutputJob, OutputWorker, job_out
from hive.analysis.service import Available, Backends
from hive.answers import answer
from hive.cases.models import Case
from hive.identity.permissions import Permission
from hive.markings import pap_number, tlp_number
from hive.observables.service import find as find_observable
from hive.platform import Hive
from waggle.errors import NotFound
from waggle.web.paging import parse_range

MayAnalyse = Annotated[Acting, require(Permission.ANALYSE)]
Range = Annotated[str | None, Query(description="0-50, or all")]


def backends(hive: Hive) -> Backends:
    return {"bus": BusBackend(hive.settings.claims_url), "rest": RestBackend()}


def worker_out(one: Available) -> OutputWorker:
    worker = one.worker
    shown: OutputWorker = {
        "id": worker.worker_id, "name": worker.name, "version": worker.version, "description": worker.description,
        "dataTypeList": worker.data_types, "cortexIds": list(one.servers),
    }  # fmt: skip
    if worker.max_tlp is not None:
        shown["maxTlp"] = tlp_number(worker.max_tlp)
    if worker.max_pap is not None:
        shown["maxPap"] = pap_number(worker.max_pap)
    return shown


async def requested(session: AsyncSession, acting: Acting, given: InputJob) -> Job:
    observable = await find_observable(session, given.artifact_id)
    number = None
    if observable.case_id is not None:
        number = await session.scalar(select(Case.number).where(Case.id == observable.case_id))
    return await service.request_job(
        session, acting.caller, observable, worker_id=given.analyzer_id, server_name=given.cortex_id,
        parameters=given.parameters, backends=backends(acting.hive), case_number=number,
    )  # fmt: skip


def _router(prefix: str, *, shown: bool) -> APIRouter:
    router = APIRouter(prefix=prefix, tags=["analysis"], include_in_schema=shown)

    @router.get("/analyzer", response_model=list[OutputWorker])
    async def list_analyzers(acting: Member, range: Range = None) -> Response:
        page = parse_range(range if range is not None else "all")
        async with acting.read() as session:
            found = await service.workers(session, acting.caller.organisation)
        last = None if page.limit is None else page.offset + page.limit
        return answer([worker_out(one) for one in found[page.offset : last]])

    @router.get("/analyzer/type/{data_type}", response_model=list[OutputWorker])
    async def list_by_type(data_type: str, acting: Member) -> Response:
        async with acting.read() as session:
            found = await service.workers(session, acting.caller.organisation, data_type=data_type)
        return answer([worker_out(one) for one in found])

    @router.get("/analyzer/{worker_id}", response_model=OutputWorker)
    async def get_analyzer(worker_id: str, acting: Member) -> Response:
        async with acting.read() as session:
            found = await service.workers(session, acting.caller.organisation, worker_id=worker_id)
        if not found:
            raise NotFound(f"Analyzer {worker_id[:100]} not found")
        return answer(worker_out(found[0]))

    @router.post("/job", status_code=201, response_model=OutputJob)
    async def create_job(given: InputJob, acting: MayAnalyse) -> Response:
        """Asks for an analysis. What cannot run is a job that ends as Failure with the reason."""
        async with acting.begin() as session:
            return answer(job_out(await requested(session, acting, given)), 201)

    @router.post("/job/_bulk", status_code=201, response_model=list[OutputJob])
    async def create_jobs(given: InputJobs, acting: MayAnalyse) -> Response:
        async with acting.begin() as session:
            return answer([job_out(await requested(session, acting, one)) for one in given.jobs], 201)

    @router.get("/job/{reference}", response_model=OutputJob)
    async def get_job(reference: str, acting: Member) -> Response:
        """The job; once it ended well, with its report."""
        async with acting.read() as session:
            job = await service.find_job(session, reference)
            artifacts = await service.artifacts_of(session, job)
            full = await full_report(acting.hive, session, job) if job.status == "Success" else None
        return answer(job_out(job, full=full, artifacts=artifacts))

    return router


routers = [_router("/api/v1/connector/cortex", shown=True), _router("/api/connector/cortex", shown=False)]
