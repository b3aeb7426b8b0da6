"""Shaping the answer to MISP's `/query`: contracts/cortex.md §7.2, misp.md §7.5."""

from __future__ import annotations

import base64
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.jobs.models import Job, Report
from cortex.jobs.reports import artifacts_of, files_of, full_of
from cortex.misp.types import MISP_TYPES, output_types
from waggle.blobs import BlobStore

MAX_INLINE_FILE = 8 << 20
"""Longest file artifact that is sent along in the answer, bytes."""
MAX_CORTEX_TEXT = 65_535
"""Longest value of an attribute of type `cortex` that MISP stores, bytes."""
TOO_LONG = "The report is too long for an attribute. It is in Cortex: job {0}"
NOT_FINISHED = "This job hasn't finished yet. Ask again in a while: its report is kept"


async def answer(session: AsyncSession, blobs: BlobStore, *, job: Job) -> dict[str, Any]:
    """`results` of a job that has succeeded, else `error`: MISP shows any status but 2xx as an unreachable service."""
    if job.status in ("Waiting", "InProgress"):
        return {"error": NOT_FINISHED}
    if job.status == "Deleted":
        return {"error": "This job has been deleted"}
    if job.status == "Failure":
        return {"error": job.error_message or "This job has failed, without message!"}
    report = (await session.scalars(select(Report).where(Report.job_id == job.id))).one()
    results = []
    found = await artifacts_of(session, job=job)
    files = await files_of(session, (a.attachment_id for a in found))
    for artifact in found:
        result: dict[str, Any] = {"tags": artifact.tags} if artifact.tags else {}
        result["comment"] = artifact.message or job.worker_name
        if artifact.attachment_id is None:
            value = artifact.data or ""
            results.append({"types": output_types(artifact.data_type, value), "values": [value], **result})
            continue
        file = files[artifact.attachment_id]
        if file.size <= MAX_INLINE_FILE:
            content = b"".join([chunk async for chunk in blobs.open(file.sha256)])
            data = base64.b64encode(content).decode()
            types = list(reversed(MISP_TYPES["file"]))
            results.append({"types": types, "values": [file.name], "data": data, **result})
    results.append({"types": ["cortex"], "values": [_cortex_text(job, report, await full_of(report, blobs))]})
    return {"results": results}


def _cortex_text(job: Job, report: Report, full: dict[str, Any]) -> str:
    """The value of the attribute `cortex`: an object of two JSON texts. Without its report where MISP could not store it."""
    summary = orjson.dumps(report.summary).decode()
    text = orjson.dumps({"full": orjson.dumps(full).decode(), "summary": summary})
    if len(text) > MAX_CORTEX_TEXT:
        note = orjson.dumps({"note": TOO_LONG.format(job.id.hex)}).decode()
        text = orjson.dumps({"full": note, "summary": summary})
    if len(text) > MAX_CORTEX_TEXT:
        text = orjson.dumps({"full": note, "summary": "{}"})
    return text.decode()
