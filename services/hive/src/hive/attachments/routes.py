"""Downloads of files."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from hive.acting import Acting, Member
from hive.answers import file_answer
from hive.attachments import service
from hive.attachments.service import Download
from hive.tables import number_of
from waggle.errors import NotFound

router = APIRouter(prefix="/api/v1", tags=["attachment"])
FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "the file, always as a download", "content": {"application/octet-stream": {}}}
}


def send(acting: Acting, found: Download) -> Response:
    content = acting.hive.blobs.open(found.sha256)
    return file_answer(content, name=found.name, content_type=found.content_type, size=found.size)


async def _send(acting: Acting, reference: str) -> Response:
    number = number_of(reference)
    if number is None:
        raise NotFound(f"Attachment {reference[:64]} not found")
    async with acting.read() as session:
        found = await service.download(session, number)
    return send(acting, found)


@router.get("/attachment/{reference}/download", responses=FILE)
async def download(reference: str, acting: Member) -> Response:
    """Any file visible to the caller, whatever it hangs on."""
    return await _send(acting, reference)


@router.get("/alert/{parent}/attachment/{reference}/download", responses=FILE)
@router.get("/case/{parent}/attachment/{reference}/download", responses=FILE)
@router.get("/log/{parent}/attachment/{reference}/download", responses=FILE)
@router.get("/observable/{parent}/attachment/{reference}/download", responses=FILE)
async def download_of(parent: str, reference: str, acting: Member) -> Response:
    """The older form, with the object the file hangs on."""
    return await _send(acting, reference)
