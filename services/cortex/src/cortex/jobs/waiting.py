"""Waiting for jobs to end: any number of waiters, one look at the database for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from waggle.db import Database
from waggle.waiting import wait_at_most

log = structlog.get_logger(__name__)
LOOK_EVERY = 1.0
"""Seconds between looks when nobody notifies."""
ENDED = "SELECT id FROM jobs WHERE id = ANY($1::uuid[]) AND status IN ('Success', 'Failure', 'Deleted')"


class JobWatcher:
    """`ended` is called when a job may have ended; whoever waited looks into the table, and never believes the call alone."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiters: dict[UUID, asyncio.Event] = {}
        self._counts: dict[UUID, int] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def ended(self, job_id: str = "") -> None:
        """Hex of the job's id; empty: any may have."""
        if not job_id:
            self._wake.set()
        elif event := self._waiters.get(UUID(hex=job_id)):
            event.set()

    @contextmanager
    def watching(self, job_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set when the job has ended; to be had before the look at the job that decides whether to wait."""
        event = self._waiters.setdefault(job_id, asyncio.Event())
        self._counts[job_id] = self._counts.get(job_id, 0) + 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        try:
            yield event
        finally:
            self._counts[job_id] -= 1
            if not self._counts[job_id]:
                del self._counts[job_id], self._waiters[job_id]

    async def wait(self, job_id: UUID, *, seconds: float) -> bool:
        """Whether the job ended in time. It may have ended before: the first look comes after the subscription."""
        with self.watching(job_id) as event:
            self._wake.set()
            return await wait_at_most(event, seconds)

    async def _watch(self) -> None:
        while self._waiters:
            await wait_at_most(self._wake, LOOK_EVERY)
            self._wake.clear()
            try:
                for row in await self._database.fetch(ENDED, list(self._waiters), system=True):
                    if event := self._waiters.get(UUID(bytes=row["id"].bytes)):
                        event.set()
            except (OSError, asyncpg.PostgresError, SQLAlchemyError) as error:
                log.warning("waiting_without_database", error=str(error))
                await asyncio.sleep(LOOK_EVERY)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
