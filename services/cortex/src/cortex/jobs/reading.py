"""A job with all that belongs to it, in one statement: what a client that waits for a report asks again and again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from cortex.acting import Actor
from cortex.jobs.models import Job
from cortex.jobs.reports import PENDING, StoredFile, content_of, shown_input
from cortex.jobs.submission import job_of
from cortex.markings import TLP_NUMBERS
from waggle.blobs import BlobStore
from waggle.db.database import context_sql
from waggle.errors import NotFound

_JOB = "SELECT * FROM jobs WHERE id = $4 AND org_id = ctx.org OFFSET 0"
_FILE = """
SELECT a.id AS file_id, a.name, a.content_type, b.size, encode(b.sha256, 'hex') AS sha256, encode(b.sha1, 'hex') AS sha1,
  encode(b.md5, 'hex') AS md5 FROM attachments a JOIN blobs b ON b.sha256 = a.sha256 WHERE a.id = {id} OFFSET 0
"""
_ARTIFACTS = f"""
SELECT json_agg(json_build_object('data_type', x.data_type, 'data', x.data, 'tlp', x.tlp, 'tags', x.tags, 'message', x.message,
  'file', CASE WHEN f.file_id IS NOT NULL THEN to_json(f) END) ORDER BY x.id) AS artifacts
FROM (SELECT * FROM artifacts WHERE job_id = j.id OFFSET 0) x LEFT JOIN LATERAL ({_FILE.format(id="x.attachment_id")}) f ON true
"""
# The lateral joins make every table be read after `ctx`, which sets the scope that the second wall asks for.
_READ = f"""
WITH {context_sql()}
SELECT j.*, f.* FROM ctx CROSS JOIN LATERAL ({_JOB}) j
LEFT JOIN LATERAL ({_FILE.format(id="j.attachment_id")}) f ON true
"""
_READ_ALL = f"""
WITH {context_sql()}
SELECT j.*, f.*, r.summary, r."full", r.full_sha256, r.operations, r.verdict, x.artifacts FROM ctx CROSS JOIN LATERAL ({_JOB}) j
LEFT JOIN LATERAL ({_FILE.format(id="j.attachment_id")}) f ON true
LEFT JOIN LATERAL (SELECT * FROM reports WHERE job_id = j.id OFFSET 0) r ON true
LEFT JOIN LATERAL ({_ARTIFACTS}) x ON r.job_id IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A job, its file by attachment id, and its report where it has one and it was asked for."""

    job: Job
    files: dict[int, StoredFile]
    report: dict[str, Any] | None = None
    full_sha256: bytes | None = None
    artifacts: list[dict[str, Any]] = field(default_factory=list)


def parsed_id(job_id: str) -> UUID:
    """Raises NotFound for what cannot be a job's id."""
    try:
        if len(job_id) == 32:
            return UUID(hex=job_id)
    except ValueError:
        pass
    raise NotFound(f"job {job_id} not found")


async def read(connection: asyncpg.Connection, actor: Actor, *, job_id: str, with_report: bool) -> Found:
    """Raises NotFound, also for another organisation's."""
    row = await connection.fetchrow(_READ_ALL if with_report else _READ, *actor.scope.parameters(), parsed_id(job_id))
    if row is None:
        raise NotFound(f"job {job_id} not found")
    job = job_of(row)
    files = {} if row["file_id"] is None else {row["file_id"]: _file(dict(row))}
    if not with_report or row["summary"] is None:
        return Found(job, files)
    report = {name: row[name] for name in ("summary", "full", "operations", "verdict")}
    return Found(job, files, report, row["full_sha256"], row["artifacts"] or [])


async def report_of(found: Found, blobs: BlobStore, *, with_input: bool) -> dict[str, Any] | str:
    """The `report` of a job as the API shows it: an object when it has ended, else a word (contracts/cortex.md §2.6)."""
    job = found.job
    if job.status in PENDING:
        return PENDING[job.status]
    if job.status == "Failure" or found.report is None:
        shown = shown_input(job, full=with_input)
        given = None if shown is None else orjson.dumps(shown).decode()
        return {"success": False, "errorMessage": job.error_message or "", "input": given}
    full = found.report["full"] if found.full_sha256 is None else await content_of(found.full_sha256, blobs)
    return {
        "summary": found.report["summary"],
        "full": full,
        "success": True,
        "artifacts": [_in_report(artifact) for artifact in found.artifacts],
        "operations": found.report["operations"],
        **({"verdict": found.report["verdict"]} if found.report["verdict"] else {}),
    }


def _file(row: dict[str, Any]) -> StoredFile:
    return StoredFile(row["name"], row["content_type"], row["size"], row["sha256"], (row["sha256"], row["sha1"], row["md5"]))


def _in_report(artifact: dict[str, Any]) -> dict[str, Any]:
    """`tags` and `tlp` are always there: TheHive drops all artifacts when one lacks them."""
    shown: dict[str, Any] = {"dataType": artifact["data_type"], "message": artifact["message"]}
    shown |= {"tags": artifact["tags"], "tlp": TLP_NUMBERS[artifact["tlp"]]}
    if artifact["file"] is None:
        return {**shown, "data": artifact["data"]}
    file = _file(artifact["file"])
    attachment = {"contentType": file.content_type, "id": file.sha256, "name": file.name, "size": file.size}
    return {**shown, "attachment": attachment}
