"""Runs on remote Cortexes: submitted and followed by one loop, each claimed so that several processes share the work.

A claim moves the run's `next_poll_at` into the future before any call is made: a process that dies in between only delays the
run. A remote run is submitted at least once; the second submission of a lost answer costs a run, never a second result here,
because an ended run does not change.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from hive.analysis import translate
from hive.analysis.models import Action, CortexServer, Job, Run
from hive.analysis.outcomes import ENDED, Outcome
from hive.analysis.remote import RemoteCortex, RemoteFailed, RemoteGarbled, Submission
from hive.analysis.service import complete, find_run, started
from hive.analysis.subjects import of_action, of_job
from hive.analysis.workers import replace_catalogue
from hive.identity.caller import Caller, platform_caller
from hive.identity.models import Organisation
from hive.platform import Hive
from hive.tables import text_id
from waggle.errors import WaggleError

log = structlog.get_logger(__name__)
IDLE_SECONDS = 1.0
CATALOGUE_SECONDS = 300.0
CLAIM = """UPDATE {table} SET attempts = attempts + 1,
    next_poll_at = now() + least(15, 2 ^ least(attempts, 4)) * interval '1 second'
  WHERE id IN (SELECT id FROM {table} WHERE next_poll_at <= now() AND status IN ('Waiting', 'InProgress')
    ORDER BY next_poll_at LIMIT 20 FOR UPDATE SKIP LOCKED) RETURNING id"""
MODELS: tuple[type[Job] | type[Action], ...] = (Job, Action)
CLAIMS = {model: CLAIM.format(table=model.__tablename__) for model in MODELS}
UNREACHABLE = 240
GARBLED = 20
FAILED = "UPDATE {table} SET failures = {failures} WHERE id = $1 RETURNING failures"


async def poll(hive: Hive) -> None:
    """Works until it is cancelled."""
    looked = 0.0
    loop = asyncio.get_running_loop()
    while True:
        busy = False
        try:
            if loop.time() - looked > CATALOGUE_SECONDS or not looked:
                looked = loop.time()
                await refresh_catalogues(hive)
            busy = await poll_once(hive)
        except (OSError, SQLAlchemyError, asyncpg.PostgresError) as error:
            log.warning("cortex_polling_interrupted", error=str(error))
        if not busy:
            await asyncio.sleep(IDLE_SECONDS)


async def poll_once(hive: Hive) -> bool:
    """Takes the due runs one step on; False when none was due."""
    due = [(model, row["id"]) for model, claim in CLAIMS.items() for row in await hive.database.fetch(claim, system=True)]
    await asyncio.gather(*(_step(hive, model, run_id) for model, run_id in due))
    return bool(due)


@dataclass(frozen=True, slots=True)
class _Due:
    """A run with what its next call needs; without `submission` what it was to work on is gone."""

    caller: Caller
    server: CortexServer | None
    remote_id: str | None
    attempts: int
    submission: Submission | None


async def _load(hive: Hive, model: type[Job] | type[Action], run_id: int) -> _Due | None:
    async with hive.database.system() as session:
        run: Job | Action | None = await session.get(model, run_id)
        if run is None:
            return None
        organisation = await session.get(Organisation, run.asking_org_id)
        if organisation is None:
            return None
        caller = platform_caller(organisation.id, organisation.name)
        server = await session.scalar(select(CortexServer).where(CortexServer.name == run.server, CortexServer.kind == "rest"))
        subject = await of_job(session, run) if isinstance(run, Job) else await of_action(session, caller, run)
        told = {**run.parameters, "organisation": organisation.name, "user": run.created_by}
        what = Submission(run.worker_id, subject, told) if subject else None
        return _Due(caller, server, run.cortex_job_id, run.attempts, what)


async def _step(hive: Hive, model: type[Job] | type[Action], run_id: int) -> None:
    due = await _load(hive, model, run_id)
    if due is None:
        return
    if due.server is None:
        await _end(hive, run_id, due.caller, Outcome("Failure", "the Cortex server of this run is not configured any more"))
        return
    patience = UNREACHABLE
    try:
        remote = RemoteCortex(hive, due.server)
        if due.remote_id is None:
            await _submit(hive, remote, run_id, due)
        else:
            await _follow(hive, remote, run_id, due, due.remote_id)
    except RemoteFailed as refused:
        await _end(hive, run_id, due.caller, Outcome("Failure", str(refused)))
        return
    except (httpx.HTTPError, httpx.InvalidURL, OSError, WaggleError) as error:
        reason = f"did not answer: {error or type(error).__name__}"
    except RemoteGarbled as error:
        reason, patience = f"cannot be understood: {error}", GARBLED
    else:
        await hive.database.fetch(FAILED.format(table=model.__tablename__, failures="0"), run_id, system=True)
        return
    log.warning("cortex_call_failed", run=text_id(run_id), server=due.server.name, error=reason)
    counted = await hive.database.fetch(FAILED.format(table=model.__tablename__, failures="failures + 1"), run_id, system=True)
    if counted and counted[0]["failures"] >= patience:
        await _end(hive, run_id, due.caller, Outcome("Failure", f"Cortex server {due.server.name} {reason}"))


async def _submit(hive: Hive, remote: RemoteCortex, run_id: int, due: _Due) -> None:
    what = due.submission
    if what is None:
        raise RemoteFailed("what it was to work on is gone")
    if what.subject.file is None:
        remote_id = await remote.submit(what)
    else:
        with tempfile.TemporaryDirectory(prefix="hive-submit-") as folder:
            content = Path(folder) / "content"
            await hive.blobs.copy_to(what.subject.file.sha256.hex(), content)
            remote_id = await remote.submit(Submission(what.worker_id, what.subject, what.parameters, content))
    async with hive.database.begin(due.caller.scope()) as session:
        run = await find_run(session, text_id(run_id))
        await started(session, due.caller, run, cortex_job_id=remote_id, attempt=run.attempts)
    hive.wake()


async def _follow(hive: Hive, remote: RemoteCortex, run_id: int, due: _Due, remote_id: str) -> None:
    found = await remote.report(remote_id)
    if found["status"] in ENDED:
        await _end(hive, run_id, due.caller, await translate.outcome(hive, remote, found))


async def _end(hive: Hive, run_id: int, caller: Caller, outcome: Outcome) -> None:
    catalogue = await hive.catalogues.current()
    async with hive.database.begin(caller.scope()) as session:
        run: Run = await find_run(session, text_id(run_id))
        await complete(session, caller, run, outcome, catalogue)
    hive.wake()


async def refresh_catalogues(hive: Hive) -> None:
    """The lists of workers of all remote servers; one that does not answer keeps its old list."""
    async with hive.database.system() as session:
        servers = list(await session.scalars(select(CortexServer).where(CortexServer.kind == "rest")))
    await asyncio.gather(*(_refresh(hive, server) for server in servers))


async def _refresh(hive: Hive, server: CortexServer) -> None:
    try:
        remote = RemoteCortex(hive, server)
        listed = [
            worker
            for kind in ("analyzer", "responder")
            for one in await remote.workers(kind)
            if (worker := translate.worker(one, kind)) is not None
        ]
    except (RemoteFailed, RemoteGarbled, httpx.HTTPError, httpx.InvalidURL, OSError, WaggleError) as error:
        log.warning("cortex_catalogue_failed", server=server.name, error=str(error))
        return
    async with hive.database.system() as session:
        await replace_catalogue(session, server, listed)
