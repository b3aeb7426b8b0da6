"""Classic downloads by content hash: as they are, or in a zip with a password (contracts hive-v0 §2.12)."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter
from starlette.responses import Response

from hive.acting import Acting, Member
from hive.attachments import service as attachments
from hive.attachments.files import plain_name
from hive.attachments.routes import FILE, send
from hive.attachments.service import Download
from hive.attachments.zipped import zip_answer
from waggle.blobs.store import SHA256
from waggle.errors import NotFound


async def found(acting: Acting, sha256: str, name: str | None) -> Download:
    """A content the caller can see, under the name asked for, else under its own. Raises NotFound."""
    if not SHA256.fullmatch(sha256):
        raise NotFound("Attachment not found")
    async with acting.read() as session:
        download = await attachments.download_by_hash(session, sha256)
    return replace(download, name=plain_name(name)) if name else download


def routes(router: APIRouter) -> None:
    @router.get("/datastore/{sha256}", responses=FILE)
    async def datastore(sha256: str, acting: Member, name: str | None = None) -> Response:
        response = send(acting, await found(acting, sha256, name))
        response.headers["Content-Transfer-Encoding"] = "binary"
        return response

    @router.get("/datastorezip/{sha256}", responses=FILE)
    async def datastorezip(sha256: str, acting: Member, name: str | None = None) -> Response:
        """thehive4py forgets the `=` in `?name=…`: then the stored name serves."""
        password = acting.hive.settings.attachment_password
        return await zip_answer(acting.hive, await found(acting, sha256, name), password=password)
