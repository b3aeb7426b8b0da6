"""Reports: short ones in the job's row, long ones in the blob store; texts that PostgreSQL cannot hold are mended."""

from __future__ import annotations

from typing import Any, Final

import orjson
from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncSession

from hive.analysis.models import Run
from hive.analysis.outcomes import INLINE_REPORT
from hive.attachments.files import keep
from hive.platform import Hive
from waggle.blobs import BlobMissing

MAX_DEPTH: Final = 100
MAX_WORDS: Final = 100_000


def storable(value: Any, depth: int = 0) -> Any:
    """A copy without NUL characters, which no text column holds, and without what is nested deeper than anybody reads."""
    if isinstance(value, str):
        return value.replace("\0", "�")
    if not isinstance(value, dict | list | tuple):
        return value
    if depth >= MAX_DEPTH:
        return f"(left out: nested deeper than {MAX_DEPTH} levels)"
    if isinstance(value, dict):
        return {storable(key): storable(inner, depth + 1) for key, inner in value.items()}
    return [storable(inner, depth + 1) for inner in value]


def words(value: Any) -> str:
    """The texts and numbers of a report one after another, as many characters of them as are indexed."""
    found: list[str] = []
    length, waiting = 0, [value]
    while waiting and length < MAX_WORDS:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting.extend(reversed(one.values()))
        elif isinstance(one, list | tuple):
            waiting.extend(reversed(one))
        elif isinstance(one, str | int | float) and not isinstance(one, bool):
            found.append(str(one)[: MAX_WORDS - length])
            length += len(found[-1]) + 1
    return " ".join(found)


async def kept(hive: Hive, report: Any) -> tuple[Any, bytes | None]:
    """A report as the row keeps it: itself, or the hash under which it is stored."""
    body = orjson.dumps(report)
    if len(body) <= INLINE_REPORT:
        return report, None
    blob = await keep(hive.blobs, hive.database, body)
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
