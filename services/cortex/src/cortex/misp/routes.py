"""`GET /modules` and `POST /query`, at the root and not under `/api`: that is where MISP looks."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cortex.access import engine_of, require
from cortex.acting import Actor
from cortex.engine import Engine
from cortex.jobs import service as jobs
from cortex.jobs.models import ENDED
from cortex.jobs.requests import File, RunRequest
from cortex.misp import query
from cortex.workers.targets import find_target
from waggle.contracts.vocabulary import DEFAULT_PAP, DEFAULT_TLP
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
    return JsonResponse(await engine_of(request).modules.of(actor))


@router.post("/query", openapi_extra=QUERY_BODY, responses={200: {"model": dict[str, Any]}})
async def ask(request: Request, actor: Annotated[Actor, require("analyze")]) -> Response:
    """Runs an analyzer on an attribute and waits for its report, a little less long than MISP does."""
    engine = engine_of(request)
    body = parse_json(await request.body())
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    question = query.read(body)
    wanted = await _run_request(engine, question)
    try:
        async with engine.database.raw() as connection:
            target = await find_target(connection, actor, kind="analyzer", worker_id=None, name=question.module)
            run = await jobs.run(
                connection,
                actor,
                target=target,
                request=wanted,
                default_cache_minutes=engine.settings.job_cache_minutes,
                refuse_over_rate=engine.settings.rate_limit == "refuse",
            )
    except NotFound:
        return JsonResponse({"error": f"Module {question.module} not found"}, 404)
    except TooManyRequests as refusal:
        return JsonResponse({"error": refusal.message})
    engine.notifier.wake("dispatch")
    if run.job.status not in ENDED:
        await engine.watcher.wait(run.job.id, seconds=engine.settings.misp_wait_seconds)
    async with engine.database.begin(actor.scope) as session:
        job = await jobs.get_job(session, actor, job_id=run.job.id.hex)
        return JsonResponse(await query.answer(session, engine.blobs, job=job))


async def _run_request(engine: Engine, question: query.Question) -> RunRequest:
    """MISP's call carries no marking, so it gets the defaults, not the least (threats S18)."""
    file = None
    if question.content is not None:
        file = File(await engine.blobs.put(question.content), question.file_name, "application/octet-stream")
    return RunRequest(
        data_type=question.data_type,
        data=None if file else question.value,
        file=file,
        tlp=DEFAULT_TLP,
        pap=DEFAULT_PAP,
        priority=SOMEBODY_WAITS,
    )
