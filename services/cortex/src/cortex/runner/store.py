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
from waggle.blobs import Blob
from waggle.ids import now_ms

MAX_LOSSES = 3
"""A job whose runner is lost that often is taken to be what kills the runners."""
LOST_TOO_OFTEN = (
    f"The runner was lost {MAX_LOSSES} times while it ran this job: it was killed, or the machine ran out of memory. "
    "Look into the runner's log and the kernel's, then run the job again."
)

# The oldest due job of the organisation that has the fewest running: one organisation's thousand jobs do not hold up
# another's one. The order of `turn` is kept by the nested loop of the lateral join, which stops at the first row.
CLAIM = """
WITH turn AS MATERIALIZED (
  SELECT due.org_id
  FROM (SELECT org_id, min(enqueued_at) AS oldest FROM dispatch WHERE not_before <= now() GROUP BY org_id) due
  LEFT JOIN (SELECT org_id, count(*) AS running FROM leases GROUP BY org_id) busy USING (org_id)
  ORDER BY coalesce(busy.running, 0), due.oldest
), chosen AS MATERIALIZED (
  SELECT d.job_id FROM turn CROSS JOIN LATERAL (
    SELECT job_id FROM dispatch WHERE dispatch.org_id = turn.org_id AND not_before <= now()
    ORDER BY priority DESC, enqueued_at, job_id LIMIT 1 FOR UPDATE SKIP LOCKED
  ) d LIMIT 1
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
  INSERT INTO announcements (job_id, what)
  SELECT id, 'started' FROM job WHERE EXISTS (SELECT FROM job_requests r WHERE r.job_id = job.id) RETURNING id
)
SELECT job.*, EXISTS (SELECT FROM told) AS told, w.id AS found_worker,
  w.command, w.root, w.config_sealed, w.timeout_minutes, d.config AS flavor_config,
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
  RETURNING jobs.id
), told AS (
  INSERT INTO announcements (job_id, what) SELECT id, 'ended' FROM failed
), events AS (
  INSERT INTO job_events (org_id, job_id, at, what, detail)
  SELECT org_id, job_id, $1, 'lost', 'no beat from ' || runner || ' since ' || beat_at FROM lost
)
SELECT (SELECT count(*) FROM again) AS again, (SELECT count(*) FROM failed) AS failed
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

END = """
UPDATE jobs SET status = $3, end_date = $4, updated_at = $4, version = version + 1, error_message = $5, input = $6,
  reusable = reusable AND $3 = 'Success'
WHERE id = $1 AND attempt = $2 AND status = 'InProgress' RETURNING org_id
"""


async def prepare(connection: asyncpg.Connection) -> None:
    """JSON in and out as Python values; for a pool's `init`."""
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=lambda v: orjson.dumps(v).decode(), decoder=orjson.loads
    )


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
    )


class Store:
    """`runner` names this runner in leases and events; `lease_seconds` is how long a beat lasts."""

    def __init__(self, pool: asyncpg.Pool, *, runner: str, lease_seconds: float) -> None:
        self._pool = pool
        self._runner = runner
        self._lease = lease_seconds

    async def claim(self) -> Job | None:
        row = await self._pool.fetchrow(CLAIM, self._runner, self._lease, now_ms())
        if row is None:
            return None
        if row["told"]:
            await self.wake("announcements")
        return _job(row)

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

    async def hand_back(self, job: Job, why: str) -> None:
        """Puts a job of ours back for another runner; it counts as no loss."""
        await self._pool.execute(HAND_BACK, job.id, job.attempt, now_ms(), why)
        await self.wake("dispatch")

    async def release(self, job: Job) -> None:
        """Gives up the lease of a job that is no longer wanted."""
        await self._pool.execute("DELETE FROM leases WHERE job_id = $1 AND attempt = $2", job.id, job.attempt)

    async def finish(self, job: Job, outcome: Outcome) -> bool:
        """Writes how the job ended, in one transaction; False when the lease was no longer ours or the job was deleted."""
        result = outcome.result
        failure = result if isinstance(result, Failure) else None
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("DELETE FROM leases WHERE job_id = $1 AND attempt = $2", job.id, job.attempt)
            org = await connection.fetchval(
                END,
                job.id,
                job.attempt,
                "Failure" if failure else "Success",
                now_ms(),
                failure.message if failure else None,
                failure.input if failure else None,
            )
            if org is None:
                return False
            if not isinstance(result, Failure):
                await self._write_report(connection, job, outcome)
            await connection.execute("INSERT INTO announcements (job_id, what) VALUES ($1, 'ended')", job.id)
        await self.wake("job_ended", "announcements")
        return True

    async def _write_report(self, connection: asyncpg.Connection, job: Job, outcome: Outcome) -> None:
        report = outcome.result
        assert not isinstance(report, Failure)
        for blob in [*outcome.files.values(), *([outcome.full] if outcome.full else [])]:
            await _add_blob(connection, blob)
        await connection.execute(
            'INSERT INTO reports (job_id, org_id, summary, "full", full_sha256, operations) VALUES ($1, $2, $3, $4, $5, $6)',
            job.id,
            job.org_id,
            report.summary,
            None if outcome.full else report.full,
            bytes.fromhex(outcome.full.sha256) if outcome.full else None,
            report.operations,
        )
        rows = [await self._artifact_row(connection, job, artifact, outcome.files) for artifact in report.artifacts]
        if rows:
            await connection.executemany(
                "INSERT INTO artifacts (org_id, job_id, data_type, data, attachment_id, tlp, tags, message)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                rows,
            )

    async def _artifact_row(
        self, connection: asyncpg.Connection, job: Job, artifact: Artifact, files: dict[Any, Blob]
    ) -> tuple[Any, ...]:
        attachment = None
        if artifact.file is not None:
            attachment = await connection.fetchval(
                "INSERT INTO attachments (org_id, sha256, name, content_type) VALUES ($1, $2, $3, $4) RETURNING id",
                job.org_id,
                bytes.fromhex(files[artifact.file.path].sha256),
                artifact.file.name,
                artifact.file.content_type,
            )
        head = (job.org_id, job.id, artifact.data_type, artifact.data, attachment)
        return (*head, artifact.tlp, artifact.tags, artifact.message)

    async def wake(self, *channels: str) -> None:
        """Tells whoever waits; after the commit, and without data."""
        await self._pool.execute("SELECT pg_notify(c, '') FROM unnest($1::text[]) AS c", list(channels))


async def _add_blob(connection: asyncpg.Connection, blob: Blob) -> None:
    await connection.execute(
        "INSERT INTO blobs (sha256, sha1, md5, size) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        bytes.fromhex(blob.sha256),
        bytes.fromhex(blob.sha1),
        bytes.fromhex(blob.md5),
        blob.size,
    )
