"""Files that nobody refers to any more are removed a day after they came for the last time.

A content goes in one transaction: its row first, which an upload of the same content then waits for, the file after it, then the
commit. The foreign keys have the last word: a row that something refers to cannot be deleted.
"""

from __future__ import annotations

from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from hive.platform import Hive

log = structlog.get_logger(__name__)
GRACE_HOURS: Final = 24.0
AT_ONCE: Final = 1000
USED_BY: Final = (
    "observables.sha256", "attachments.sha256", "job_artifacts.sha256", "jobs.report_sha256", "actions.report_sha256",
    "claims.sha256", "organisations.avatar_sha256", "users.avatar",
)  # fmt: skip
_UNUSED = " AND ".join(
    f"NOT EXISTS (SELECT FROM {table} u WHERE u.{column} = b.sha256)"
    for table, _, column in (place.partition(".") for place in USED_BY)
)
OLD = "b.seen_at < now() - :hours * interval '1 hour'"
CANDIDATES = text(f"SELECT b.sha256 FROM blobs b WHERE {OLD} AND {_UNUSED} ORDER BY b.seen_at LIMIT {AT_ONCE}")
REMOVE = text(f"DELETE FROM blobs b WHERE b.sha256 = :sha256 AND {OLD} RETURNING b.sha256")


async def sweep(hive: Hive, *, grace_hours: float = GRACE_HOURS) -> int:
    """Removes a thousand unused files at most; how many it were."""
    async with hive.database.system() as session:
        found = list(await session.scalars(CANDIDATES, {"hours": grace_hours}))
    removed = 0
    for sha256 in found:
        try:
            async with hive.database.system() as session:
                if await session.scalar(REMOVE, {"sha256": sha256, "hours": grace_hours}) is not None:
                    await hive.blobs.delete(sha256.hex())
                    removed += 1
        except IntegrityError:
            log.info("file_in_use_again", sha256=sha256.hex())
    return removed
