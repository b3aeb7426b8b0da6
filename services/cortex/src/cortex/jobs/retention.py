"""Forgets old jobs, by age and by number, and then the contents that nothing names any more."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from waggle.blobs import BlobStore
from waggle.db import Database
from waggle.ids import now_ms

log = structlog.get_logger(__name__)
EVERY = 3600.0
"""Seconds between sweeps."""
BATCH = 500
DAY_MS = 86_400_000

# What depends on a job goes with it (ON DELETE CASCADE). Jobs that wait or run stay, however old.
_OLD = """
DELETE FROM jobs WHERE id IN (
  SELECT id FROM jobs WHERE created_at < $1 AND status NOT IN ('Waiting', 'InProgress') ORDER BY created_at LIMIT $2
)
"""
_MANY = """
DELETE FROM jobs WHERE id IN (
  SELECT j.id FROM organisations o CROSS JOIN LATERAL (
    SELECT id FROM jobs WHERE org_id = o.id AND status NOT IN ('Waiting', 'InProgress') ORDER BY created_at DESC, id OFFSET $1
  ) j LIMIT $2
)
"""
_ATTACHMENTS = """
DELETE FROM attachments a WHERE NOT EXISTS (SELECT FROM jobs WHERE attachment_id = a.id)
  AND NOT EXISTS (SELECT FROM artifacts WHERE attachment_id = a.id)
  AND EXISTS (SELECT FROM blobs b WHERE b.sha256 = a.sha256 AND b.created_at < now() - interval '1 day')
"""
# `created_at` is renewed whenever a content is given again, so what is a day old is on nobody's way into a job.
_BLOBS = """
DELETE FROM blobs b WHERE created_at < now() - interval '1 day'
  AND NOT EXISTS (SELECT FROM attachments a WHERE a.sha256 = b.sha256)
  AND NOT EXISTS (SELECT FROM reports r WHERE r.full_sha256 = b.sha256)
  AND sha256 IN (SELECT sha256 FROM blobs WHERE created_at < now() - interval '1 day' ORDER BY sha256 LIMIT $1 OFFSET $2)
RETURNING encode(sha256, 'hex') AS sha256
"""


@dataclass(frozen=True, slots=True)
class Keep:
    """How long, and how many jobs per organisation. 0 = without limit."""

    days: int
    jobs: int


class Retention:
    """Sweeps once an hour; any number of processes may."""

    def __init__(self, database: Database, blobs: BlobStore, keep: Keep) -> None:
        self._database = database
        self._blobs = blobs
        self._keep = keep

    async def run(self) -> None:
        while True:
            try:
                await self.sweep()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError) as error:
                log.warning("retention_waits", error=str(error))
            await asyncio.sleep(EVERY)

    async def sweep(self) -> int:
        """How many jobs were forgotten."""
        count = 0
        if self._keep.days:
            count += await self._repeat(_OLD, now_ms() - self._keep.days * DAY_MS, BATCH)
        if self._keep.jobs:
            count += await self._repeat(_MANY, self._keep.jobs, BATCH)
        if count:
            log.info("jobs_forgotten", count=count)
        if self._keep.days or self._keep.jobs:
            async with self._database.raw(system=True) as connection:
                await connection.execute(_ATTACHMENTS)
            await self._forget_contents()
        return count

    async def _repeat(self, sql: str, *arguments: int) -> int:
        total = 0
        while True:
            async with self._database.raw(system=True) as connection:
                done = int((await connection.execute(sql, *arguments)).rpartition(" ")[2])
            total += done
            if done < BATCH:
                return total

    async def _forget_contents(self) -> None:
        looked = 0
        total = (await self._database.fetch("SELECT count(*) FROM blobs", system=True))[0][0]
        while looked < total:
            rows = await self._database.fetch(_BLOBS, BATCH, looked, system=True)
            for row in rows:
                await self._blobs.delete(row["sha256"])
            looked += BATCH - len(rows)
            total -= len(rows)
