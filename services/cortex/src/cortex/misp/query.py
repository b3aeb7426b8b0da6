"""Reading MISP's `/query` and shaping its answer: contracts/cortex.md §7.2."""

from __future__ import annotations

import base64
import binascii
import io
import zipfile
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.jobs.models import Job, Report
from cortex.jobs.reports import artifacts_of, files_of, full_of
from cortex.misp.types import FILE_TYPES, MISP_TYPES, data_type_of, output_types
from waggle.blobs import BlobStore
from waggle.errors import BadRequest

NOT_THE_VALUE = frozenset({"module", "event_id", "attribute_uuid", "data", "config", "persistent", "timeout", "tlp"})
SAMPLE_PASSWORD = b"infected"
MAX_UNPACKED = 256 << 20
MAX_INLINE_FILE = 8 << 20
"""Longest file artifact that is sent along in the answer, bytes."""
NOT_FINISHED = "This job hasn't finished yet. Ask again in a while: its report is kept"


@dataclass(frozen=True, slots=True)
class Question:
    """What MISP wants to know of one attribute. `content` and `file_name` for files, else `value`."""

    module: str
    data_type: str
    value: str
    content: bytes | None
    file_name: str


def read(body: dict[str, Any]) -> Question:
    """Raises BadRequest with the texts of the contract."""
    module = body.get("module")
    if not isinstance(module, str):
        raise BadRequest("Module parameter is not present in request")
    pairs = [(name, value) for name, value in body.items() if name not in NOT_THE_VALUE]
    if not pairs:
        raise BadRequest("Request doesn't contain data to analyze")
    misp_type, value = pairs[0]
    if not isinstance(value, str):
        raise BadRequest("Data has invalid type (expected string)")
    if misp_type in FILE_TYPES:
        name = value.partition("|")[0]
        return Question(module, "file", value, _file(misp_type, body.get("data")), name or "file")
    return Question(module, data_type_of(misp_type), value, None, "")


def _file(misp_type: str, data: Any) -> bytes:
    if not isinstance(data, str):
        raise BadRequest("Request doesn't contain data to analyze")
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest("data is not base64") from None
    return _sample(content) if misp_type == "malware-sample" else content


def _sample(archive: bytes) -> bytes:
    """The sample inside MISP's encrypted ZIP: the member beside `<hash>.filename.txt`. Unpacking is bounded."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            members = [m for m in opened.infolist() if not m.filename.endswith(".filename.txt")]
            if len(members) != 1:
                raise BadRequest("the malware sample's ZIP does not hold one file")
            with opened.open(members[0], pwd=SAMPLE_PASSWORD) as member:
                content = member.read(MAX_UNPACKED + 1)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise BadRequest(f"the malware sample's ZIP cannot be opened: {error}") from None
    if len(content) > MAX_UNPACKED:
        raise BadRequest(f"the malware sample is over {MAX_UNPACKED >> 20} MiB")
    return content


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
        if artifact.message:
            result["comment"] = artifact.message
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
    text = {"full": orjson.dumps(await full_of(report, blobs)).decode(), "summary": orjson.dumps(report.summary).decode()}
    results.append({"types": ["cortex"], "values": [orjson.dumps(text).decode()]})
    return {"results": results}
