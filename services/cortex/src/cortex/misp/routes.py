"""`GET /modules` and `POST /query`, at the root and not under `/api`: that is where MISP looks."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cortex.access import engine_of, require
from cortex.acting import Actor
from cortex.jobs import service as jobs
from cortex.jobs.models import ENDED
from cortex.jobs.requests import File, RunRequest
from cortex.misp import answers, question, samples
from cortex.workers.targets import find_target
from waggle.errors import BadRequest, NotFound, TooManyRequests
from waggle.web.answers import JsonResponse
from waggle.web.fields import parse_json

router = APIRouter(tags=["misp"])
SOMEBODY_WAITS = 10
"""Priority of MISP's jobs: an analyst looks at a page that shows nothing until the answer comes."""
QUERY_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object", "required": ["module"], "properties": {"module": {"type": "string"}}},
                "example": {"module": "FileInfo_1_0", "sha256": "aa" * 32, "event_id": "1", "attribute_uuid": "…"},
            }
        },
    }
}


@router.get("/modules", responses={200: {"model": list[dict[str, Any]]}})
async def modules(request: Request, actor: Annotated[Actor, require("read")]) -> Response:
    """The organisation's analyzers as MISP's modules, from memory."""
    found = await engine_of(request).modules.of(actor)
    return Response(found.content, media_type="application/json", headers={"X-Total": str(found.total)})


@router.post("/query", openapi_extra=QUERY_BODY, responses={200: {"model": dict[str, Any]}})
async def ask(request: Request, actor: Annotated[Actor, require("analyze")]) -> Response:
    """Runs an analyzer on an attribute and waits for its report, a little less long than MISP does."""
    engine = engine_of(request)
    body = parse_json(await request.body())
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    try:
        asked = question.read(body)
        file = await samples.stored(asked, engine.blobs)
        async with engine.database.raw() as connection:
            target = await find_target(connection, actor, engine.targets, kind="analyzer", worker_id=None, name=asked.module)
            run = await jobs.run(
                connection,
                actor,
                target=target,
                request=_run_request(asked, file, target.data_types),
                default_cache_minutes=engine.settings.job_cache_minutes,
                refuse_over_rate=engine.settings.rate_limit == "refuse",
            )
    except NotFound:
        return JsonResponse({"error": f"Module {asked.module} not found"})
    except (TooManyRequests, question.UnreadableFile) as refusal:
        return JsonResponse({"error": refusal.message})
    engine.notifier.wake("dispatch")
    if run.job.status not in ENDED:
        await engine.watcher.wait(run.job.id, seconds=engine.settings.misp_wait_seconds)
    async with engine.database.begin(actor.scope) as session:
        job = await jobs.get_job(session, actor, job_id=run.job.id.hex)
        return JsonResponse(await answers.answer(session, engine.blobs, job=job))


def _run_request(asked: question.Question, file: File | None, data_types: list[str]) -> RunRequest:
    data_type, value = asked.for_worker(data_types)
    return RunRequest(
        data_type=data_type,
        data=None if file else value,
        file=file,
        tlp=asked.tlp,
        pap=asked.pap,
        priority=SOMEBODY_WAITS,
    )
