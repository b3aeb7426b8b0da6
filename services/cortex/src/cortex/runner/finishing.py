"""Writes outcomes, several in one statement when several are there: while one batch is written, the next one gathers."""

from __future__ import annotations

import asyncio
import logging

import asyncpg

from cortex.runner.job import Failure, Job, Outcome
from cortex.runner.store import Store

log = logging.getLogger(__name__)
RETRY_EVERY = 1.0
MOST = 50
DATABASE_AWAY = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.OperatorInterventionError)
UNWRITABLE = (asyncpg.DataError, asyncpg.ProgramLimitExceededError, asyncpg.IntegrityConstraintViolationError)
Waiting = tuple[Job, Outcome, asyncio.Future[bool]]


class Finisher:
    """A result is not given up while the database is away; the lease's number keeps a late one from doing harm."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def finish(self, job: Job, outcome: Outcome) -> bool:
        """Returns when it is written; False when the lease was no longer ours or the job was deleted."""
        written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, outcome, written))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_all())
        return await written

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            try:
                await self._write([entry for entry in batch if not entry[2].done()])
            except Exception as error:  # whoever waits for these must hear of it
                for _, _, written in batch:
                    if not written.done():
                        written.set_exception(error)

    async def _write(self, batch: list[Waiting]) -> None:
        while batch:
            try:
                kept = await self._store.finish([(job, outcome) for job, outcome, _ in batch])
            except DATABASE_AWAY as error:
                log.warning("database_away", extra={"waiting_to": "finish", "jobs": len(batch), "error": str(error)})
                await asyncio.sleep(RETRY_EVERY)
            except UNWRITABLE as error:
                await self._write_singly(batch, error)
                return
            else:
                for job, _, written in batch:
                    if not written.done():
                        written.set_result(job.id in kept)
                return

    async def _write_singly(self, batch: list[Waiting], error: asyncpg.PostgresError) -> None:
        """One report that cannot be stored may not hold up the others."""
        if len(batch) > 1:
            for entry in batch:
                await self._write([entry])
            return
        job, _, written = batch[0]
        await self._write([(job, Outcome(Failure(f"Report creation failure: {error}")), written)])
