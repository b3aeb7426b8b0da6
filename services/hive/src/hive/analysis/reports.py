"""Reports: short ones in the job's row, long ones in the blob store; texts that PostgreSQL cannot hold are mended."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncSession

from hive.analysis.models import Run
from hive.analysis.outcomes import INLINE_REPORT
from hive.attachments.files import remember
from hive.platform import Hive
from waggle.blobs import BlobMissing


def storable(value: Any) -> Any:
    """A copy without NUL characters, which no text column holds."""
    if isinstance(value, str):
        return value.replace("\0", "�")
    if isinstance(value, dict):
        return {storable(key): storable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [storable(inner) for inner in value]
    return value


async def kept(hive: Hive, report: Any) -> tuple[Any, bytes | None]:
    """A report as the row keeps it: itself, or the hash under which it is stored."""
    body = orjson.dumps(report)
    if len(body) <= INLINE_REPORT:
        return report, None
    blob = await hive.blobs.put(body)
    await remember(hive.database, blob)
    return None, bytes.fromhex(blob.sha256)


async def full_report(hive: Hive, session: AsyncSession, job: Run) -> Any:
    """The body of a run's report, from wherever it is; None when there is none."""
    if job.report_sha256 is None:
        if "report" in inspect(job).unloaded:
            await session.refresh(job, ["report"])
        return job.report
    try:
        body = b"".join([chunk async for chunk in hive.blobs.open(job.report_sha256.hex())])
    except BlobMissing:
        return None
    return orjson.loads(body)
