"""Downloads of files."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from hive.acting import Acting, Member
from hive.answers import file_answer
from hive.attachments import service
from hive.attachments.service import Download
from hive.attachments.zipped import zip_answer
from hive.tables import number_of
from waggle.errors import NotFound

router = APIRouter(prefix="/api/v1", tags=["attachment"])
AsZip = Annotated[bool, Query(alias="asZip", description="in a zip with the password malware")]
FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "the file, always as a download", "content": {"application/octet-stream": {}}}
}


def send(acting: Acting, found: Download) -> Response:
    content = acting.hive.blobs.open(found.sha256)
    return file_answer(content, name=found.name, content_type=found.content_type, size=found.size)


async def _found(acting: Acting, reference: str) -> Download:
    number = number_of(reference)
    if number is None:
        raise NotFound(f"Attachment {reference[:64]} not found")
    async with acting.read() as session:
        return await service.download(session, number)


async def _send(acting: Acting, reference: str) -> Response:
    return send(acting, await _found(acting, reference))


@router.get("/attachment/{reference}/download", responses=FILE)
async def download(reference: str, acting: Member) -> Response:
    """Any file visible to the caller, whatever it hangs on."""
    return await _send(acting, reference)


@router.get("/alert/{parent}/attachment/{reference}/download", responses=FILE)
@router.get("/case/{parent}/attachment/{reference}/download", responses=FILE)
@router.get("/log/{parent}/attachment/{reference}/download", responses=FILE)
async def download_of(parent: str, reference: str, acting: Member) -> Response:
    """The older form, with the object the file hangs on."""
    return await _send(acting, reference)


@router.get("/observable/{parent}/attachment/{reference}/download", responses=FILE)
async def download_of_observable(parent: str, reference: str, acting: Member, as_zip: AsZip = False) -> Response:
    """The file of an observable, as it is or in a zip with the password `malware`."""
    found = await _found(acting, reference)
    return await zip_answer(acting.hive, found) if as_zip else send(acting, found)


@router.get("/observable/{parent}/attachment/{reference}", responses=FILE)
async def unless_known(
    parent: str, reference: str, acting: Member, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """The same for callers that keep files: 304 when they have this content (its hash is the ETag)."""
    found = await _found(acting, reference)
    tag = f'"{found.sha256}"'
    if if_none_match is not None and tag in if_none_match:
        return Response(status_code=304, headers={"ETag": tag})
    answer = send(acting, found)
    answer.headers["ETag"] = tag
    return answer
