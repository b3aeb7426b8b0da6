"""Analyzers and jobs, under the v1 prefix and under the one that clients still use (hive-v1 §2.13)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from hive.acting import Acting, Member, require
from hive.analysis import artifacts, service
from hive.analysis.backends import backends
from hive.analysis.models import Job
from hive.analysis.reports import full_report
from hive.analysis.schemas import InputArtifacts, InputJob, InputJobs, OutputJob, OutputWorker, job_out, worker_out
from hive.analysis.workers import workers
from hive.answers import answer
from hive.attachments.routes import FILE, AsZip, send
from hive.attachments.service import Download
from hive.attachments.zipped import zip_answer
from hive.classic import outputs
from hive.identity.permissions import Permission
from hive.observables.schemas import OutputObservable, observable_out
from hive.observables.service import find as find_observable
from waggle.errors import NotFound
from waggle.web.paging import parse_range

MayAnalyse = Annotated[Acting, require(Permission.ANALYSE)]
MayObserve = Annotated[Acting, require(Permission.OBSERVABLE)]
Range = Annotated[str | None, Query(description="0-50, or all")]


async def requested(session: AsyncSession, acting: Acting, given: InputJob) -> Job:
    observable = await find_observable(session, given.artifact_id)
    return await service.request_job(
        session, acting.caller, observable, worker_id=given.analyzer_id, server_name=given.cortex_id,
        parameters=given.parameters, backends=backends(acting.hive),
    )  # fmt: skip


def _router(prefix: str, *, shown: bool) -> APIRouter:
    router = APIRouter(prefix=prefix, tags=["analysis"], include_in_schema=shown)

    @router.get("/analyzer", response_model=list[OutputWorker])
    async def list_analyzers(acting: Member, range: Range = None) -> Response:
        page = parse_range(range if range is not None else "all")
        async with acting.read() as session:
            found = await workers(session, acting.caller.organisation)
        last = None if page.limit is None else page.offset + page.limit
        return answer([worker_out(one) for one in found[page.offset : last]])

    @router.get("/analyzer/type/{data_type}", response_model=list[OutputWorker])
    async def list_by_type(data_type: str, acting: Member) -> Response:
        async with acting.read() as session:
            found = await workers(session, acting.caller.organisation, data_type=data_type)
        return answer([worker_out(one) for one in found])

    @router.get("/analyzer/{worker_id}", response_model=OutputWorker)
    async def get_analyzer(worker_id: str, acting: Member) -> Response:
        async with acting.read() as session:
            found = await workers(session, acting.caller.organisation, worker_id=worker_id)
        if not found:
            raise NotFound(f"Analyzer {worker_id[:100]} not found")
        return answer(worker_out(found[0]))

    def both(job: Job, native: OutputJob) -> Any:
        """On the old prefix classic clients read beside thehive4py 2: the keys of both, hive-v1's where they name the same."""
        return native if shown else {**outputs.job_out(job), **native}

    @router.post("/job", status_code=201, response_model=OutputJob)
    async def create_job(given: InputJob, acting: MayAnalyse) -> Response:
        """Asks for an analysis. What cannot run is a job that ends as Failure with the reason."""
        async with acting.begin() as session:
            job = await requested(session, acting, given)
            return answer(both(job, job_out(job)), 201)

    @router.post("/job/_bulk", status_code=201, response_model=list[OutputJob])
    async def create_jobs(given: InputJobs, acting: MayAnalyse) -> Response:
        async with acting.begin() as session:
            return answer([job_out(await requested(session, acting, one)) for one in given.jobs], 201)

    @router.get("/job/{reference}", response_model=OutputJob)
    async def get_job(reference: str, acting: Member) -> Response:
        """The job; once it ended well, with its report."""
        async with acting.read() as session:
            job = await service.find_job(session, reference)
            found = await artifacts.of_job(session, job)
            full = await full_report(acting.hive, session, job) if job.status == "Success" else None
        return answer(both(job, job_out(job, full=full, artifacts=found)))

    @router.post("/job/{reference}/artifact/_import", status_code=201, response_model=list[OutputObservable])
    async def import_artifacts(reference: str, given: InputArtifacts, acting: MayObserve) -> Response:
        """Makes observables of what the report found, beside the analyzed one; 207 where some were there already."""
        catalogue = await acting.hive.catalogues.current()
        async with acting.begin() as session:
            job = await service.find_job(session, reference, for_update=True)
            if given.artifacts is None:
                chosen = await artifacts.of_job(session, job)
            else:
                chosen = [await artifacts.find(session, job, one) for one in dict.fromkeys(given.artifacts)]
            made, known = await artifacts.import_all(session, acting.caller, job, chosen, catalogue)
        success = [observable_out(one) for one in made]
        if not known:
            return answer(success, 201)
        failure = [
            {
                "type": "CreateError", "message": "Observable already exists",
                "object": {"dataType": one.data_type, "data": one.data or one.file_name},
            }
            for one in known
        ]  # fmt: skip
        return answer({"success": success, "failure": failure}, 207)

    @router.get("/job/{reference}/artifact/{artifact}/download", responses=FILE)
    async def download_artifact(reference: str, artifact: str, acting: Member, as_zip: AsZip = False) -> Response:
        """A file that the report found."""
        async with acting.read() as session:
            job = await service.find_job(session, reference)
            one = await artifacts.find(session, job, artifact)
        if one.sha256 is None:
            raise NotFound(f"the artifact {artifact[:64]} is no file")
        file = Download(one.file_name or "unnamed", one.content_type or "", one.size or 0, one.sha256.hex())
        return await zip_answer(acting.hive, file) if as_zip else send(acting, file)

    return router


routers = [_router("/api/v1/connector/cortex", shown=True), _router("/api/connector/cortex", shown=False)]
