"""Turns announcements into messages: row out, envelopes into the outbox, in one transaction. Nothing can be lost between."""

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.events.links import JobRequest, all_links, requests_of
from cortex.events.outgoing import Outgoing
from cortex.jobs.models import Job
from waggle.contracts.envelope import Envelope
from waggle.db import Database
from waggle.db.notify import Notifier
from waggle.messaging.outbox import enqueue
from waggle.waiting import wait_at_most

log = structlog.get_logger(__name__)
BATCH = 50
LOOK_EVERY = 1.0
_TAKE = text("""
DELETE FROM announcements WHERE id IN (SELECT id FROM announcements ORDER BY id LIMIT :batch FOR UPDATE SKIP LOCKED)
RETURNING id, what, job_id, org_id
""")
# A catalog that has not left yet says nothing that the new one does not: while nobody listens, one waits, not one per change.
_SUPERSEDED = text("DELETE FROM outbox WHERE topic = :topic AND key = :key")
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('catalogs', 0))")
UNSENDABLE = "The result cannot be sent over the bus: {0}. It can be read in Cortex: job {1}."


class Announcer:
    """`wake` makes it look at once; it looks by itself every second. Any number of processes may run one."""

    def __init__(self, database: Database, notifier: Notifier, outgoing: Outgoing) -> None:
        self._database = database
        self._notifier = notifier
        self._outgoing = outgoing
        self._wake = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Works until it is cancelled; survives the database going away."""
        while True:
            self._wake.clear()
            try:
                if await self.once() == BATCH:
                    continue
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError) as error:
                log.warning("announcements_wait", error=str(error))
                await asyncio.sleep(LOOK_EVERY)
            await wait_at_most(self._wake, LOOK_EVERY)

    async def once(self) -> int:
        """Handles one batch; how many announcements it had."""
        async with self._database.system() as session:
            rows = sorted((await session.execute(_TAKE, {"batch": BATCH})).all(), key=lambda row: int(row.id))
            envelopes = await self._of_jobs(session, [(row.what, row.job_id) for row in rows if row.job_id is not None])
            envelopes += await self._catalogs(session, {row.org_id for row in rows if row.what == "catalog"})
            await enqueue(session, envelopes)
        if envelopes:
            self._notifier.wake("outbox")
        return len(rows)

    async def _of_jobs(self, session: AsyncSession, announced: list[tuple[str, UUID]]) -> list[Envelope]:
        requests = await requests_of(session, [job_id for _, job_id in announced])
        jobs = {job.id: job for job in await session.scalars(select(Job).where(Job.id.in_(requests)))}
        envelopes = []
        for what, job_id in announced:
            for request in requests.get(job_id, []):
                job = jobs[job_id]
                if what == "ended":
                    envelopes.append(await self._completed(session, request, job))
                elif job.status == "InProgress":
                    envelopes.append(self._outgoing.started(request, job))
        return envelopes

    async def _completed(self, session: AsyncSession, request: JobRequest, job: Job) -> Envelope:
        """The result, or why it cannot be sent: whoever asked must hear of the end."""
        try:
            return await self._outgoing.completed(session, request, job)
        except DBAPIError:
            raise
        except Exception as error:  # one result may not hold up all others
            log.error("result_unsendable", job=job.id.hex, exc_info=error)
            reason = UNSENDABLE.format(f"{type(error).__name__}: {str(error)[:500]}", job.id.hex)
            return self._outgoing.refused(request, reason)

    async def _catalogs(self, session: AsyncSession, organisations: set[str]) -> list[Envelope]:
        if not organisations:
            return []
        await session.execute(_ONE_AT_A_TIME)
        links = [link for link in await all_links(session) if link.org_id in organisations]
        envelopes = [await self._outgoing.catalog(session, link) for link in links]
        for envelope in envelopes:
            await session.execute(_SUPERSEDED, {"topic": envelope.routing_key, "key": envelope.key})
        return envelopes
