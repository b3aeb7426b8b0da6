"""Streams: a cursor per page over what the organisation's people, workers and jobs have become.

Jobs are read by the time of their last change, a little behind the clock, so that what is being committed now is not skipped.
"""

from __future__ import annotations

import re
import secrets
import string
from collections import Counter
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.acting import Actor
from cortex.jobs.models import Job
from cortex.jobs.reports import files_of
from cortex.jobs.schemas import show_job
from waggle.errors import BadRequest, NotFound
from waggle.ids import now_ms

ALPHABET = string.ascii_letters + string.digits
FORM = re.compile(r"[A-Za-z0-9]{10}")
BEHIND_MS = 500
MOST = 200
OPERATIONS = {"create": "Creation", "update": "Update", "delete": "Delete"}
_FORGET = text("DELETE FROM streams WHERE read_at < now() - interval '15 minutes'")
_OPEN = text("""
INSERT INTO streams (id, org_id, audit_id, jobs_until)
SELECT :id, :org, coalesce(max(id), 0), :now FROM audit WHERE org_id = :org
""")
_READ = text("SELECT audit_id, jobs_until FROM streams WHERE id = :id AND org_id = :org FOR UPDATE")
_ADVANCE = text("UPDATE streams SET audit_id = :audit, jobs_until = :jobs, read_at = now() WHERE id = :id")
_AUDIT = text("""
SELECT id, at, request_id, action, kind, object_id, actor, details FROM audit
WHERE org_id = :org AND id > :after ORDER BY id LIMIT :most
""")


async def open_stream(session: AsyncSession, actor: Actor) -> str:
    """A new stream's id. Those that nobody has read for 15 minutes are swept along."""
    await session.execute(_FORGET)
    made = "".join(secrets.choice(ALPHABET) for _ in range(10))
    await session.execute(_OPEN, {"id": made, "org": actor.organisation, "now": now_ms() - BEHIND_MS})
    return made


async def read(session: AsyncSession, actor: Actor, stream_id: str) -> list[dict[str, Any]]:
    """What has happened since the last reading, oldest first. Raises BadRequest for what is no id, NotFound for another's."""
    if not FORM.fullmatch(stream_id):
        raise BadRequest(f"invalid stream id: {stream_id}")
    cursor = (await session.execute(_READ, {"id": stream_id, "org": actor.organisation})).one_or_none()
    if cursor is None:
        raise NotFound(f"stream {stream_id} not found")
    values = {"org": actor.organisation, "after": cursor.audit_id, "most": MOST}
    rows = (await session.execute(_AUDIT, values)).all()
    until = max(cursor.jobs_until, now_ms() - BEHIND_MS)
    jobs = await _jobs(session, actor, cursor.jobs_until, until)
    last = rows[-1].id if rows else cursor.audit_id
    await session.execute(_ADVANCE, {"id": stream_id, "audit": last, "jobs": until})
    messages = [_of_audit(row) for row in rows] + jobs
    return sorted(messages, key=lambda message: int(message["base"]["startDate"]))


async def _jobs(session: AsyncSession, actor: Actor, since: int, until: int) -> list[dict[str, Any]]:
    changed = func.greatest(Job.created_at, func.coalesce(Job.updated_at, 0))
    query = select(Job).where(Job.org_id == actor.organisation, changed > since, changed <= until).order_by(changed).limit(MOST)
    found = list(await session.scalars(query))
    files = await files_of(session, (job.attachment_id for job in found))
    messages = []
    for job in found:
        operation = "Creation" if job.created_at > since else "Delete" if job.status == "Deleted" else "Update"
        shown = show_job(job, files).model_dump(mode="json", by_alias=True, exclude_unset=True)
        base = {
            "objectId": job.id.hex, "objectType": "job", "operation": operation, "startDate": job.updated_at or job.created_at,
            "rootId": job.id.hex, "user": job.updated_by or job.created_by, "createdBy": job.created_by,
            "createdAt": job.created_at, "requestId": "", "object": shown, "details": {"status": job.status},
        }  # fmt: skip
        messages.append({"base": base, "summary": {"job": dict(Counter([operation]))}})
    return messages


def _of_audit(row: Any) -> dict[str, Any]:
    operation = OPERATIONS[row.action]
    base = {
        "objectId": row.object_id, "objectType": row.kind, "operation": operation, "startDate": row.at, "rootId": row.object_id,
        "user": row.actor, "createdBy": row.actor, "createdAt": row.at, "requestId": row.request_id or "",
        "object": {"id": row.object_id, "_id": row.object_id, "_type": row.kind}, "details": row.details,
    }  # fmt: skip
    return {"base": base, "summary": {row.kind: {operation: 1}}}
