"""Content too large for a message stays here; the neighbour named in the claim fetches it with its service key.

Nothing else is reachable this way: a hash without a claim for that very service is not found.
"""

from __future__ import annotations

import hmac

from fastapi import APIRouter, Depends, Request
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from hive.answers import file_answer
from hive.platform import Hive
from waggle.blobs.store import SHA256
from waggle.errors import AuthenticationFailed, NotFound
from waggle.web.access import Requirement

router = APIRouter(prefix="/api/internal", include_in_schema=False)
DAYS = 14
CLAIM = text(
    "INSERT INTO claims (service, sha256, content_type, expires_at) VALUES (:service, :sha256, :content_type,"
    f" now() + interval '{DAYS} days') ON CONFLICT (service, sha256) DO UPDATE SET expires_at = excluded.expires_at"
)


async def allow(session: AsyncSession, *, service: str, sha256: bytes, content_type: str) -> None:
    """Lets a neighbour fetch a stored content, in the transaction that writes the message naming it."""
    await session.execute(CLAIM, {"service": service, "sha256": sha256, "content_type": content_type})


class ServiceKey(Requirement):
    """A neighbour with its service key; gives its name."""

    def __call__(self, request: Request) -> str:
        hive: Hive = request.app.state.hive
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        found = ""
        for service, key in hive.settings.service_keys.items():
            if hmac.compare_digest(given.encode(), key.get_secret_value().encode()):
                found = service
        if scheme.lower() != "bearer" or not found:
            raise AuthenticationFailed
        return found


NEIGHBOUR = Depends(ServiceKey())


@router.get("/claims/{sha256}")
async def claimed(sha256: str, request: Request, service: str = NEIGHBOUR) -> Response:
    hive: Hive = request.app.state.hive
    rows = []
    if SHA256.fullmatch(sha256):
        rows = await hive.database.fetch(
            "SELECT c.content_type, b.size FROM claims c JOIN blobs b USING (sha256)"
            " WHERE c.service = $1 AND c.sha256 = $2 AND c.expires_at > now()",
            service, bytes.fromhex(sha256), system=True,
        )  # fmt: skip
    if not rows:
        raise NotFound(f"{sha256[:64]} is not for {service}")
    return file_answer(hive.blobs.open(sha256), name=sha256, content_type=rows[0]["content_type"], size=rows[0]["size"])
