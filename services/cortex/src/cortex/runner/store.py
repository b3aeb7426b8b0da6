"""The runner's side of the database: claim, beat, finish. Every statement here works across organisations.

A job is taken by a lease with a number (`attempt`). Whoever writes a result must still hold that lease; a runner that was
thought dead and comes back late changes nothing.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import orjson

from cortex.markings import PAP_NUMBERS, TLP_NUMBERS
from cortex.runner.job import Artifact, Failure, InputFile, Job, Outcome, Worker
from waggle.ids import now_ms

DEADLINE_OVER = "The deadline of the request was over before a runner had room for the job."
MAX_LOSSES = 3
"""A job whose runner is lost that often is taken to be what kills the runners."""
LOST_TOO_OFTEN = (
    f"The runner was lost {MAX_LOSSES} times while it ran this job: it was killed, or the machine ran out of memory. "
    "Look into the runner's log and the kernel's, then run the job again."
)

# Due jobs of the organisations that have the fewest running: one organisation's thousand jobs do not hold up another's one.
# Organisations are found by hops through the index, not by reading the queue; the order of `turn` is kept by the nested loop
# of the lateral join, which stops at the last row wanted.
CLAIM = """
WITH RECURSIVE org AS (
  (SELECT org_id FROM dispatch ORDER BY org_id LIMIT 1)
  UNION ALL
  SELECT (SELECT d.org_id FROM dispatch d WHERE d.org_id > org.org_id ORDER BY d.org_id LIMIT 1) FROM org
  WHERE org.org_id IS NOT NULL
), turn AS MATERIALIZED (
  SELECT org.org_id, greatest(1, ceil($4::int / count(*) OVER ()))::int AS share
  FROM org LEFT JOIN (SELECT org_id, count(*) AS running FROM leases GROUP BY org_id) busy USING (org_id)
  WHERE org.org_id IS NOT NULL
  ORDER BY coalesce(busy.running, 0), (
    SELECT enqueued_at FROM dispatch WHERE dispatch.org_id = org.org_id AND not_before <= now()
    ORDER BY priority DESC, enqueued_at, job_id LIMIT 1)
), chosen AS MATERIALIZED (
  SELECT d.job_id FROM turn CROSS JOIN LATERAL (
    SELECT job_id FROM dispatch WHERE dispatch.org_id = turn.org_id AND not_before <= now()
    ORDER BY priority DESC, enqueued_at, job_id LIMIT turn.share FOR UPDATE SKIP LOCKED
  ) d LIMIT $4
), taken AS (
  DELETE FROM dispatch USING chosen WHERE dispatch.job_id = chosen.job_id RETURNING dispatch.job_id
), job AS (
  UPDATE jobs SET status = 'InProgress', attempt = attempt + 1, start_date = $3, updated_at = $3, version = version + 1
  FROM taken WHERE jobs.id = taken.job_id AND status = 'Waiting' RETURNING jobs.*
), lease AS (
  INSERT INTO leases (job_id, org_id, runner, attempt, expires_at)
  SELECT id, org_id, $1, attempt, now() + make_interval(secs => $2) FROM job
), event AS (
  INSERT INTO job_events (org_id, job_id, at, what, detail)
  SELECT org_id, id, $3, 'started', 'attempt ' || attempt || ' on ' || $1 FROM job
), told AS (
  INSERT INTO announcements (job_id, what) SELECT id, 'started' FROM job WHERE announced
)
SELECT job.*, w.id AS found_worker,
  w.command, w.root, w.docker_image, w.config_sealed, w.timeout_minutes, w.runner, d.config AS flavor_config, d.network,
  d.misp_module,
  encode(a.sha256, 'hex') AS file_sha256, a.name AS file_name, a.content_type AS file_content_type
FROM job
LEFT JOIN workers w ON w.id = job.worker_id
LEFT JOIN definitions d ON d.kind = w.kind AND d.id = w.definition_id
LEFT JOIN attachments a ON a.id = job.attachment_id
"""

BEAT = """
UPDATE leases SET beat_at = now(), expires_at = now() + make_interval(secs => $3)
FROM unnest($1::uuid[], $2::int[]) AS mine (job_id, attempt), jobs
WHERE leases.job_id = mine.job_id AND leases.attempt = mine.attempt AND jobs.id = mine.job_id AND jobs.status = 'InProgress'
RETURNING leases.job_id
"""

RECLAIM = """
WITH lost AS (
  DELETE FROM leases WHERE job_id IN (
    SELECT job_id FROM leases WHERE expires_at < now() ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED
  ) RETURNING *
), again AS (
  UPDATE jobs SET status = 'Waiting', losses = losses + 1, updated_at = $1, version = version + 1
  FROM lost WHERE jobs.id = lost.job_id AND jobs.attempt = lost.attempt AND status = 'InProgress' AND losses + 1 < $2
  RETURNING jobs.id, jobs.org_id, worker_id, priority, created_at
), queued AS (
  INSERT INTO dispatch (job_id, org_id, worker_id, priority, enqueued_at)
  SELECT id, org_id, worker_id, priority, to_timestamp(created_at / 1000.0) FROM again
), failed AS (
  UPDATE jobs SET status = 'Failure', losses = losses + 1, reusable = false, end_date = $1, updated_at = $1,
    version = version + 1, error_message = $3
  FROM lost WHERE jobs.id = lost.job_id AND jobs.attempt = lost.attempt AND status = 'InProgress' AND losses + 1 >= $2
  RETURNING jobs.id, announced
), told AS (
  INSERT INTO announcements (job_id, what) SELECT id, 'ended' FROM failed WHERE announced
), events AS (
  INSERT INTO job_events (org_id, job_id, at, what, detail)
  SELECT org_id, job_id, $1, 'lost', 'no beat from ' || runner || ' since ' || beat_at FROM lost
)
SELECT (SELECT count(*) FROM again) AS again, (SELECT count(*) FROM failed) AS failed
"""

EXPIRE = """
WITH late AS (
  UPDATE jobs SET status = 'Failure', reusable = false, end_date = $1, updated_at = $1, version = version + 1, error_message = $2
  WHERE id IN (SELECT id FROM jobs WHERE deadline < $1 AND status = 'Waiting' LIMIT 500 FOR UPDATE SKIP LOCKED)
  RETURNING id, org_id, announced
), gone AS (
  DELETE FROM dispatch USING late WHERE dispatch.job_id = late.id
), event AS (
  INSERT INTO job_events (org_id, job_id, at, what, detail) SELECT org_id, id, $1, 'expired', $2 FROM late
), told AS (
  INSERT INTO announcements (job_id, what) SELECT id, 'ended' FROM late WHERE announced
)
SELECT count(*) FROM late
"""

HAND_BACK = """
WITH mine AS (
  DELETE FROM leases WHERE job_id = $1 AND attempt = $2 RETURNING job_id
), job AS (
  UPDATE jobs SET status = 'Waiting', updated_at = $3, version = version + 1
  FROM mine WHERE jobs.id = mine.job_id AND status = 'InProgress' AND attempt = $2
  RETURNING jobs.id, org_id, worker_id, priority, created_at
), event AS (
  INSERT INTO job_events (org_id, job_id, at, what, detail) SELECT org_id, id, $3, 'handed back', $4 FROM job
)
INSERT INTO dispatch (job_id, org_id, worker_id, priority, enqueued_at)
SELECT id, org_id, worker_id, priority, to_timestamp(created_at / 1000.0) FROM job
"""

# How any number of jobs ended, all in one statement. Only who still holds a job's lease changes anything.
FINISH = """
WITH item AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset($1::jsonb) AS x (id uuid, attempt int, status text, error_message text, input jsonb,
    summary jsonb, "full" jsonb, full_sha256 text, operations jsonb, artifacts jsonb, blobs jsonb, events jsonb,
    verdict jsonb)
), released AS (
  DELETE FROM leases USING item WHERE leases.job_id = item.id AND leases.attempt = item.attempt
), ended AS (
  UPDATE jobs SET status = item.status, end_date = $2, updated_at = $2, version = version + 1, input = item.input,
    error_message = item.error_message, reusable = reusable AND item.status = 'Success'
  FROM item WHERE jobs.id = item.id AND jobs.attempt = item.attempt AND jobs.status = 'InProgress'
  RETURNING jobs.id, org_id, announced
), blob AS (
  INSERT INTO blobs (sha256, sha1, md5, size)
  SELECT DISTINCT decode(b.sha256, 'hex'), decode(b.sha1, 'hex'), decode(b.md5, 'hex'), b.size
  FROM item JOIN ended USING (id), jsonb_to_recordset(item.blobs) AS b (sha256 text, sha1 text, md5 text, size bigint)
  ON CONFLICT (sha256) DO UPDATE SET created_at = now()
), report AS (
  INSERT INTO reports (job_id, org_id, summary, "full", full_sha256, operations, verdict)
  SELECT id, org_id, summary, "full", decode(full_sha256, 'hex'), operations, verdict FROM item JOIN ended USING (id)
  WHERE item.status = 'Success'
), found AS MATERIALIZED (
  SELECT id, org_id, a.*, CASE WHEN a.sha256 IS NOT NULL THEN nextval('attachments_id_seq') END AS attachment_id
  FROM item JOIN ended USING (id), ROWS FROM (jsonb_to_recordset(item.artifacts) AS (data_type text, data text, sha256 text,
    name text, content_type text, tlp text, tags jsonb, message text)) WITH ORDINALITY
    AS a (data_type, data, sha256, name, content_type, tlp, tags, message, place)
), attachment AS (
  INSERT INTO attachments (id, org_id, sha256, name, content_type) OVERRIDING SYSTEM VALUE
  SELECT attachment_id, org_id, decode(sha256, 'hex'), name, content_type FROM found WHERE attachment_id IS NOT NULL
), artifact AS (
  INSERT INTO artifacts (org_id, job_id, data_type, data, attachment_id, tlp, tags, message)
  SELECT org_id, id, data_type, data, attachment_id, tlp, ARRAY(SELECT jsonb_array_elements_text(tags)), message
  FROM found ORDER BY id, place
), event AS (
  INSERT INTO job_events (org_id, job_id, at, what, detail)
  SELECT org_id, id, $2, e.what, e.detail
  FROM item JOIN ended USING (id), jsonb_to_recordset(item.events) AS e (what text, detail text)
), told AS (
  INSERT INTO announcements (job_id, what) SELECT id, 'ended' FROM ended WHERE announced
)
SELECT id, announced FROM ended
"""


async def prepare(connection: asyncpg.Connection) -> None:
    """JSON in and out as Python values; for a pool's `init`."""
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=lambda v: orjson.dumps(v).decode(), decoder=orjson.loads
    )


async def leave(connection: asyncpg.Connection) -> None:
    """For a pool's `reset`: the default's round trip is worth it only where a transaction was left open."""
    if connection.is_in_transaction():
        await connection.reset()


def _job(row: asyncpg.Record) -> Job:
    worker, file = None, None
    if row["found_worker"] is not None:
        worker = Worker(
            kind=row["kind"],
            definition_id=row["definition_id"],
            command=row["command"],
            root=row["root"],
            flavor_config=row["flavor_config"] or {},
            config_sealed=row["config_sealed"],
            timeout_minutes=row["timeout_minutes"],
            network=row["network"],
            docker_image=row["docker_image"],
            misp_module=row["misp_module"],
            runner=row["runner"],
        )
    if row["file_sha256"] is not None:
        file = InputFile(row["file_sha256"], row["file_name"], row["file_content_type"])
    return Job(
        id=UUID(bytes=row["id"].bytes),
        attempt=row["attempt"],
        org_id=row["org_id"],
        worker_id=row["worker_id"],
        worker_name=row["worker_name"],
        data_type=row["data_type"],
        data=row["data"],
        file=file,
        tlp=TLP_NUMBERS[row["tlp"]],
        pap=PAP_NUMBERS[row["pap"]],
        message=row["message"],
        parameters=row["parameters"],
        worker=worker,
        deadline=row["deadline"],
    )


class Store:
    """`runner` names this runner in leases and events; `lease_seconds` is how long a beat lasts."""

    def __init__(self, pool: asyncpg.Pool, *, runner: str, lease_seconds: float) -> None:
        self._pool = pool
        self._runner = runner
        self._lease = lease_seconds

    async def claim(self, most: int = 1) -> list[Job]:
        """Up to `most` jobs, under leases of ours."""
        rows = await self._pool.fetch(CLAIM, self._runner, self._lease, now_ms(), most)
        if any(row["announced"] for row in rows):
            await self.wake("announcements")
        return [_job(row) for row in rows]

    async def beat(self, jobs: list[Job]) -> set[UUID]:
        """The ids of the jobs that are still ours; the others were deleted or given to another runner."""
        rows = await self._pool.fetch(BEAT, [j.id for j in jobs], [j.attempt for j in jobs], self._lease)
        return {UUID(bytes=row["job_id"].bytes) for row in rows}

    async def reclaim(self) -> tuple[int, int]:
        """Takes jobs from runners that have stopped beating; how many go again and how many were lost too often."""
        row = await self._pool.fetchrow(RECLAIM, now_ms(), MAX_LOSSES, LOST_TOO_OFTEN)
        if row["again"] or row["failed"]:
            await self.wake("dispatch", "job_ended", "announcements")
        return row["again"], row["failed"]

    async def expire(self) -> int:
        """Ends jobs that still wait though their deadline is over; how many."""
        count = int(await self._pool.fetchval(EXPIRE, now_ms(), DEADLINE_OVER))
        if count:
            await self.wake("job_ended", "announcements")
        return count

    async def hand_back(self, job: Job, why: str) -> None:
        """Puts a job of ours back for another runner; it counts as no loss."""
        await self._pool.execute(HAND_BACK, job.id, job.attempt, now_ms(), why)
        await self.wake("dispatch")

    async def release(self, job: Job) -> None:
        """Gives up the lease of a job that is no longer wanted."""
        await self._pool.execute("DELETE FROM leases WHERE job_id = $1 AND attempt = $2", job.id, job.attempt)

    async def finish(self, ended: list[tuple[Job, Outcome]]) -> set[UUID]:
        """Writes how jobs ended, in one transaction; the ids of those that were still ours and not deleted."""
        rows = await self._pool.fetch(FINISH, [_item(job, outcome) for job, outcome in ended], now_ms())
        if rows:
            channels = [["job_ended", row["id"].hex] for row in rows]
            channels += [["announcements", ""]] if any(row["announced"] for row in rows) else []
            await self._pool.execute(
                "SELECT pg_notify(c, p) FROM unnest($1::text[], $2::text[]) AS x (c, p)", *map(list, zip(*channels, strict=True))
            )
        return {UUID(bytes=row["id"].bytes) for row in rows}

    async def wake(self, *channels: str) -> None:
        """Tells whoever waits; after the commit, and without data."""
        await self._pool.execute("SELECT pg_notify(c, '') FROM unnest($1::text[]) AS c", list(channels))


def _item(job: Job, outcome: Outcome) -> dict[str, Any]:
    """An ended job as FINISH reads it."""
    result = outcome.result
    item: dict[str, Any] = {"id": job.id, "attempt": job.attempt, "blobs": [], "artifacts": []}
    item["events"] = [{"what": what, "detail": detail} for what, detail in outcome.notes]
    if isinstance(result, Failure):
        return {**item, "status": "Failure", "error_message": result.message, "input": result.input}
    item |= {"status": "Success", "summary": result.summary, "operations": result.operations}
    item["verdict"] = result.verdict
    if outcome.full is None:
        item["full"] = result.full
    else:
        item["full_sha256"] = outcome.full.sha256
    blobs = [*outcome.files.values(), *([outcome.full] if outcome.full else [])]
    item["blobs"] = [{"sha256": b.sha256, "sha1": b.sha1, "md5": b.md5, "size": b.size} for b in blobs]
    item["artifacts"] = [_artifact(artifact, outcome) for artifact in result.artifacts]
    return item


def _artifact(artifact: Artifact, outcome: Outcome) -> dict[str, Any]:
    shown = {"data_type": artifact.data_type, "data": artifact.data, "tlp": artifact.tlp, "tags": artifact.tags}
    shown["message"] = artifact.message
    if artifact.file is not None:
        shown |= {"sha256": outcome.files[artifact.file.path].sha256, "name": artifact.file.name}
        shown["content_type"] = artifact.file.content_type
    return shown
