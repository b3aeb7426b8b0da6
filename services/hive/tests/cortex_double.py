"""A Cortex of somebody else, as far as a case service calls it (contracts/cortex.md §8.1), with moods of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

KEY = "the-key-of-the-double"
ANALYZER = {
    "id": "an1", "name": "Reputation_1_0", "version": "1.0", "description": "looks up", "dataTypeList": ["domain", "file"],
    "maxTlp": 2, "maxPap": None,
}  # fmt: skip
RESPONDER = {
    "id": "re1", "name": "Blocker_1_0", "version": "1.0", "description": "blocks",
    "dataTypeList": ["thehive:case", "thehive:alert", "thehive:case_task", "thehive:case_artifact", "thehive:case_task_log"],
}  # fmt: skip


@dataclass
class CortexDouble:
    """`mood` names how it answers job calls; `report` is what its jobs end with; `runs` is what was asked of it."""

    url: str = ""
    mood: str = "well"
    report: dict[str, Any] = field(default_factory=lambda: {"success": True, "full": {"x": 1}, "summary": {}, "artifacts": []})
    status: str = "Success"
    runs: list[dict[str, Any]] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return JSONResponse({"type": "AuthenticationError", "message": "Authentication failure"}, 401)
        path = request.url.path
        if path.endswith("/_search"):
            return JSONResponse([ANALYZER if "analyzer" in path else RESPONDER, {"no": "id"}, 7])
        if self.mood == "html":
            return HTMLResponse("<html>Please log in</html>")
        if self.mood == "broken":
            return Response(b'{"id": "half', media_type="application/json")
        if self.mood == "list":
            return JSONResponse([1, 2])
        if self.mood == "down":
            return JSONResponse({"type": "InternalError", "message": "down"}, 503)
        if self.mood == "elsewhere":
            return RedirectResponse("http://169.254.169.254/latest/meta-data/")
        if self.mood == "slow":
            await asyncio.sleep(30)
        if path.endswith("/run"):
            return await self._run(request)
        if path.startswith("/api/datastore/"):
            return Response(b"dropped file", media_type="application/octet-stream")
        return self._job(path)

    async def _run(self, request: Request) -> Response:
        if self.mood == "full":
            return JSONResponse({"type": "TooManyRequests", "message": "Rate limit of 1 per Day reached"}, 429)
        if self.mood == "refusing":
            return JSONResponse({"type": "NotFoundError", "message": "Worker an1 not found"}, 404)
        if request.headers["content-type"].startswith("multipart"):
            form = await request.form()
            part, text = form["data"], form["_json"]
            assert isinstance(part, UploadFile)
            given = orjson.loads(text if isinstance(text, str) else await text.read())
            given["file"] = (part.filename, await part.read())
        else:
            given = await request.json()
        self.runs.append({"path": request.url.path, **given})
        return JSONResponse({"id": f"remote-{len(self.runs)}", "status": "Waiting", "workerId": "an1"})

    def _job(self, path: str) -> Response:
        if self.mood == "forgetful":
            return JSONResponse({"type": "NotFoundError", "message": "Job not found"}, 404)
        if self.mood == "working":
            return JSONResponse({"id": path.split("/")[3], "status": "InProgress", "report": "Running"})
        return JSONResponse({"id": path.split("/")[3], "status": self.status, "report": self.report})


@asynccontextmanager
async def cortex_double() -> AsyncIterator[CortexDouble]:
    double = CortexDouble()
    app = Starlette(routes=[Route("/{path:path}", double.answer, methods=["GET", "POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    double.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield double
    finally:
        server.should_exit = server.force_exit = True
        await serving
