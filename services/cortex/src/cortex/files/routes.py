"""`/api/datastore…` (contracts/cortex.md §2.10) and `/api/claims…`, where neighbours fetch what a message only names."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response, StreamingResponse

from cortex.access import engine_of, neighbour, require
from cortex.acting import Actor
from cortex.jobs.models import Blob
from cortex.jobs.reports import file_by_hash
from waggle.archives import PASSWORD, protected
from waggle.errors import BadRequest, NotFound

router = APIRouter(prefix="/api", tags=["file"])
Reader = Annotated[Actor, require("read")]
FORBIDDEN = re.compile(r'[/\n\r\t\0\f`?*\\<>|":;]')
BINARY: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": {}}}}


def _disposition(name: str) -> dict[str, str]:
    """Always a download, never shown in the page (threats S04)."""
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    value = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return {"Content-Disposition": value, "Content-Transfer-Encoding": "binary", "Content-Security-Policy": "sandbox"}


def _checked(name: str) -> str:
    if FORBIDDEN.search(name):
        raise BadRequest("File name is invalid")
    return name


@router.get("/datastore/{file_id}", responses=BINARY)
async def download(request: Request, actor: Reader, file_id: str, name: str = "") -> Response:
    """A file of a job or an artifact of the caller's organisation."""
    engine = engine_of(request)
    chosen = _checked(name)
    async with engine.database.begin(actor.scope) as session:
        file = await file_by_hash(session, actor, sha256=file_id)
    headers = {**_disposition(chosen or file_id), "Content-Length": str(file.size)}
    return StreamingResponse(engine.blobs.open(file.sha256), media_type="application/octet-stream", headers=headers)


@router.get("/datastorezip/{file_id}", responses={200: {"content": {"application/zip": {}}}})
async def download_zipped(request: Request, actor: Reader, file_id: str, name: str = "") -> Response:
    """The same in a zip with password `malware`, in the cipher that every tool opens, so that no scanner on the way takes it."""
    engine = engine_of(request)
    chosen = _checked(name)
    async with engine.database.begin(actor.scope) as session:
        file = await file_by_hash(session, actor, sha256=file_id)
    folder = Path(await run_in_threadpool(tempfile.mkdtemp, prefix="cortex-zip-"))
    try:
        await engine.blobs.copy_to(file.sha256, folder / "content")
        await protected(folder / "content", folder / "archive", name=chosen or file_id, password=PASSWORD)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return FileResponse(
        folder / "archive",
        media_type="application/zip",
        headers=_disposition(f"{chosen or file_id}.zip"),
        background=BackgroundTask(shutil.rmtree, folder, ignore_errors=True),
    )


@router.get("/claims/{sha256}", responses=BINARY)
async def claim(request: Request, service: Annotated[str, neighbour()], sha256: str) -> Response:
    """A content that a message of ours has named, for the services that hold a key."""
    engine = engine_of(request)
    try:
        key = bytes.fromhex(sha256)
    except ValueError:
        raise NotFound(f"claim {sha256} not found") from None
    async with engine.database.system() as session:
        size = await session.scalar(select(Blob.size).where(Blob.sha256 == key))
    if size is None:
        raise NotFound(f"claim {sha256} not found")
    headers = {"Content-Length": str(size)}
    return StreamingResponse(engine.blobs.open(sha256), media_type="application/octet-stream", headers=headers)
