"""`/api/claims`: neighbours fetch what a message of this service named."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import StreamingResponse

from misp_connector.access.guards import Neighbour
from misp_connector.claims.service import claim_size
from misp_connector.runtime import runtime_of
from waggle.db import Scope
from waggle.errors import NotFound
from waggle.web import request_id

router = APIRouter(prefix="/api", tags=["claims"])


@router.get(
    "/claims/{sha256}",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "the content"}},
)
async def fetch_claim(
    request: Request, service: Neighbour, sha256: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
) -> StreamingResponse:
    """The content of that hash; needs the service key agreed at set-up."""
    runtime = runtime_of(request)
    async with runtime.database.begin(Scope(request_id=request_id())) as session:
        size = await claim_size(session, sha256=sha256)
    if size is None:
        raise NotFound("no message names this content any more")
    headers = {"Content-Length": str(size), "Content-Disposition": "attachment"}
    return StreamingResponse(runtime.blobs.open(sha256), media_type="application/octet-stream", headers=headers)
