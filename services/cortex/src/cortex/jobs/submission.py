"""A job comes into being, or an equal one is found: one statement, so that it costs one round trip and cannot be half done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from cortex.acting import Actor
from cortex.jobs.models import Job
from cortex.jobs.requests import RunRequest
from cortex.workers.targets import Target
from waggle.db.database import context_sql
from waggle.ids import now_ms, uuid7

# Equal requests share a job while it waits, runs or is fresh. `found` is such a job; `expired` makes room where one is too old,
# ended badly or is to be forced anew; `made` takes the place, or meets the job of an equal request that came a moment before.
_FRESH = "j.org_id = ctx.org AND j.cache_tag = $5 AND j.reusable AND j.status NOT IN ('Failure', 'Deleted')"
_FOUND = f"""
found AS MATERIALIZED (
  SELECT j.* FROM ctx CROSS JOIN LATERAL (
    SELECT * FROM jobs j WHERE $6::boolean AND NOT $7::boolean AND {_FRESH}
      AND (j.start_date IS NULL OR j.start_date >= $8::bigint) FOR UPDATE
  ) j
)"""
_REUSE = f"""
WITH {context_sql()}, {_FOUND}
SELECT * FROM found WHERE $4::uuid IS NOT NULL
"""
_SUBMIT = f"""
WITH {context_sql()}, {_FOUND},
expired AS (
  UPDATE jobs SET reusable = false FROM ctx WHERE $6 AND org_id = ctx.org AND cache_tag = $5 AND reusable
    AND ($7 OR status IN ('Failure', 'Deleted') OR start_date < $8)
    AND NOT EXISTS (SELECT FROM found)
  RETURNING id
),
blob AS (
  INSERT INTO blobs (sha256, sha1, md5, size)
  SELECT $9::bytea, $10::bytea, $11::bytea, $12::bigint FROM ctx WHERE $9 IS NOT NULL
  ON CONFLICT (sha256) DO UPDATE SET created_at = now()
),
attachment AS (
  INSERT INTO attachments (org_id, sha256, name, content_type)
  SELECT ctx.org, $9, $13, $14 FROM ctx WHERE $9 IS NOT NULL AND NOT EXISTS (SELECT FROM found) RETURNING id
),
made AS (
  INSERT INTO jobs (id, org_id, worker_id, worker_name, definition_id, kind, status, data_type, data, attachment_id, tlp, pap,
    message, label, parameters, cache_tag, reusable, end_date, error_message, input, priority, rate_bucket, due_at, created_at,
    created_by, deadline)
  SELECT $4, ctx.org, $15, $16, $17, $18, CASE WHEN $19::text IS NULL THEN 'Waiting' ELSE 'Failure' END, $20, $21,
    (SELECT id FROM attachment), $22, $23, $24, $25, $26::jsonb, $5, $6,
    CASE WHEN $19 IS NOT NULL THEN $27::bigint END, $19, $28::jsonb, $29, $30, $31::bigint, $27, ctx.actor, $32::bigint
  FROM ctx, (SELECT count(*) FROM expired) AS after_those WHERE NOT EXISTS (SELECT FROM found)
  ON CONFLICT (org_id, cache_tag) WHERE reusable DO UPDATE SET cache_tag = EXCLUDED.cache_tag
  RETURNING *
),
queued AS (
  INSERT INTO dispatch (job_id, org_id, worker_id, priority, not_before)
  SELECT id, org_id, worker_id, priority, coalesce(to_timestamp(due_at / 1000.0), now())
  FROM made WHERE id = $4 AND status = 'Waiting'
),
event AS (
  INSERT INTO job_events (org_id, job_id, at, what, detail)
  SELECT org_id, id, $27, 'refused', $19 FROM made WHERE id = $4 AND $19 IS NOT NULL
)
SELECT * FROM found UNION ALL SELECT * FROM made
"""
# Who shares a job that waits for an earlier deadline, or for none, must not lose it to that.
_EXTEND = f"""
WITH {context_sql()} UPDATE jobs SET deadline = $5::bigint FROM ctx WHERE id = $4 AND org_id = ctx.org
"""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is asked of whom. `reusable`: an equal request may share the job, for `cache_ms` after its start.

    `refusal` makes a job that has failed already; `due` is when (ms) its turn is, in the bucket it is counted in.
    """

    request: RunRequest
    target: Target
    cache_tag: bytes
    reusable: bool
    cache_ms: int
    refusal: str | None = None
    rate_bucket: str | None = None
    due: int | None = None


def _lookup(draft: Draft, now: int) -> tuple[Any, ...]:
    return uuid7(), draft.cache_tag, draft.reusable, draft.request.force, now - draft.cache_ms


async def reuse(connection: asyncpg.Connection, actor: Actor, draft: Draft) -> Job | None:
    """The job that answers an equal request, under a lock until the transaction ends."""
    row = await connection.fetchrow(_REUSE, *actor.scope.parameters(), *_lookup(draft, now_ms()))
    return None if row is None else job_of(row)


async def submit(connection: asyncpg.Connection, actor: Actor, draft: Draft) -> tuple[Job, bool]:
    """The job, and whether it was there before."""
    request, target, now = draft.request, draft.target, now_ms()
    lookup = _lookup(draft, now)
    file = request.file
    content: tuple[Any, ...] = (None,) * 6
    if file is not None:
        hashes = (bytes.fromhex(h) for h in (file.blob.sha256, file.blob.sha1, file.blob.md5))
        content = (*hashes, file.blob.size, file.name, file.content_type)
    row = await connection.fetchrow(
        _SUBMIT,
        *actor.scope.parameters(),
        *lookup,
        *content,
        target.id,
        target.name,
        target.definition_id,
        target.kind,
        draft.refusal,
        request.data_type,
        request.data,
        request.tlp,
        request.pap,
        request.message,
        request.label,
        orjson.dumps(request.parameters).decode(),
        now,
        _input(request) if draft.refusal else None,
        request.priority,
        draft.rate_bucket,
        draft.due,
        request.deadline,
    )
    assert row is not None
    if row["deadline"] is not None and (request.deadline is None or request.deadline > row["deadline"]):
        await connection.execute(_EXTEND, *actor.scope.parameters(), row["id"], request.deadline)
    return job_of(row), row["id"] != lookup[0]


def job_of(row: asyncpg.Record) -> Job:
    """A row of `jobs` as the object that everything else works with; it belongs to no session."""
    return Job(**{name: row[name] for name in COLUMNS})


COLUMNS = tuple(column.name for column in Job.__table__.columns)


def _input(request: RunRequest) -> str:
    """What the worker would have been given, without a configuration."""
    content = {"filename": request.file.name} if request.file else {"data": request.data}
    return orjson.dumps({**content, "dataType": request.data_type, "message": request.message}).decode()
