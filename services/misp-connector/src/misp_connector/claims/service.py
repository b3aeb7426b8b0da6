"""Content that messages name instead of carrying: stored by its hash, kept while a message may still ask for it.

Row before file, on both sides: who stores takes the row first, the sweep deletes the file while it holds the row. So a
content that is named again while it is being swept is written again, and never lost between the two.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from waggle.blobs import BlobStore

_NAME = text(
    "INSERT INTO blobs (sha256, size, named_at) VALUES (:sha256, :size, now())"
    " ON CONFLICT (sha256) DO UPDATE SET named_at = now()"
)
_SIZE = text("SELECT size FROM blobs WHERE sha256 = :sha256")
_OLDEST = text(
    "SELECT sha256 FROM blobs WHERE named_at < now() - make_interval(secs => :age)"
    " ORDER BY named_at LIMIT 1 FOR UPDATE SKIP LOCKED"
)
_DELETE = text("DELETE FROM blobs WHERE sha256 = :sha256")


async def store_claim(session: AsyncSession, blobs: BlobStore, *, content: bytes) -> str:
    """The SHA-256, in hex, under which a neighbour may fetch the content once the transaction is committed."""
    digest = hashlib.sha256(content)
    await session.execute(_NAME, {"sha256": digest.digest(), "size": len(content)})
    await blobs.put(content)
    return digest.hexdigest()


async def claim_size(session: AsyncSession, *, sha256: str) -> int | None:
    """Bytes of a claim; None when no message names it (any more)."""
    row = (await session.execute(_SIZE, {"sha256": bytes.fromhex(sha256)})).one_or_none()
    return None if row is None else int(row.size)


async def sweep_one(session: AsyncSession, blobs: BlobStore, *, age_seconds: float) -> bool:
    """Deletes one content that no message has named for that long; False when there is none. As the system login."""
    row = (await session.execute(_OLDEST, {"age": age_seconds})).one_or_none()
    if row is None:
        return False
    await session.execute(_DELETE, {"sha256": row.sha256})
    await blobs.delete(row.sha256.hex())
    return True
